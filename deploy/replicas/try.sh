#!/usr/bin/env bash
# Two gateways and one budget, on loopback: starts a PostgreSQL of its own in a temporary directory, the simulator and two
# replicas, sends requests to both until the budget they share is spent, and shows what each of them and the central ledger
# say. Nothing is left behind.
#
#   deploy/replicas/try.sh [BIN_DIR]     where turnpike and turnpike-simulator are; default build/release/bin
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd) root=$(cd "$(dirname "$0")/../.." && pwd)
bin=$(cd "${1:-$root/build/release/bin}" && pwd)
limit=0.05 # credits per day, for both replicas together

postgres=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
if [ -z "$postgres" ]; then
  echo "PostgreSQL is missing; on Debian: apt-get install postgresql" >&2
  exit 1
fi
work=$(mktemp -d) && chmod 755 "$work"
pids=()
# The server refuses to run as root.
as_postgres() { if [ "$(id -u)" -eq 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
stop() {
  trap - EXIT INT TERM
  [ ${#pids[@]} -gt 0 ] && kill "${pids[@]}" 2>/dev/null
  wait 2>/dev/null
  (cd / && as_postgres "$postgres/pg_ctl" -D "$work/postgres" -m fast -w stop > /dev/null 2>&1)
  rm -rf "$work"
  exit "${1:-0}"
}
trap 'stop $?' EXIT
trap 'stop 1' INT TERM
wait_for() { # file, pattern
  for _ in $(seq 400); do
    grep -q "$2" "$1" && return
    sleep 0.05
  done
  cat "$1" >&2
  echo "waited in vain for $2" >&2
  exit 1
}
field() { sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p" "$1" | tail -n 1; }

echo "== PostgreSQL"
mkdir "$work/postgres" "$work/socket"
[ "$(id -u)" -eq 0 ] && chown postgres "$work/postgres" "$work/socket"
(
  cd /
  as_postgres "$postgres/initdb" -D "$work/postgres" -U turnpike -A trust -E UTF8 --no-locale > /dev/null
  as_postgres "$postgres/pg_ctl" -D "$work/postgres" -l "$work/socket/log" -w -o "-c listen_addresses= -c unix_socket_directories=$work/socket" start > /dev/null
)
psql() { "$postgres/psql" -X -q -h "$work/socket" -U turnpike -d postgres "$@"; }
psql -c 'CREATE DATABASE turnpike'
export TURNPIKE_CENTRAL="postgresql://turnpike@/turnpike?host=$work/socket"

echo "== simulator and two replicas"
"$bin/turnpike-simulator" --port 0 --think-ms 5 --cadence-ms 1 --billing "$work/billing.jsonl" > "$work/simulator.out" 2>&1 &
pids+=($!)
wait_for "$work/simulator.out" 'listening on'
simulator=http://$(sed -n 's/^listening on //p' "$work/simulator.out" | head -n 1)
export DEEPSEEK_API_KEY=simulator ANTHROPIC_API_KEY=simulator GEMINI_API_KEY=simulator
for name in a b; do
  mkdir -m 700 "$work/$name"
  sed -e "s|@NAME@|$name|; s|@DATA@|$work/$name|; s|@ROOT@|$root|; s|@SIMULATOR@|$simulator|" "$here/turnpike.toml" > "$work/$name.toml"
done
# One pepper for all replicas: it is what the digests of client keys are made with.
head -c 32 /dev/urandom > "$work/a/pepper" && chmod 600 "$work/a/pepper" && cp -p "$work/a/pepper" "$work/b/pepper"
# The key is made once, with the first replica's ledger; the second learns of it from the central one.
key=$("$bin/turnpike" --config "$work/a.toml" keys create --name try --org acme 2> /dev/null)
"$bin/turnpike" --config "$work/a.toml" budgets set org:acme "$limit/day" > /dev/null
for name in a b; do
  "$bin/turnpike" --config "$work/$name.toml" serve > "$work/$name.log" 2>&1 &
  pids+=($!)
  wait_for "$work/$name.log" '"event":"ready"'
  echo "replica $name on 127.0.0.1:$(field "$work/$name.log" data_port)"
done

echo "== requests to both, until $limit credits are spent"
declare -A ends
for i in $(seq 1 400); do
  name=$([ $((i % 2)) -eq 0 ] && echo a || echo b)
  status=$(curl -s -o "$work/answer" -w '%{http_code}' "http://127.0.0.1:$(field "$work/$name.log" data_port)/v1/chat/completions" \
    -H "Authorization: Bearer $key" -H 'Content-Type: application/json' \
    -d '{"model":"anthropic/claude-opus-5-5","max_tokens":60,"messages":[{"role":"user","content":"What is a lease?"}]}')
  ends[$name-$status]=$((${ends[$name-$status]:-0} + 1))
  # The last credits may be out on the other replica's lease (429); spent is spent on both (402).
  if [ "$status" != 200 ]; then
    refusals=$((${refusals:-0} + 1))
    [ "$refusals" -ge 6 ] && break
  fi
done
for end in "${!ends[@]}"; do echo "replica ${end%-*}: ${ends[$end]} times ${end#*-}"; done | sort

echo "== what the central ledger says, in nano-credits"
sleep 1
psql -d turnpike -c "SELECT r.budget, r.limit_nano AS limit, w.settled, w.leased, w.quarantine FROM turnpike.windows w JOIN turnpike.rules r ON r.id = w.rule"
psql -d turnpike -c "SELECT l.replica, l.amount AS lease, l.used, l.state FROM turnpike.leases l ORDER BY l.replica"
settled=$(psql -d turnpike -A -t -c "SELECT sum(settled) FROM turnpike.windows")
billed=$(wc -l < "$work/billing.jsonl")
echo "settled $settled of $(psql -d turnpike -A -t -c 'SELECT sum(limit_nano) FROM turnpike.rules') nano-credits; the provider answered $billed requests"
for name in a b; do "$bin/turnpike" --config "$work/$name.toml" ledger verify | sed "s/^/replica $name: /"; done
