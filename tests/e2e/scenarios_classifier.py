"""What the classifier learns: taught, frozen, forgotten and kept, on a running gateway and on a bare data directory."""
import json
import os
import time

from harness import check, check_equal, user, wait_until

HARD = "List the files of folder {}."
EASY = "Reconcile ledger {} with the invoice and explain the difference."


def outcomes(bench, count, first=0):
    """Folders defeat the weak model, ledgers do not."""
    rows = bench.folder / f"outcomes-{first}.jsonl"
    rows.write_text("".join(
        json.dumps({"id": str(i), "text": (HARD if i % 2 else EASY).format(i), "learn": {"weak": 1 - i % 2, "strong": 1}}) + "\n"
        for i in range(first, first + count)))
    return rows


def shown(bench):
    return json.loads(bench.run("--json", "classifier", "show"))


def lessons(bench):
    return {group["group"]: group["lessons"] for group in shown(bench)["groups"]}


def difficulty(gateway, key, text):
    answer = gateway.chat(key, {"model": "auto", "messages": [user(text + " [[sim tokens=5]]")]})
    check_equal(answer.status, 200, answer.text[:200])
    return float(answer.headers["x-turnpike-difficulty"])


def outcomes_change_the_live_score(bench):
    """train raises what the weak model failed at, at once; freeze keeps it, reset brings the frozen prior back."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    group = f"policy:{gateway.status()['policy']}"
    hard = HARD.format(7)
    before = difficulty(gateway, key, hard)
    answer = json.loads(bench.run("--json", "classifier", "train", outcomes(bench, 200)))
    check_equal((answer["group"], answer["taught"], answer["held_out"]), (group, 160, 40), "what train tells")
    check(answer["after"]["model"]["apgr"] > 0.7, answer)  # 0.75: half of the calls recover the whole gap
    taught = difficulty(gateway, key, hard)
    check(taught > before + 0.02, f"{before} -> {taught}")
    check_equal(gateway.metric("turnpike_classifier_outcomes_total", source="taught"), 160, "outcomes in the metrics")
    check(gateway.metric("turnpike_classifier_apgr", group=group, scorer="model") > 0.5, "the model's worth in the metrics")

    bench.run("classifier", "freeze")
    check(shown(bench)["frozen"], "not frozen")
    refused = bench.run("classifier", "train", outcomes(bench, 10, 500), expect=None)
    check(refused.returncode == 1 and "frozen" in refused.stderr, refused.stderr)
    check_equal(difficulty(gateway, key, hard), taught, "the score of a frozen classifier")
    bench.run("classifier", "unfreeze", "--group", group)
    bench.run("classifier", "train", outcomes(bench, 10, 500))
    check_equal(shown(bench)["outcomes"]["taught"], 168, "learned again")

    export = json.loads(bench.run("classifier", "export"))
    check(export["groups"][0]["weights"] and "folder" not in json.dumps(export), "the export has weights and no text")
    bench.run("classifier", "reset", "--group", group)
    check_equal(shown(bench)["groups"], [], "groups after a reset")
    check_equal(difficulty(gateway, key, hard), before, "the score after a reset")
    wrong = bench.run("classifier", "reset", "--group", "policy:nobody", expect=None)
    check(wrong.returncode == 1 and "policy:nobody" in wrong.stderr, wrong.stderr)


def a_kill_forgets_half_a_minute_at_most(bench):
    """What was learned 30 s before kill -9 is there after the restart; a drain keeps everything; without a gateway the verbs act on the files."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    group = f"policy:{gateway.status()['policy']}"
    state = bench.folder / "data" / "classifier.state"
    bench.run("classifier", "train", outcomes(bench, 100))
    taught = difficulty(gateway, key, HARD.format(3))
    wait_until(state.exists, 40, "the file of what was learned")
    gateway.kill()
    gateway = bench.serve()
    check(lessons(bench)[group] >= 80, "lessons after kill -9")
    check(abs(difficulty(gateway, key, HARD.format(3)) - taught) < 0.01, "the score after kill -9")

    kept = lessons(bench)[group]
    bench.run("classifier", "train", outcomes(bench, 50, 200))
    gateway.stop()
    check(lessons(bench)[group] >= kept + 40, "lessons after a drain, on the bare directory")
    bench.run("classifier", "freeze")
    gateway = bench.serve()
    check(shown(bench)["frozen"], "frozen on the bare directory, so at the next start")
    gateway.stop()

    damaged = bytearray(state.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    state.write_bytes(damaged)
    gateway = bench.serve()
    check_equal(shown(bench)["groups"], [], "groups of a damaged file")
    check(state.with_name("classifier.state.damaged").read_bytes() == bytes(damaged), "the damaged file is kept")
    gateway.wait_for("classifier_state_set_aside", 5)
    check_equal(difficulty(gateway, key, "hello") >= 0, True, "it serves")


def failing_tools_teach_the_gateway(bench):
    """A bulk step whose tool call fails is a hint; learn = "off" takes none."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator, policy="all-bulk")
    loop(gateway, key)
    wait_until(lambda: gateway.metric("turnpike_classifier_outcomes_total", source="tool_error") >= 1, 5, "the hint")
    check("policy:all-bulk" in lessons(bench), "the group of the policy")
    policy = bench.folder / "policies" / "all-bulk.toml"
    policy.write_text(policy.read_text() + '\n[classifier]\nlearn = "off"\n')
    check_equal(bench.run("reload").split(":")[0], "applied", "the reload")
    before = shown(bench)["outcomes"]
    loop(gateway, key)
    check_equal(shown(bench)["outcomes"], before, "outcomes while learning is off")


def loop(gateway, key):
    """A call, its failure, and what the model says to it."""
    tool = {"type": "function", "function": {"name": "bash", "parameters": {"type": "object", "properties": {"command": {"type": "string"}}}}}
    messages = [user(f"run make for {os.urandom(4).hex()} [[sim rounds=2 tokens=10]]")]
    for _ in range(2):
        answer = gateway.chat(key, {"model": "auto", "messages": messages, "tools": [tool]})
        check_equal(answer.status, 200, answer.text[:200])
        message = answer.json()["choices"][0]["message"]
        messages.append(message)
        for asked in message.get("tool_calls") or []:
            messages.append({"role": "tool", "tool_call_id": asked["id"], "content": "Error: command failed with exit code 2"})
    time.sleep(0.05)
