"""Conversations that change their model all the time: state is given back to its maker, and nobody ever gets a request that a
strict provider refuses. The random ones print their seed; SWITCHING_SEED repeats one."""
import json
import os
import random

from harness import PROVIDERS, check, check_equal, unique
from switching_clients import AGENTS

DEEPSEEK, CLAUDE, GEMINI = "deepseek/deepseek-flash", "anthropic/claude-opus-5-5", "gemini/gemini-3.1-pro-preview"
BUDGETED = "anthropic/claude-sonnet-4-5"  # insists on thinking at the head of each loop
OTHERS = ("deepseek/deepseek-v4-pro", "anthropic/claude-haiku-5-5", "anthropic/claude-sonnet-5", "anthropic/claude-haiku-4-5",
          "gemini/gemini-3.8-flash", "gemini/gemini-2.5-pro")
MAKERS = {"deepseek": DEEPSEEK, "anthropic": CLAUDE, "gemini": GEMINI}
TWELVE = (DEEPSEEK, CLAUDE, GEMINI, BUDGETED, GEMINI, DEEPSEEK, CLAUDE, DEEPSEEK, GEMINI, CLAUDE, BUDGETED, DEEPSEEK)
PARALLEL_TURN = 5
STAND_IN = "Y29udGV4dF9lbmdpbmVlcmluZ19pc190aGVfd2F5X3RvX2dv"


def every_agent(gateway, key):
    return [agent(gateway, key, keeps, streams) for agent in AGENTS for keeps in (True, False) for streams in (True, False)]


def check_nothing_refused(simulator, since=0, what=""):
    """Neither refused nor anything else than 200: the simulator is as strict as the services."""
    simulator.quiet()
    bad = [e for e in simulator.billing(since) if e["outcome"] != "complete"]
    check(not bad, lambda: f"{what}: {len(bad)} requests went wrong, the first: {bad[0]['provider']} {bad[0]['model']} {bad[0].get('fault')}")


def last_seq(simulator):
    return max((r["seq"] for r in simulator.requests()), default=0)


def last_request(simulator, provider):
    return [r for r in simulator.requests() if r["provider"] == provider][-1]


def state_of(request):
    """What a request gives back for its calls, first of each step: 'own', 'stand-in' or 'none', in order."""
    body = json.loads(request["body"])
    if request["dialect"] == "openai-chat":
        turns = [m.get("reasoning_content") for m in body["messages"] if m.get("tool_calls")]
        return ["none" if t is None else "own" if t else "stand-in" for t in turns]
    if request["dialect"] == "anthropic-messages":
        found = []
        for message in body["messages"]:
            blocks = message["content"] if isinstance(message["content"], list) else []
            if any(b["type"] == "tool_use" for b in blocks):
                thinking = [b for b in blocks if b["type"] == "thinking"]
                text = any(b["signature"] or b["thinking"] for b in thinking)
                found.append("own" if text else "stand-in" if thinking else "none")
        return found
    if request["dialect"] == "openai-responses":
        found, reasoning, step = [], None, False
        for item in body["input"]:
            if item.get("type") == "reasoning":
                reasoning, step = "".join(p.get("text", "") for p in item.get("content") or []), False
            elif item.get("type") == "function_call" and not step:
                found.append("none" if reasoning is None else "own" if reasoning else "stand-in")
                step = True
            elif item.get("type") == "function_call_output":
                reasoning, step = None, False
        return found
    found = []
    for content in body["contents"]:
        calls = [p for p in content["parts"] if "functionCall" in p]
        if calls:
            signature = calls[0].get("thoughtSignature")
            found.append("none" if not signature else "stand-in" if signature == STAND_IN else "own")
    return found


