"""Keys and budgets from the command line, on a running gateway and on a bare data directory."""
import datetime
import json
import os
import pwd
import subprocess
import threading
import time

from harness import call, check, check_equal, user, wait_until

CHAT = {"model": "deepseek/deepseek-flash", "max_tokens": 50, "messages": [user("[[sim tokens=20 think_tokens=0]]")]}


def read(bench, *arguments):
    return json.loads(bench.run("--json", *arguments))


def refused(bench, code, *arguments):
    """The verb fails; its message."""
    done = bench.run(*arguments, expect=None)
    check_equal(done.returncode, code, f"exit code of `turnpike {' '.join(map(str, arguments))}`\n{done.stdout}{done.stderr}")
    return done.stderr


def warned(bench, *arguments):
    done = bench.run(*arguments, expect=None)
    check_equal(done.returncode, 0, done.stderr)
    return done.stderr


def me():
    return pwd.getpwuid(os.getuid()).pw_name


def make(bench, name, *options, org="acme"):
    """A key and its id."""
    answer = read(bench, "keys", "create", "--name", name, "--org", org, *options)
    return answer["key"], answer["id"]


def key_verbs(bench):
    _, first = make(bench, "ci", "--team", "search", "--user", "alice", "--models", "deepseek/*", "bulk", "--request-cost-max", "0.50",
                    "--concurrency-max", "4", "--expires", "2099-01-01", "--budget", "5/day", "--may-override-route")
    shown = read(bench, "keys", "show", "ci")
    check_equal((shown["id"], shown["org"], shown["team"], shown["user"], shown["state"], shown["request_cost_max"], shown["concurrency_max"], shown["may_override_route"]),
                (first, "acme", "search", "alice", "active", "0.50", 4, True), "what was created")
    check_equal((shown["created_by"], shown["expires"]), (me(), "2099-01-01T00:00:00Z"), "who and until when")
    check_equal([b["budget"] for b in shown["caps"]["budgets"]], [f"key:{first}"], "budgets on its path")
    check_equal((shown["caps"]["tightest"]["window"], shown["caps"]["room"]), ("day", "5.00"), "the tightest room")
    targets = {tier["tier"]: tier["targets"] for tier in shown["models"]["tiers"]}
    check(any(targets.values()) and all(t.startswith("deepseek/") or tier == "bulk" for tier, ts in targets.items() for t in ts), targets)
    check("admits           yes" in bench.run("keys", "show", first), "no line about admission")

    bench.run("keys", "set", first, "--request-cost-max", "none", "--concurrency-max", "2", "--models", "none", "--by", "bob")
    shown = read(bench, "keys", "show", first)
    check_equal((shown["request_cost_max"], shown["concurrency_max"], shown["models_allowed"], shown["changed_by"]), (None, 2, [], "bob"), "after set")
    check("team search -> none" in bench.run("keys", "move", "ci", "--org", "beta"), "a move to another organisation keeps the team")
    shown = read(bench, "keys", "show", first)
    check_equal((shown["org"], shown["team"], shown["user"]), ("beta", "", ""), "after the move")
    bench.run("keys", "disable", first)
    check_equal(read(bench, "keys", "show", first)["state"], "disabled", "after disable")
    bench.run("keys", "enable", first)
    check_equal(read(bench, "keys", "show", first)["state"], "active", "after enable")
    bench.run("keys", "rotate", first, "--grace", "2h")
    check(read(bench, "keys", "show", first)["old_secret_until"] is not None, "no time of grace")
    check("rotating" in bench.run("keys", "list"), "the list does not tell")
    refuse_mistakes(bench)
    bench.run("keys", "revoke", "ci")
    listed = [key["id"] for key in read(bench, "keys", "list")["keys"]]
    check(first not in listed and first in [key["id"] for key in read(bench, "keys", "list", "--all")["keys"]], "revoked keys are in --all alone")
    check("revoked" in refused(bench, 1, "keys", "enable", first), "a revoked key cannot come back")
    history = read(bench, "keys", "history", first)["history"]
    check_equal([change["event"] for change in history], ["created"] + ["changed"] * 5 + ["revoked"], "its history")
    check_equal((history[1]["by"], history[1]["changes"][-1]), ("bob", "concurrency_max 4 -> 2"), history[1])
    check("org acme -> beta" in bench.run("keys", "history", first), "the history as a table")


