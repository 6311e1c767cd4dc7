#!/usr/bin/env bash
# Fuzzes targets one after the other and says how it went; fails if one of them has a finding.
#
# usage: tests/fuzz/run.sh [--runs N | --seconds N, default 10 s] [targets, default: all]
#
# With --runs each target makes N executions (10000000: the number of the release gate), with --seconds
# it takes so long; nine tenths of it with short inputs, which are fast and hold most of what can go
# wrong, then a tenth with long ones. What libFuzzer learns stays in build/fuzz/corpus, findings in build/fuzz/findings.
# Recorded traffic ($TURNPIKE_SHARED, default ../shared) makes further seeds where it is present.
# FUZZ_BUILD names another build folder that has been made with the preset "fuzz" already.
set -euo pipefail
cd "$(dirname "$0")/../.."
flag=-max_total_time amount=10
case ${1:-} in
  --runs) flag=-runs amount=$2; shift 2 ;;
  --seconds) amount=$2; shift 2 ;;
  --*) sed -n '2,11p' "$0"; exit 2 ;;
esac
targets=("$@")
# The fast ones first.
[ ${#targets[@]} -gt 0 ] || targets=(chunk head sse peek config policy catalog decode request)
# A short stack per allocation and a small quarantine: twice the speed, and what is wrong is still found.
export ASAN_OPTIONS=${ASAN_OPTIONS:-malloc_context_size=1:quarantine_size_mb=16}
build=${FUZZ_BUILD:-build/fuzz}
shared=${TURNPIKE_SHARED:-../shared}

# Longest inputs, short and long: what the interesting shapes of the target need and no more, since time goes with it.
lengths() {
  case $1 in
    chunk) echo 128 256 ;;
    head | sse | peek | config) echo 256 1024 ;;
    *) echo 256 2048 ;;
  esac
}

[ -n "${FUZZ_BUILD:-}" ] || cmake --preset fuzz >/dev/null
ninja -C "$build" "${targets[@]/#/fuzz_}"
mkdir -p "$build/findings"
if [ -d "$shared/data/wire" ]; then
  python3 tests/fuzz/seeds.py "$shared" "$build/seeds"
else
  echo "SKIPPED: seeds from recorded traffic: no $shared/data/wire" >&2
fi

failed=0
for target in "${targets[@]}"; do
  log=$build/fuzz_$target.log
  mkdir -p "$build/corpus/$target" "$build/seeds/$target"
  dictionary=()
  [ ! -f "tests/fuzz/$target.dict" ] || dictionary=(-dict="tests/fuzz/$target.dict")
  status=0
  begun=$SECONDS
  read -r short long < <(lengths "$target")
  : >"$log"
  for pass in "$short $((amount - amount / 10))" "$long $((amount / 10 > 0 ? amount / 10 : 1))"; do
    "$build/tests/fuzz/fuzz_$target" "$flag=${pass#* }" -max_len="${pass% *}" -timeout=10 \
      -rss_limit_mb=2048 -print_final_stats=1 "${dictionary[@]}" -artifact_prefix="$build/findings/$target-" \
      "$build/corpus/$target" "$build/seeds/$target" "tests/fuzz/corpus/$target" >>"$log" 2>&1 || status=$?
  done
  executions=$(awk '/^stat::number_of_executed_units:/ {n += $2} END {print n}' "$log")
  coverage=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)
  crashes=$(grep -c 'Test unit written to' "$log" || true)
  echo "$target: ${executions:-?} executions in $((SECONDS - begun)) s, coverage ${coverage:-?}, $crashes findings"
  if [ $status -ne 0 ]; then
    failed=1
    grep -A1 -E "what\(\)|ERROR:|SUMMARY:|Test unit written to" "$log" | head -40 || true
  fi
done
exit $failed
