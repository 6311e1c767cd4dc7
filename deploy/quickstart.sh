#!/usr/bin/env bash
# Builds turnpike and runs its main job: the gateway with the embedded ledger and the shipped policies.
#
# With no provider key in the environment (DEEPSEEK_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY) the bundled simulator plays
# the providers. Sends a short agent loop through the gateway, prints each decision and the spend, then stays up.
# May be run again at any time: keys and ledger in ./data are kept.
#
#   deploy/quickstart.sh [--once]     --once: stop after the loop
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD data=${TURNPIKE_DATA:-$PWD/data} once=
[ "${1:-}" = --once ] && once=1
listen=${TURNPIKE_LISTEN:-127.0.0.1:8080} admin=${TURNPIKE_ADMIN:-127.0.0.1:9091}

step() { printf '\n== %s\n' "$*"; }
pids=()
stop() {
  trap - EXIT INT TERM
  [ ${#pids[@]} -gt 0 ] && kill "${pids[@]}" 2>/dev/null
  wait 2>/dev/null
  exit "${1:-0}"
}
trap 'stop $?' EXIT
trap 'stop 0' INT TERM

step "1/4 packages"
bash deploy/packages.sh build

step "2/4 build (the first time takes minutes)"
cmake --preset release -DBUILD_TESTING=OFF --log-level=WARNING
ninja -C build/release turnpike turnpike-simulator
turnpike=$root/build/release/bin/turnpike

step "3/4 gateway"
mkdir -p "$data"
chmod 700 "$data"
overrides=
if [ -z "${DEEPSEEK_API_KEY:-}${ANTHROPIC_API_KEY:-}${GEMINI_API_KEY:-}" ]; then
  "$root/build/release/bin/turnpike-simulator" --port 0 --think-ms 60 --cadence-ms 4 --billing "$data/simulator-billing.jsonl" > "$data/simulator.out" 2>&1 &
  pids+=($!)
  for _ in $(seq 100); do grep -q 'listening on' "$data/simulator.out" && break; sleep 0.05; done
  simulator=http://$(sed -n 's/^listening on //p' "$data/simulator.out" | head -n 1)
  export DEEPSEEK_API_KEY=simulator ANTHROPIC_API_KEY=simulator GEMINI_API_KEY=simulator
  overrides=$(printf '[override]\ndeepseek = "%s"\nanthropic = "%s"\ngemini = "%s"\n' "$simulator" "$simulator" "$simulator")
  echo "no provider key in the environment: the simulator at $simulator plays DeepSeek, Anthropic and Gemini"
fi
cat > "$data/turnpike.toml" <<TOML
# Written by deploy/quickstart.sh at every start.
[server]
listen = "$listen"
admin = "$admin"
[paths]
data = "$data"
providers = "$root/providers"
policies = "$root/policies"
policy = "${TURNPIKE_POLICY:-seventy-thirty}"
$overrides
TOML
cli() { "$turnpike" --config "$data/turnpike.toml" "$@"; }
if [ ! -s "$data/client.key" ]; then
  (umask 077; cli keys create --name quickstart --org local --budget 20/day > "$data/client.key" 2> /dev/null)
fi
key=$(cat "$data/client.key")
"$turnpike" --config "$data/turnpike.toml" serve > "$data/gateway.log" 2>&1 &
pids+=($!)
for _ in $(seq 200); do
  grep -q '"event":"ready"' "$data/gateway.log" && break
  if ! kill -0 "${pids[-1]}" 2>/dev/null; then
    cat "$data/gateway.log" >&2
    echo "the gateway did not start; is another one running on $data or on $listen?" >&2
    exit 1
  fi
  sleep 0.05
done
echo "gateway on http://$listen, policy ${TURNPIKE_POLICY:-seventy-thirty}, log in $data/gateway.log"

step "4/4 a short agent loop"
python3 bench/demo/agent_loop.py --url "http://$listen" --admin "http://$admin" --key "$key" --admin-token "$(cat "$data/admin.token")"

step "spend"
cli report spend --by model,settlement
echo
cli budgets list
[ -n "$once" ] && exit 0
cat <<TXT

== connect a harness
  OPENAI_BASE_URL=http://$listen/v1   OPENAI_API_KEY=$key   model: auto
  curl http://$listen/v1/chat/completions -H "Authorization: Bearer $key" -H 'Content-Type: application/json' \\
    -d '{"model":"auto","messages":[{"role":"user","content":"hello"}]}'
  metrics: curl -H "Authorization: Bearer \$(cat $data/admin.token)" http://$admin/metrics
  why was a step routed so: $turnpike --config $data/turnpike.toml explain <x-turnpike-decision>

The gateway stays up; Ctrl-C stops it.
TXT
wait "${pids[-1]}"