def refuse_mistakes(bench):
    make(bench, "twin")
    _, second = make(bench, "twin")
    check(second in refused(bench, 1, "keys", "show", "twin"), "an ambiguous name is refused without ids")
    check('nearest: "twin"' in refused(bench, 1, "keys", "revoke", "twni"), "no hint")
    check("org" in refused(bench, 1, "keys", "create", "--name", "x", "--org", "a b"), "a bad org")
    check("past" in refused(bench, 1, "keys", "create", "--name", "x", "--org", "acme", "--expires", "2020-01-01"), "an expiry in the past")
    check("not a limit" in refused(bench, 1, "keys", "create", "--name", "x", "--org", "acme", "--budget", "5"), "a limit without a span")
    check("above zero" in refused(bench, 1, "keys", "set", second, "--request-cost-max", "0"), "a bound of nothing")
    check("no duration" in refused(bench, 1, "keys", "rotate", second, "--grace", "soon"), "a bad grace")
    check("deepsek/*" in warned(bench, "keys", "set", second, "--models", "deepsek/*"), "a pattern that fits nothing")
    refused(bench, 64, "keys", "set", second)
    refused(bench, 64, "keys", "move", second)


def budget_verbs(bench):
    _, key = make(bench, "worker", "--team", "search", "--user", "alice")
    bench.run("budgets", "set", "org:acme", "100/month@Europe/Berlin,paced,notify=70", "10/day", "--request-cost-max", "2", "--why", "a new year")
    bench.run("budgets", "set", "team:acme/search", "3/rolling:6h", "--concurrency-max", "8")
    bench.run("budgets", "set", "key:worker", "1/hour")
    bench.run("budgets", "set", "org:acme provider:anthropic", "20/month")
    caps = read(bench, "keys", "show", "worker")["caps"]
    check_equal([b["budget"] for b in caps["budgets"]], ["org:acme", "org:acme provider:anthropic", "team:acme/search", f"key:{key}"], "the path")
    check_equal((caps["tightest"]["budget"], caps["room"]), (f"key:{key}", "1.00"), "the tightest")
    check_equal((caps["request_cost_max"], caps["concurrency_max"]), ({"max": "2.00", "of": "org:acme"}, {"max": 8, "of": "team:acme/search"}), "bounds")

    check("several windows" in refused(bench, 1, "budgets", "raise", "org:acme", "+50"), "which window?")
    bench.run("budgets", "raise", "org:acme", "+50", "--window", "month", "--why", "a big customer", "--by", "carol")
    bench.run("budgets", "lower", "org:acme", "-2.5", "--window", "day")
    limits = {w["span"]: w["limit"] for w in read(bench, "budgets", "show", "org:acme")["windows"]}
    check_equal(limits, {"month@Europe/Berlin": "150.00", "day": "7.50"}, "raised and lowered")
  
    check("to lower it use `budgets lower`" in refused(bench, 1, "budgets", "raise", "key:worker", "0.5"), "a raise that lowers")
    dry = bench.run("budgets", "set", "org:acme", "1/month@Europe/Berlin", "--dry-run")
    check("would set" in dry and "window 7.50/day is gone" in dry and "new limit 1.00: 1.00 left" in dry, dry)
    check_equal({w["span"]: w["limit"] for w in read(bench, "budgets", "show", "org:acme")["windows"]}, limits, "a dry run changes nothing")

    bench.run("budgets", "freeze", "all", "--why", "the key leaked")
    check_equal(read(bench, "keys", "show", "worker")["caps"]["because"], "budget all is frozen", "everybody is stopped")
    check("FROZEN" in bench.run("budgets", "list"), "the tree does not tell")
    bench.run("budgets", "set", "all", "1000/month")
    check(read(bench, "budgets", "show", "all")["frozen"], "a new limit is no unfreezing")
    bench.run("budgets", "unfreeze", "all")
    check(read(bench, "keys", "show", "worker")["caps"]["admits"], "unfrozen and not admitted")
    bench.run("budgets", "lift", "all")
    check("there is no budget" in refused(bench, 1, "budgets", "show", "all"), "lifted")

    tree = bench.run("budgets", "list")
    lines = [line.split("  ")[0] if not line.startswith(" ") else line for line in tree.splitlines()]
    check(any(line.startswith("  team:acme/search ") for line in lines) and any(line.startswith(f"    key:{key} ") for line in lines), tree)
    check("nearest: \"team:acme/search\"" in warned(bench, "budgets", "set", "team:acme/serch", "1/day"), "a team that nobody is in")
    check("nearest: \"model:deepseek/deepseek-flash\"" in warned(bench, "budgets", "set", "model:deepseek/deepsek-flash", "1/day"), "a model that is not there")
    check("no key has the id" in refused(bench, 1, "budgets", "set", "key:nobody", "1/day"), "a key that is not there")
    check("a budget is named" in refused(bench, 1, "budgets", "set", "orgs:acme", "1/day"), "a name that is none")
    check("no limit given" in refused(bench, 64, "budgets", "set", "org:acme"), "nothing to set")
    history = read(bench, "budgets", "history", "org:acme")["history"]
    check_equal([(c["by"], c["why"]) for c in history], [(me(), "a new year"), ("carol", "a big customer"), (me(), "")], "who and why")
    check_equal(history[1]["changes"], ["limit of month@Europe/Berlin 100.00 -> 150.00"], "what")


