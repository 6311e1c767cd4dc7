#!/usr/bin/env bash
# Installs the Debian 12 packages that are missing. Usage: packages.sh build|test
# build: what compiling and running needs. test: that, and what the tests use.
set -euo pipefail

build_packages=(clang-19 lld-19 cmake ninja-build ccache pkg-config libboost1.81-dev libcurl4-openssl-dev libsimdjson-dev
  nlohmann-json3-dev prometheus-cpp-dev libsqlite3-dev libpq-dev libssl-dev libtomlplusplus-dev libcli11-dev libfmt-dev
  libcctz-dev libxxhash-dev zlib1g-dev python3 ca-certificates)
test_packages=(valgrind catch2 libclang-rt-19-dev llvm-19 python3-yaml prometheus curl postgresql nginx-light openssl)

wanted=("${build_packages[@]}")
[ "${1:-build}" = test ] && wanted+=("${test_packages[@]}")

missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "== packages: all ${#wanted[@]} present"
  exit 0
fi
echo "== packages: installing ${missing[*]}"
if [ "$(id -u)" -ne 0 ]; then
  echo "These Debian packages are missing; run this as root once:  apt-get install ${missing[*]}" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# A package's service must not start just because its tool is installed (prometheus would take port 9090).
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
echo "== packages: done"
