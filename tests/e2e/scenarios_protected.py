"""Permission checks reach the model that the client asked, byte for byte, whatever policy and budget would rather do."""
import json
import re

from harness import call, check, check_equal, user

STEP = {"x-openai-subagent": "guardian"}  # as Codex sends it: nothing that a key must be permitted to say
# Odd blanks, order and escapes, so that a body that was parsed and written again shows.
MESSAGES = ('{ "max_tokens" :64,  "model":"claude-haiku-5-5","system" : "Answer yes or no.\\u0021",'
            ' "messages":[ {"role":"user" ,"content":"May `rm -rf build` run?  [[sim tokens=4 think_tokens=0]]"}]%s }')
CHAT = ('{"messages" : [{"content":"May `rm -rf build` run? [[sim tokens=4 think_tokens=0]]","role":"user"}],'
        ' "max_tokens": 64 , "model":"deepseek-flash"%s}')
RESPONSES = ('{"input" :[ {"role":"user","content":"May `rm -rf build` run? [[sim tokens=4 think_tokens=0]]"} ],'
             ' "max_output_tokens": 512,"model" : "deepseek-flash"%s}')
GEMINI = ('{ "contents": [ {"role":"user","parts":[{"text":"May `rm -rf build` run? [[sim tokens=4 think_tokens=0]]"} ]}],'
          ' "generationConfig":{"maxOutputTokens" : 64}}')
DIALECTS = {
    "messages": ("/v1/messages", MESSAGES % "", "anthropic", "claude-haiku-5-5"),
    "messages, streamed": ("/v1/messages", MESSAGES % ', "stream" :true', "anthropic", "claude-haiku-5-5"),
    "chat": ("/v1/chat/completions", CHAT % "", "deepseek", "deepseek-flash"),
    "responses": ("/v1/responses", RESPONSES % "", "deepseek", "deepseek-flash"),
    "gemini": ("/v1beta/models/gemini-3.8-flash:generateContent", GEMINI, "gemini", "gemini-3.8-flash"),
    "gemini, streamed": ("/v1beta/models/gemini-3.8-flash:streamGenerateContent?alt=sse", GEMINI, "gemini", "gemini-3.8-flash"),
}


def ask(gateway, key, path, body, **headers):
    fields = {"authorization": f"Bearer {key}", "anthropic-version": "2023-06-01"} | {k.replace("_", "-"): v for k, v in headers.items()}
    return call(gateway.port, "POST", path, body.encode(), fields)


def newest(simulator):
    simulator.quiet()
    return simulator.requests()[-1]


def check_unmoved(gateway, key, simulator, circumstances):
    for dialect, (path, body, provider, model) in DIALECTS.items():
        what = f"{dialect}, {circumstances}"
        answer = ask(gateway, key, path, body, **STEP)
        check_equal(answer.status, 200, f"{what}: {answer.text[:300]}")
        check_equal(answer.headers["x-turnpike-model"], f"{provider}/{model}", what)
        check_equal(answer.headers["x-turnpike-reason"], "protected_step", what)
        seen = newest(simulator)
        check_equal(seen["provider"], provider, what)
        check_equal(seen["body"], body, f"{what}: bytes at the provider")