def every_verb_works_on_a_bare_directory(bench):
    """No gateway runs: keys and budgets are made, changed, shown and ended by opening the ledger."""
    bench.write_config(bench.simulator())
    key_verbs(bench)
    budget_verbs(bench)
    check("clean" in bench.run("ledger", "verify"), "the ledger is not clean")


def every_verb_works_on_a_running_gateway(bench):
    """The same verbs with the same answers through the admin listener, and a bad request is told field by field."""
    gateway, _ = bench.gateway(bench.simulator())
    key_verbs(bench)
    budget_verbs(bench)
    check("clean" in bench.run("ledger", "verify"), "the ledger is not clean")
    answer = gateway.admin("POST", "/admin/keys", {"name": "x", "org": "acme", "modls": []})
    check_equal((answer.status, answer.json()["error"]["code"]), (400, "unknown_field"), answer.text)
    answer = gateway.admin("PATCH", "/admin/budgets/org:acme", {"frozen": "yes"})
    check_equal((answer.status, answer.json()["error"]["param"]), (400, "frozen"), answer.text)
    answer = gateway.admin("PATCH", "/admin/budgets/team:acme%2Fsearch", {"frozen": True})
    check_equal((answer.status, answer.json()["state"]["by"]), (200, "admin"), answer.text)
    check_equal(gateway.admin("POST", "/admin/keys/nobody/rotate", {}).status, 404, "rotating what is not there")


def status_of(gateway, key):
    return gateway.chat(key, CHAT).status


