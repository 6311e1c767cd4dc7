#!/usr/bin/env bash
# Fuzzes every target for some seconds and says how it went; fails if one of them has a finding.
#
# usage: tests/fuzz/run.sh [seconds per target, default 10] [targets, default: sse decode request]
#
# What libFuzzer learns stays in build/fuzz/corpus, findings in build/fuzz/findings. Recorded traffic
# ($TURNPIKE_SHARED, default ../shared) makes further seeds where it is present.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-10}
targets=("${@:2}")
[ ${#targets[@]} -gt 0 ] || targets=(sse decode request)
build=build/fuzz
shared=${TURNPIKE_SHARED:-../shared}

cmake --preset fuzz >/dev/null
ninja -C $build fuzzers
mkdir -p $build/corpus $build/findings $build/seeds
if [ -d "$shared/data/wire" ]; then
  python3 tests/fuzz/seeds.py "$shared" $build/seeds
else
  echo "SKIPPED: seeds from recorded traffic: no $shared/data/wire" >&2
fi

failed=0
for target in "${targets[@]}"; do
  log=$build/fuzz_$target.log
  mkdir -p $build/corpus/$target $build/seeds/$target
  status=0
  $build/tests/fuzz/fuzz_$target -max_total_time="$seconds" -max_len=16384 -timeout=10 \
    -rss_limit_mb=2048 -print_final_stats=1 -dict=tests/fuzz/$target.dict \
    -artifact_prefix=$build/findings/$target- $build/corpus/$target $build/seeds/$target \
    tests/fuzz/corpus/$target >"$log" 2>&1 || status=$?
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  coverage=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)
  crashes=$(grep -c 'Test unit written to' "$log" || true)
  echo "$target: ${executions:-?} executions in $seconds s, coverage ${coverage:-?}, $crashes findings"
  if [ $status -ne 0 ]; then
    failed=1
    grep -A1 -E "what\(\)|ERROR:|SUMMARY:|Test unit written to" "$log" | head -40 || true
  fi
done
exit $failed