def checks_go_where_the_client_asked(bench):
    """In each dialect the asked model gets the body as it was, under a policy that maps its name elsewhere."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    check_unmoved(gateway, key, simulator, "no budget")
    # Said in our own words it is a choice of route, which takes a permission.
    before = len(simulator.requests())
    declared = ask(gateway, key, "/v1/messages", MESSAGES % "", **{"x-turnpike-step": "permission_check"})
    check_equal(declared.status, 403, "a declared check of a key without permission")
    check_equal(len(simulator.requests()), before, "requests at the providers")
    permitted = bench.key(name="permitted", options=["--may-override-route"])
    declared = ask(gateway, permitted, "/v1/messages", MESSAGES % "", **{"x-turnpike-step": "permission_check"})
    check_equal(declared.headers["x-turnpike-reason"], "protected_step", "with permission")
    # The same bodies without the step are routed, so it is the protection that holds them.
    answer = ask(gateway, key, "/v1/messages", MESSAGES % "")
    check(answer.headers["x-turnpike-model"] != "anthropic/claude-haiku-5-5", f"routed to {answer.headers['x-turnpike-model']}")
    for name, value in (("x-turnpike-model", "deepseek/deepseek-flash"), ("x-turnpike-tier", "bulk")):
        before = len(simulator.requests())
        answer = ask(gateway, key, "/v1/messages", MESSAGES % "", **STEP, **{name: value})
        check_equal(answer.status, 403, f"{name} without permission")
        check_equal(len(simulator.requests()), before, f"{name}: requests at the providers")


def rules_and_failures_do_not_move_checks(bench):
    """Neither a rule for the step nor a failing provider hands a check to another model."""
    simulator = bench.simulator()
    bench.write_config(simulator)
    policy = bench.folder / "policies" / "seventy-thirty.toml"
    rule = '[[rule]]\nname = "cheap checks"\nstep = ["permission_check"]\nroute = "tier:bulk"\n\n'
    text, count = re.subn(r"^\[\[rule\]\]", lambda first: rule + first.group(0), policy.read_text(), count=1, flags=re.M)
    check_equal(count, 1, "rules of the shipped policy")
    policy.write_text(text)
    key = bench.key()
    gateway = bench.serve()
    check_unmoved(gateway, key, simulator, "a rule for the step")
    simulator.faults("status=529", "anthropic")
    answer = ask(gateway, key, "/v1/messages", MESSAGES % "", **STEP)
    check(answer.status >= 500, f"an overloaded model: {answer.status}")
    simulator.quiet()
    check_equal(simulator.requests()[-1]["provider"], "anthropic", "who was asked last")


def thin_budgets_do_not_move_checks(bench):
    """At cheap_only the asked model still answers unmodified; beyond the limit the check is refused, not shortened."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator, "1.00/day")
    opus = "anthropic/claude-opus-5-5"

    def spend(tokens):
        body = {"model": opus, "max_tokens": tokens + 100, "messages": [user(f"[[sim tokens={tokens} think_tokens=0]]")]}
        answer = call(gateway.port, "POST", "/v1/messages", body, {"authorization": f"Bearer {key}", "anthropic-version": "2023-06-01"}, 60)
        check_equal(answer.status, 200, answer.text[:300])
        return float(answer.headers["x-turnpike-cost"])

    cost, tokens = 0.0, 1000
    price = spend(tokens) / tokens
    spent = price * tokens
    while spent < 0.972:
        tokens = max(100, min(20000, int((0.974 - spent) / price)))
        cost = spend(tokens)
        spent += cost
    gateway.at_rest()
    auto = json.dumps({"model": "turnpike-frontier", "max_tokens": 10, "messages": [user("hi [[sim tokens=2 think_tokens=0]]")]})
    answer = ask(gateway, key, "/v1/chat/completions", auto)
    check_equal(answer.headers.get("x-turnpike-downgraded", "").rpartition(":")[2], "cheap_only", f"pressure after {spent:.4f} credits")
    check_unmoved(gateway, key, simulator, "cheap_only")
    # The client left the length open; what is left would pay for a short answer.
    open_ended = '{"contents":[{"role":"user","parts":[{"text":"May it run? [[sim tokens=4 think_tokens=0]]"}]}]}'
    before = len(simulator.requests())
    answer = ask(gateway, key, "/v1beta/models/gemini-3.1-pro-preview:generateContent", open_ended, **STEP)
    check_equal(answer.status, 402, f"a check that the budget cannot cover: {answer.text[:200]}")
    check_equal(len(simulator.requests()), before, "requests at the providers")