def a_revoked_key_is_out_within_a_second(bench):
    """Revoked, disabled, expired: refused with 401 at the latest a second later; enabled again: served."""
    gateway, keep = bench.gateway(bench.simulator())
    soon = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=20)).strftime("%Y-%m-%dT%H:%M:%SZ")
    expiring, _ = make(bench, "expiring", "--expires", soon)
    check_equal(status_of(gateway, expiring), 200, "before it expires")
    key, key_id = make(bench, "leaver")
    for verb, wanted in (("disable", 401), ("enable", 200), ("revoke", 401)):
        bench.run("keys", verb, key_id)
        done = time.monotonic()
        wait_until(lambda: status_of(gateway, key) == wanted, 5, f"{wanted} after {verb}")
        check(time.monotonic() - done < 1.0, f"{verb} took {time.monotonic() - done:.2f} s")
    wait_until(lambda: status_of(gateway, expiring) == 401, 40, "the key to expire", pause=0.2)
    check(datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ") >= soon, "it expired early")
    check_equal(read(bench, "keys", "show", "expiring")["state"], "expired", "its state")
    check_equal(status_of(gateway, keep), 200, "the other key")


def a_rotated_key_has_two_secrets_for_a_while(bench):
    """After a rotation both secrets are good until the time of grace is over; without grace the old one ends at once."""
    gateway, _ = bench.gateway(bench.simulator())
    old, key_id = make(bench, "rotor", "--budget", "5/day")
    answer = read(bench, "keys", "rotate", "rotor", "--grace", "15s")
    new = answer["key"]
    check(new != old and answer["id"] == key_id, "a new secret under the same id")
    check_equal((status_of(gateway, old), status_of(gateway, new)), (200, 200), "both are good")
    wait_until(lambda: status_of(gateway, old) == 401, 40, "the old secret to end", pause=0.2)
    check(datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ") >= answer["old_secret_until"][:19] + "Z", "it ended early")
    check_equal(status_of(gateway, new), 200, "the new secret stays")
    newest = bench.run("keys", "rotate", "rotor", "--grace", "0").strip()
    check_equal((status_of(gateway, new), status_of(gateway, newest)), (401, 200), "without grace")
    gateway.at_rest()
    window = read(bench, "keys", "show", "rotor")["caps"]["budgets"][0]["windows"][0]
    check(window["settled_nano"] > 0, "its budget goes on under every secret")


def settled(bench, budget):
    return read(bench, "budgets", "show", budget)["windows"][0]["settled_nano"]


def a_moved_key_is_charged_elsewhere_from_then_on(bench):
    """What was spent stays with the old organisation; what is admitted after the move is the new one's."""
    gateway, _ = bench.gateway(bench.simulator())
    key, _ = make(bench, "mover", "--team", "a")
    for budget in ("org:acme", "team:acme/a", "org:beta"):
        bench.run("budgets", "set", budget, "5/lifetime")
    check_equal(status_of(gateway, key), 200, "before")
    gateway.at_rest()
    spent = settled(bench, "org:acme")
    check(spent > 0 and settled(bench, "team:acme/a") == spent and settled(bench, "org:beta") == 0, "charged to the first")
    bench.run("keys", "move", "mover", "--org", "beta")
    check_equal(status_of(gateway, key), 200, "after")
    gateway.at_rest()
    check_equal((settled(bench, "org:acme"), settled(bench, "team:acme/a")), (spent, spent), "the old ones")
    check(settled(bench, "org:beta") > 0, "the new one")
    check("clean" in bench.run("ledger", "verify"), "the ledger is not clean")


def the_kill_switch_lets_running_requests_finish(bench):
    """`budgets freeze all`: every new request 402 budget_frozen at once, the running stream ends as if nothing were."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    answers = []
    body = CHAT | {"max_tokens": 400, "messages": [user("[[sim tokens=120 think_tokens=0 cadence_ms=50]]")]}
    running = threading.Thread(target=lambda: answers.append(gateway.stream(key, body)[1]))
    running.start()
    wait_until(lambda: gateway.status()["ledger"]["attempts_open"] == 1, 10, "the stream to begin")
    bench.run("budgets", "freeze", "all", "--why", "drill")
    refusal = gateway.chat(key, CHAT)
    check_equal((refusal.status, refusal.json()["error"]["code"]), (402, "budget_frozen"), refusal.text)
    check(not answers, "the stream was over before the switch was thrown")
    running.join(60)
    check(answers and answers[0].done and answers[0].finish == "stop" and answers[0].error is None, "the running stream was cut")
    bench.run("budgets", "unfreeze", "all")
    check_equal(status_of(gateway, key), 200, "after unfreezing")
    check_equal([change["changes"] for change in read(bench, "budgets", "history", "all")["history"]], [["frozen"], ["no longer frozen"]], "its history")


def a_lowered_limit_stops_admission_and_a_raise_lets_in_again(bench):
    """Below what is used nothing is admitted, as the dry run said; a raise counts on from what was used."""
    gateway, _ = bench.gateway(bench.simulator())
    key, _ = make(bench, "thrifty", org="thrift")
    bench.run("budgets", "set", "org:thrift", "5/month")
    check_equal(status_of(gateway, key), 200, "at first")
    gateway.at_rest()
    used = settled(bench, "org:thrift")
    below = f"{(used - 1) // 10**9}.{(used - 1) % 10**9:09d}"
    dry = bench.run("budgets", "lower", "org:thrift", below, "--dry-run")
    check("admission stops until 20" in dry and "running requests finish" in dry, dry)
    check_equal(status_of(gateway, key), 200, "after a dry run")
    gateway.at_rest()
    bench.run("budgets", "lower", "org:thrift", below)
    check_equal(status_of(gateway, key), 402, "below what is used")
    check_equal(read(bench, "keys", "show", "thrifty")["caps"]["because"], "budget org:thrift is spent for month", "why")
    bench.run("budgets", "raise", "org:thrift", "+1")
    check_equal(status_of(gateway, key), 200, "raised")
    check(settled(bench, "org:thrift") >= 2 * used - 1, "the raise forgot what was counted")


def bounds_of_a_key_hold(bench):
    """Models, cost of a request and requests at once are bounded as `keys set` says, from the next request on."""
    gateway, _ = bench.gateway(bench.simulator())
    key, key_id = make(bench, "bounded")
    bench.run("keys", "set", key_id, "--models", "anthropic/*")
    check_equal(status_of(gateway, key), 403, "a model that is not allowed")
    bench.run("keys", "set", key_id, "--models", "deepseek/*", "--request-cost-max", "0.0000001")
    refusal = gateway.chat(key, CHAT)
    check_equal((refusal.status, refusal.json()["error"]["code"]), (402, "request_cost_exceeded"), refusal.text)
    bench.run("keys", "set", key_id, "--request-cost-max", "none", "--concurrency-max", "1")
    body = CHAT | {"messages": [user("[[sim tokens=20 think_tokens=0 delay_ms=4000]]")]}
    slow = threading.Thread(target=lambda: gateway.chat(key, body))
    slow.start()
    wait_until(lambda: gateway.status()["ledger"]["attempts_open"] == 1, 10, "the first request to run")
    refusal = gateway.chat(key, CHAT)
    check_equal((refusal.status, refusal.json()["error"]["code"]), (429, "concurrency_exceeded"), refusal.text)
    slow.join(30)
    check_equal(status_of(gateway, key), 200, "when the first is done")


def a_wrong_token_is_told(bench):
    """A gateway runs and the token file is another's: the message says so, not that the directory is in use."""
    gateway, _ = bench.gateway(bench.simulator())
    token = bench.folder / "data" / "admin.token"
    right = token.read_text()
    token.write_text("0123456789abcdef0123456789abcdef\n")
    check("admin token" in refused(bench, 1, "keys", "list"), "the message")
    token.write_text(right)
    bench.run("keys", "list")
    check_equal(call(gateway.admin_port, "GET", "/admin/keys").status, 401, "without a token")


def completed(script, line):
    """What bash offers at the end of the line."""
    words = line.split(" ")
    ask = f'eval "$1"; COMP_WORDS=({" ".join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}; _turnpike; echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", ask, "bash", script], capture_output=True, text=True, timeout=30)
    check_equal((done.returncode, done.stderr), (0, ""), "bash")
    return done.stdout.split()


def the_shell_knows_the_verbs(bench):
    """`completion bash` offers the verbs and options of the place, whatever stands between them."""
    script = subprocess.run([bench.turnpike, "completion", "bash"], capture_output=True, text=True, timeout=30, check=True).stdout
    check_equal(completed(script, "turnpike bud"), ["budgets"], "the first word")
    check_equal(completed(script, "turnpike --config turnpike.toml keys ro"), ["rotate"], "behind an option with a value")
    check_equal(completed(script, "turnpike keys rotate ci --gr"), ["--grace"], "behind a name")
    check_equal(completed(script, "turnpike keys rotate list --by"), ["--by"], "a key that is called like a verb")
    check("--window" in completed(script, "turnpike budgets raise --"), "options of a verb")
    fish = subprocess.run([bench.turnpike, "completion", "fish"], capture_output=True, text=True, timeout=30, check=True).stdout
    check("__fish_seen_subcommand_from budgets; and __fish_seen_subcommand_from raise' -l window" in fish, fish[-500:])
    done = subprocess.run([bench.turnpike, "completion", "tcsh"], capture_output=True, text=True, timeout=30)
    check_equal(done.returncode, 64, "a shell it does not know")