def twelve_turns_with_a_model_each(bench):
    """Twelve turns, each with another model and a loop of two calls (one with two at once), in every dialect: no refusal."""
    simulator = bench.simulator("--strict-schema")
    gateway, key = bench.gateway(simulator)
    for agent in every_agent(gateway, key):
        since = last_seq(simulator)
        for number, model in enumerate(TWELVE):
            calls = 2 if number == PARALLEL_TURN else 1
            agent.turn([model] * 3, f"turn {number}: please run `echo {unique()}`", rounds=2, calls=calls)
        check_nothing_refused(simulator, since, str(agent))
        served = [e["provider"] for e in simulator.billing(since)]
        wanted = [model.split("/")[0] for model in TWELVE for _ in range(3)]
        check_equal(served, wanted, f"{agent}: who answered")
    gateway.at_rest()


def state_returns_to_its_maker(bench):
    """A loop on each provider gets its own state back, whether the client kept it or not, after others have had a turn."""
    simulator = bench.simulator("--strict-schema")
    gateway, key = bench.gateway(simulator)
    for agent in every_agent(gateway, key):
        for provider in ("gemini", "deepseek"):
            agent.turn([MAKERS[provider]] * 3, f"please run `echo {unique()}`", rounds=2)
            check_equal(state_of(last_request(simulator, provider))[-2:], ["own"] * 2, f"{agent}: {provider} in its loop")
        agent.turn([GEMINI] * 3, f"please run `echo {unique()}`", rounds=2)
        check_equal(state_of(last_request(simulator, "gemini")), ["own"] * 2 + ["stand-in"] * 2 + ["own"] * 2, f"{agent}: gemini's whole history")
        agent.turn([DEEPSEEK] * 3, f"please run `echo {unique()}`", rounds=2)
        check_equal(state_of(last_request(simulator, "deepseek"))[2:4], ["own"] * 2, f"{agent}: deepseek's first loop")
        # All of a bound conversation's thinking or none; in one of its own a Claude has all.
        claude = type(agent)(gateway, key, agent.keeps, agent.streams)
        for _ in range(2):
            claude.turn([CLAUDE] * 3, f"please run `echo {unique()}`", rounds=2)
        check_equal(state_of(last_request(simulator, "anthropic")), ["own"] * 4, f"{claude}: claude's history")
        budgeted = type(agent)(gateway, key, agent.keeps, agent.streams)
        budgeted.turn([DEEPSEEK] * 3, f"please run `echo {unique()}`", rounds=2)
        budgeted.turn([BUDGETED] * 3, f"please run `echo {unique()}`", rounds=2)
        check_equal(state_of(last_request(simulator, "anthropic"))[2:], ["own"] * 2, f"{budgeted}: the loop of an older claude")
    check_nothing_refused(simulator)


def random_switches(bench):
    """Random models from step to step, also inside loops, random numbers of calls, a new dialect each time: no refusal."""
    simulator = bench.simulator("--strict-schema")
    gateway, key = bench.gateway(simulator)
    first = int(os.environ.get("SWITCHING_SEED", random.randrange(1 << 30)))
    rounds = 1 if "SWITCHING_SEED" in os.environ else bench.scaled(24, 8)
    for seed in range(first, first + rounds):
        choose = random.Random(seed)
        models = [DEEPSEEK, CLAUDE, GEMINI, BUDGETED, *choose.sample(OTHERS, 3)]
        agent = AGENTS[seed % len(AGENTS)](gateway, key, choose.random() < 0.5, choose.random() < 0.5)
        since, chosen = last_seq(simulator), []
        try:
            for number in range(8):
                steps = choose.randrange(4)
                calls = choose.choice((1, 1, 2))
                inside = choose.random() < 0.5
                one = choose.choice(models)
                chosen.append([choose.choice(models) if inside else one for _ in range(steps + 1)])
                if choose.random() < 0.3:
                    agent.keeps = not agent.keeps  # a client that forgets now and then
                if steps:
                    agent.turn(chosen[-1], f"turn {number}: please run `echo {unique()}`", steps, calls)
                else:
                    agent.step(one, f"turn {number}: just say something [[sim calls=0]]")
            check_nothing_refused(simulator, since)
        except Exception as fault:
            raise AssertionError(f"SWITCHING_SEED={seed}: {agent}, {chosen}: {fault}") from fault
    print(f"         seeds {first} to {first + rounds - 1}")


