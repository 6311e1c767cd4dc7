"""A conversation stays for its cache and moves when that is gone; what routing has learned survives a restart."""
from harness import call, check, check_equal, unique

OPUS, BULK = "anthropic/claude-opus-5-5", "deepseek/deepseek-flash"
MARK = {"type": "ephemeral"}


class Conversation:
    """A client of Messages that marks its instructions and its newest message for the cache, as Claude Code does."""

    def __init__(self, gateway, key, kilobytes=160):
        self.gateway, self.key, self.session = gateway, key, unique()
        self.system = [{"type": "text", "text": f"You are {unique()}. " + "Keep to the rules of this repository. " * 27 * kilobytes, "cache_control": MARK}]
        self.messages = []

    def turn(self, model, text):
        for message in self.messages:
            for block in message["content"]:
                block.pop("cache_control", None)
        self.messages.append({"role": "user", "content": [{"type": "text", "text": f"{text} [[sim calls=0 tokens=20]]", "cache_control": MARK}]})
        body = {"model": model, "max_tokens": 2000, "system": self.system, "messages": self.messages}
        answer = call(self.gateway.port, "POST", "/v1/messages", body,
                      {"x-api-key": self.key, "anthropic-version": "2023-06-01", "x-claude-code-session-id": self.session})
        check_equal(answer.status, 200, answer.text[:400])
        self.messages.append({"role": "assistant", "content": answer.json()["content"]})
        self.gateway.at_rest()
        return answer.headers["x-turnpike-model"], answer.headers["x-turnpike-reason"].split(","), answer.json()["usage"]


def a_warm_conversation_stays_and_a_summed_up_one_moves(bench):
    """An easy turn after a hard one stays while the frontier model's cache is warm; with another beginning it goes down."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator, policy="cache-first")
    agent = Conversation(gateway, key)
    check_equal(agent.turn(OPUS, "hello")[0], OPUS, "a pin")
    target, reasons, usage = agent.turn("auto", "thanks")
    check_equal(target, OPUS, f"who answered the easy turn ({reasons})")
    check("stayed_for_cache" in reasons, f"reasons: {reasons}")
    check(usage["cache_read_input_tokens"] > 20_000, f"the cache was not read: {usage}")
    gateway.counts(1, "turnpike_switches_total", move="avoided")
    check(gateway.metric("turnpike_switch_saved_credits_total", move="avoided") > 0.03, "reading 40,000 tokens in anew costs 5 to 10 hundredths, by the hour")
    agent.system = [{"type": "text", "text": "A summary of what was said so far. " * 300, "cache_control": MARK}]
    agent.messages = []
    target, reasons, _ = agent.turn("auto", "thanks")
    check_equal(target, BULK, f"who answered after the summary ({reasons})")
    check("switched_at_human_turn" in reasons, f"reasons: {reasons}")
    gateway.counts(1, "turnpike_switches_total", move="made")


def what_was_learned_survives_a_restart(bench):
    """routing.state holds what caches did; a damaged one is set aside, and the gateway starts all the same."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    agent = Conversation(gateway, key)
    for _ in range(4):
        agent.turn(OPUS, "hello")
    gateway.stop()
    state = bench.folder / "data" / "routing.state"
    text = state.read_text()
    learned = [line.split() for line in text.splitlines() if line.startswith("cache ") and line.endswith(" anthropic")]
    check_equal(len(learned), 1, f"lines about Anthropic's cache: {text}")
    _, _, _, seen, read, _ = learned[0]
    check(float(seen) == 3 and float(read) > 2.9, f"three answers read all that was there: {learned[0]}")
    check("length 0 " in text and "output " in text, f"lengths and outputs: {text}")
    check("hello" not in text and agent.session not in text, "no word of a prompt is kept")
    gateway = bench.serve()
    gateway.stop()
    check_equal(sorted(state.read_text().splitlines()), sorted(text.splitlines()), "the state after a start and a stop")
    state.write_text(text[:len(text) // 2])
    gateway = bench.serve()
    check((bench.folder / "data" / "routing.state.damaged").exists(), "the damaged file is kept")
    check("routing_state_ignored" in gateway.output(), "the log says so")
    Conversation(gateway, key).turn(OPUS, "hello")
