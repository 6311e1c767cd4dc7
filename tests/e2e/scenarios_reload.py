"""Policies change while requests run."""
import os
import re
import signal
import time

from harness import check, check_equal, user, wait_until


def switch(bench, gateway, policy):
    config = bench.folder / "turnpike.toml"
    config.write_text(re.sub(r'policy = "[^"]*"\n', f'policy = "{policy}"\n', config.read_text()))
    os.kill(gateway.pid, signal.SIGHUP)


def a_policy_switch_under_load_fails_nothing(bench):
    """SIGHUP between policies 20 times under load: every request is answered, and by the policy in force."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    load = bench.start_load(gateway.url, key, "--models", "auto", "--concurrency", 40, "--requests", 1_000_000, "--seconds", 6,
                            "--stream-share", 0.7, "--loop-share", 0.3, "--directive", "tokens=20 cadence_ms=2")
    names = ["all-bulk", "all-frontier", "seventy-thirty"]
    for round_number in range(20):
        policy = names[round_number % 3]
        switch(bench, gateway, policy)
        wait_until(lambda: gateway.status()["policy"] == policy, 5, f"policy {policy}")
        time.sleep(0.1)
    switch(bench, gateway, "all-frontier")
    wait_until(lambda: gateway.status()["policy"] == "all-frontier", 5, "the last policy")
    load.process.wait(60)
    figures = __import__("json").loads(re.findall(r"^\{.*\}$", load.output(), re.M)[-1])
    check(figures["completed"] == figures["requests"] and figures["broken"] == 0, figures)
    answer = gateway.chat(key, {"model": "auto", "messages": [user("hello")]})
    check_equal((answer.status, answer.headers["x-turnpike-tier"]), (200, "frontier"), "a request under all-frontier")
    check(gateway.metric("turnpike_config_reload_total", result="applied") >= 21, "reloads counted")


def a_broken_policy_leaves_the_old_one(bench):
    """A faulty policy file: the old policy stays, the log names file and line, the metric tells; repaired, it applies."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator, policy="all-bulk")
    policy = bench.folder / "policies" / "all-frontier.toml"
    good = policy.read_text()
    line = next(i for i, text in enumerate(good.splitlines(), 1) if "targets" in text)
    policy.write_text(good.replace("anthropic/claude-opus-5-5", "anthropic/opus-9"))
    switch(bench, gateway, "all-frontier")
    wait_until(lambda: gateway.metric("turnpike_config_reload_failed") == 1, 5, "turnpike_config_reload_failed")
    rejected = gateway.wait_for(r'^.*config_reload_rejected.*$', 5).group(0)
    check(f"all-frontier.toml:{line}:" in rejected and "opus-9" in rejected, f"the log line: {rejected}")
    answer = gateway.chat(key, {"model": "auto", "messages": [user("hello")]})
    check_equal((answer.status, answer.headers["x-turnpike-tier"]), (200, "bulk"), "the old policy")
    done = bench.run("reload", expect=None)
    check(done.returncode != 0 and f"all-frontier.toml:{line}:" in done.stderr, f"`turnpike reload`: {done}")
    policy.write_text(good)
    switch(bench, gateway, "all-frontier")
    wait_until(lambda: gateway.status()["policy"] == "all-frontier", 5, "the repaired policy")
    check_equal(gateway.metric("turnpike_config_reload_failed"), 0, "turnpike_config_reload_failed")


def check_names_every_fault(bench):
    """`turnpike check` reports faults of several files with file:line:column and the nearest name."""
    simulator = bench.simulator()
    bench.write_config(simulator)
    check("ok" in bench.run("check"), "the shipped configuration has faults")
    policy = bench.folder / "policies" / "seventy-thirty.toml"
    policy.write_text(policy.read_text().replace('easy_tier = "bulk"', 'easy_teir = "bulk"'))
    provider = bench.folder / "providers" / "gemini.toml"
    provider.write_text(provider.read_text().replace("output_tokens_max", "output_token_max", 1))
    done = bench.run("check", expect=None)
    check_equal(done.returncode, 1, "exit code")
    said = done.stdout + done.stderr
    for place, nearest in ((r"seventy-thirty\.toml:\d+:\d+", "easy_tier"), (r"gemini\.toml:\d+:\d+", "output_tokens_max")):
        check(re.search(place, said) and nearest in said, f"{place} or {nearest} is missing in:\n{said}")


def settings_that_wait_for_a_restart_are_named(bench):
    """A reload applies what it can, and names the changed settings that a restart puts in force: in its answer and in the log."""
    gateway, key = bench.gateway(bench.simulator())
    config = bench.folder / "turnpike.toml"
    done = bench.run("reload", expect=None)
    check_equal((done.returncode, done.stderr), (0, ""), "a reload of what is in force")
    config.write_text(config.read_text().replace("[server]\n", "[server]\nthreads = 1\ndrain_deadline_s = 7\n", 1) +
                      "\n[log]\nlevel = \"warn\"\nrequests = false\n\n[limits]\nin_flight = 9\n")
    done = bench.run("reload", expect=None)
    names = "[server] threads, [server] drain_deadline_s, [log] level, [limits] in_flight"
    check(done.returncode == 0 and done.stdout.startswith("applied") and names in done.stderr, f"what the verb prints: {done}")
    wait_until(lambda: f'"event":"config_waits_for_restart","settings":"{names}"' in gateway.output(), 10, "the line in the log")
    check_equal(gateway.chat(key, {"model": "auto", "messages": [user("hi")]}).status, 200, "a request afterwards")
    done = bench.run("reload", expect=None)
    check(names in done.stderr, "they still wait at the next reload")