def a_fallback_inside_a_loop(bench):
    """Claude fails in the middle of a loop, Gemini goes on with it, then Claude is back: nobody refuses anything."""
    simulator = bench.simulator("--strict-schema")
    gateway, key = bench.gateway(simulator)
    for agent in every_agent(gateway, key):
        since = last_seq(simulator)
        commands = agent.step(CLAUDE, f"please run `echo {unique()}` [[sim rounds=4]]")  # by name: a healed target may be left alone for a while
        check_equal(len(commands), 1, f"{agent}: the first call")
        simulator.faults("status=529", "anthropic")
        agent.step("turnpike-frontier")
        agent.step("turnpike-frontier")
        simulator.faults("", "anthropic")
        agent.step(CLAUDE)
        commands = agent.step(CLAUDE)
        check_equal(commands, [], f"{agent}: the loop ends")
        check("ran echo" in agent.text, f"{agent}: {agent.text[:200]}")
        simulator.quiet()
        done = [e["provider"] for e in simulator.billing(since) if e["outcome"] == "complete"]
        check_equal(done, ["anthropic", "gemini", "gemini", "anthropic", "anthropic"], f"{agent}: who answered")
        others = [e for e in simulator.billing(since) if e["outcome"] != "complete" and e["status"] != 529]
        check(not others, lambda: f"{agent}: {others[0]}")


def half_way(agent, models, simulator):
    """One call made in a loop on each model; returns what is needed to go on."""
    agents = {}
    for provider, model in models.items():
        one = type(agent)(agent.gateway, agent.key, agent.keeps, agent.streams)
        commands = one.step(model, f"please run `echo {unique()}` [[sim rounds=2]]")
        check_equal(len(commands), 1, f"{one}, {provider}: a call")
        agents[provider] = one
    return agents


def go_on(agents, models, gateway, simulator):
    """The second call; what each provider got back with it."""
    states = {}
    for provider, one in agents.items():
        one.gateway = gateway
        one.step(models[provider])
        states[provider] = state_of(last_request(simulator, provider))
        one.step(models[provider])
        check("ran echo" in one.text, f"{one}, {provider}: {one.text[:200]}")
    return states


def a_restart_keeps_the_state(bench):
    """The gateway ends and starts anew in the middle of loops: clients that dropped everything lose nothing."""
    simulator = bench.simulator("--strict-schema")
    gateway, key = bench.gateway(simulator)
    under_way = [half_way(agent, MAKERS, simulator) for agent in every_agent(gateway, key)]
    check_equal(gateway.stop(), 0, "exit code")
    gateway = bench.serve()
    for agents in under_way:
        states = go_on(agents, MAKERS, gateway, simulator)
        check_equal(states, {provider: ["own"] for provider in PROVIDERS}, f"{agents['gemini']}: state after the restart")
    check_nothing_refused(simulator)


def without_its_file_it_degrades(bench):
    """The file of opaque state is gone after a restart: stand-ins where documented, less thinking, but no refusal."""
    simulator = bench.simulator("--strict-schema")
    gateway, key = bench.gateway(simulator)
    models = MAKERS | {"anthropic": BUDGETED}
    for claude in (CLAUDE, BUDGETED):
        models = MAKERS | {"anthropic": claude}
        under_way = [half_way(agent, models, simulator) for agent in every_agent(gateway, key)]
        check_equal(gateway.stop(), 0, "exit code")
        files = list((bench.folder / "data").glob("opaque.db*"))
        check(files, "there is no file of opaque state")
        for file in files:
            file.unlink()
        gateway = bench.serve()
        for agents in under_way:
            states = go_on(agents, models, gateway, simulator)
            agent = agents["gemini"]
            if not agent.keeps:
                check_equal(states, {"deepseek": ["stand-in"], "anthropic": ["none"], "gemini": ["stand-in"]}, f"{agent}: state without the file")
            if agent.keeps and agent.dialect in ("messages", "gemini"):
                native = "anthropic" if agent.dialect == "messages" else "gemini"
                check_equal(states[native], ["own"], f"{agent}: what the client carries itself")
    check_nothing_refused(simulator)
