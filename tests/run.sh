#!/usr/bin/env bash
# Builds turnpike and runs every test. Installs what is missing with apt. May be run again at any time.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }

step "1/3 packages"
bash deploy/packages.sh test

step "2/3 build (release preset; the first time takes minutes)"
cmake --preset release -DBUILD_TESTING=ON --log-level=WARNING
ninja -C build/release

step "3/3 tests"
cd build/release
ctest --no-tests=error --output-on-failure --timeout 1500 -j 2
