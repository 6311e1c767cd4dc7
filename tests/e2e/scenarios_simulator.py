"""The simulator itself: an oracle that is wrong would bless a wrong gateway."""
import copy
import json
import os
import pathlib
import socket
import time

from harness import SHELL_TOOL, SOURCE, ChatStream, call, check, check_equal, skip, sse_events, unique, user, wait_until

DEEPSEEK = {"authorization": "Bearer k"}
CLAUDE = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
GEMINI = {"x-goog-api-key": "k"}
SCHEMA = SHELL_TOOL["function"]["parameters"]
CLAUDE_TOOL = {"name": "bash", "description": "Runs a shell command", "input_schema": SCHEMA}
GEMINI_TOOLS = [{"functionDeclarations": [{"name": "bash", "parametersJsonSchema": SCHEMA}]}]


def ask(simulator, path, body, headers):
    return call(simulator.port, "POST", path, body, headers)


def messages(simulator, body, model="deepseek-flash", prefix="/anthropic", headers=DEEPSEEK):
    return ask(simulator, prefix + "/v1/messages", {"model": model, "max_tokens": 4000} | body, headers)


def deepseek(simulator, body):
    return ask(simulator, "/chat/completions", {"model": "deepseek-flash"} | body, DEEPSEEK)


def claude(simulator, body, model="claude-opus-5-5", **headers):
    return ask(simulator, "/v1/messages", {"model": model, "max_tokens": 4000} | body, CLAUDE | headers)


def gemini(simulator, body, model="gemini-3.1-pro-preview", stream=False):
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return ask(simulator, f"/v1beta/models/{model}:{method}", body, GEMINI)


def responses(simulator, body, prefix="", model=None, headers=DEEPSEEK):
    return ask(simulator, prefix + "/v1/responses", {"model": model or ("gpt-5.4" if prefix else "deepseek-flash")} | body, headers)


def read_responses_stream(raw):
    """(event names, the last event's response); fails unless events are counted, named, and deltas make up what is done."""
    names, pieces, response = [], {}, None
    for number, (name, data) in enumerate(sse_events(raw)):
        event = json.loads(data)
        check_equal((event["type"], event["sequence_number"]), (name, number), "event name and number")
        names.append(name)
        if name.endswith(".delta"):
            pieces[event["item_id"]] = pieces.get(event["item_id"], "") + event["delta"]
        elif name.endswith((".arguments.done", "_text.done", "refusal.done", "input.done")):
            whole = next(event[field] for field in ("text", "arguments", "input", "refusal") if field in event)
            check_equal(pieces[event["item_id"]], whole, "deltas and their sum")
        elif name == "response.output_item.done":
            check(event["item"].get("status") in ("completed", None), event["item"])
        response = event.get("response", response)
    return names, response


def read_messages_stream(raw):
    """(blocks, usage of the end, message_start's message); fails unless it is one message from start to stop."""
    blocks, usage, start, names = [], None, None, []
    for name, data in sse_events(raw):
        event = json.loads(data)
        check_equal(event["type"], name, "event name")
        names.append(name)
        if name == "message_start":
            start = event["message"]
        elif name == "content_block_start":
            check_equal(event["index"], len(blocks), "block index")
            blocks.append(event["content_block"] | ({"input": ""} if event["content_block"]["type"] == "tool_use" else {}))
        elif name == "content_block_delta":
            delta = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature", "input_json_delta": "input"}
            source = {"input": "partial_json"}.get(delta[event["delta"]["type"]], delta[event["delta"]["type"]])
            block = blocks[event["index"]]
            block[delta[event["delta"]["type"]]] = block.get(delta[event["delta"]["type"]], "") + event["delta"][source]
        elif name == "message_delta":
            usage = event.get("usage")
    check_equal((names[0], names[-2:]), ("message_start", ["message_delta", "message_stop"]), "first and last events")
    return blocks, usage, start


def raw_stream(simulator, path, body, authorization="Bearer k"):
    """The bytes of an answer and how they ended: ended, closed, reset or silent."""
    payload = json.dumps(body).encode()
    connection = socket.create_connection(("127.0.0.1", simulator.port), timeout=5)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\nanthropic-version: 2023-06-01\r\nContent-Length: {len(payload)}\r\n\r\n"
    connection.sendall(head.encode() + payload)
    connection.settimeout(0.7)
    received, how = b"", "open"
    try:
        while True:
            part = connection.recv(65536)
            if not part:
                how = "closed"
                break
            received += part
            if received.endswith(b"\r\n0\r\n\r\n"):
                how = "ended"
                break
    except ConnectionResetError:
        how = "reset"
    except TimeoutError:
        how = "silent"
    connection.close()
    return received, how


def refused(answer, status, part):
    check_equal(answer.status, status, answer.text[:300])
    check(part in answer.text, f"the refusal lacks {part!r}: {answer.text[:400]}")


def deepseek_runs_a_tool_loop(bench):
    """DeepSeek: thinking, a call, the result, the answer; reasoning_content is wanted back."""
    simulator = bench.simulator()
    messages = [user("please run `echo hi`")]
    answer = deepseek(simulator, {"messages": messages, "tools": [SHELL_TOOL], "stream": True})
    check(b": keep-alive" in answer.body, "no keep-alive comment before the first token")
    stream = ChatStream(answer.body)
    check_equal((stream.finish, len(stream.calls), stream.done), ("tool_calls", 1, True), "the first step")
    check_equal(json.loads(stream.calls[0]["arguments"]), {"command": "echo hi"}, "arguments")
    check(stream.calls[0]["id"].startswith("call_00_") and len(stream.calls[0]["id"]) == 32, stream.calls[0]["id"])
    check_equal(stream.usage["prompt_cache_hit_tokens"] + stream.usage["prompt_cache_miss_tokens"],
                stream.usage["prompt_tokens"], "hit + miss")
    messages += [stream.message(), {"role": "tool", "tool_call_id": stream.calls[0]["id"], "content": "hi"}]
    refused(deepseek(simulator, {"messages": messages, "tools": [SHELL_TOOL]}), 400,
            "Missing `reasoning_content` field in the assistant message at message index 1")
    messages[1]["reasoning_content"] = ""
    done = deepseek(simulator, {"messages": messages, "tools": [SHELL_TOOL]}).json()
    check_equal(done["choices"][0]["finish_reason"], "stop", "the last step")
    check("hi" in done["choices"][0]["message"]["content"], "the answer does not use the tool's result")


def deepseek_refuses_what_the_service_refuses(bench):
    """DeepSeek: developer role, unpaired results, empty tools, json_schema, bad keys."""
    simulator = bench.simulator("--require-key", "k")
    refused(deepseek(simulator, {"messages": [{"role": "developer", "content": "x"}]}), 422, "unknown variant `developer`")
    refused(deepseek(simulator, {"messages": [user("x")], "tools": []}), 400, "too short")
    refused(deepseek(simulator, {"messages": [user("x")], "tool_choice": "auto"}), 400, "`tools` must be set")
    refused(deepseek(simulator, {"messages": [user("x"), {"role": "tool", "tool_call_id": "a", "content": "b"}]}), 400,
            "must be a response to a preceding message")
    refused(deepseek(simulator, {"messages": [user("x")], "response_format": {"type": "json_schema"}}), 400, "unavailable")
    refused(deepseek(simulator, {"messages": [user("x")], "response_format": {"type": "json_object"}}), 400, "word 'json'")
    refused(deepseek(simulator, {"messages": [user("x")], "max_tokens": 0}), 400, "valid range of max_tokens")
    refused(deepseek(simulator, {"model": "gpt-9", "messages": [user("x")]}), 400, "Model Not Exist")
    wrong = ask(simulator, "/chat/completions", {"model": "deepseek-flash", "messages": [user("x")]}, {"authorization": "Bearer other"})
    refused(wrong, 401, "Authentication Fails")
    answer = deepseek(simulator, {"messages": [user("x")], "tools": []})
    check_equal(answer.headers["content-type"], "application/octet-stream", "content type of an error")
    check(len(simulator.billing()) == 10 and all(sum(e["billed"].values()) == 0 for e in simulator.billing()), "refusals are free")


def deepseek_speaks_messages(bench):
    """DeepSeek's /anthropic: its models under Claude's names, thinking signed with the message's id, call_00_ ids."""
    simulator = bench.simulator()
    body = {"messages": [user("run two commands in parallel")], "tools": [CLAUDE_TOOL]}
    for model, served in {"claude-opus-5-5": "deepseek-v4-pro", "claude-haiku-5-5": "deepseek-flash", "deepseek-v4-pro": "deepseek-v4-pro"}.items():
        check_equal(messages(simulator, body, model).json()["model"], served, model)
    refused(messages(simulator, body, "gpt-9"), 400, "Model Not Exist")
    raw = messages(simulator, body | {"stream": True}, headers=DEEPSEEK | {"anthropic-beta": "never-heard-of-2026-01-01"}).body
    blocks, usage, seen = read_messages_stream(raw)
    check_equal([b["type"] for b in blocks], ["thinking", "text", "tool_use", "tool_use"], "blocks")
    check_equal(blocks[0]["signature"], seen["id"], "the signature is the message's id")
    check(len(seen["id"]) == 36 and seen["id"].count("-") == 4, seen["id"])
    check_equal([b["id"][:8] for b in blocks[2:]], ["call_00_", "call_01_"], "ids of calls")
    entry = simulator.billing()[-1]
    check_equal((entry["provider"], entry["dialect"], entry["model"]), ("deepseek", "anthropic-messages", "deepseek-flash"), "billing line")
    check_equal(usage["output_tokens"], entry["usage"]["output_text"] + entry["usage"]["output_reasoning"], "usage told and billed")
    whole = messages(simulator, {"messages": [user("x")], "thinking": {"type": "disabled"}, "output_config": {"effort": "max"}}, headers={"x-api-key": "k"})
    check_equal([b["type"] for b in whole.json()["content"]], ["text"], "thinking disabled")
    check_equal(ask(simulator, "/anthropic/v1/messages/count_tokens", body, DEEPSEEK).status, 404, "count_tokens")


def deepseek_wants_its_thinking_back_in_messages(bench):
    """DeepSeek's /anthropic: past calls need their thinking, with its own signature or none, never another's."""
    simulator = bench.simulator()
    content = messages(simulator, {"messages": [user("run `echo hi`")], "tools": [CLAUDE_TOOL]}).json()["content"]
    result = user([{"type": "tool_result", "tool_use_id": content[-1]["id"], "content": "hi"}])

    def follow(blocks, **more):
        return messages(simulator, {"messages": [user("run `echo hi`"), {"role": "assistant", "content": blocks}, result], "tools": [CLAUDE_TOOL]} | more)
    done = follow(content)
    check_equal(done.status, 200, done.text[:300])
    check("hi" in done.json()["content"][-1]["text"], "the answer does not use the tool's result")
    refused(follow(content[1:]), 400, "The `content[].thinking` in the thinking mode must be passed back to the API.")
    check_equal(follow(content[1:], thinking={"type": "disabled"}).status, 200, "without thinking none is wanted")
    unsigned = {"type": "thinking", "thinking": ""}
    check_equal(follow([unsigned] + content[1:]).status, 200, "a block without a signature")
    for foreign in ("dHBrMTphbnRocm9waWMKb3B1cy01LjUK", "RXhhbXBsZQ==", "91cfbb94-554b-4136-8e21-fa02280d56ed"):
        answer = follow([unsigned | {"signature": foreign}] + content[1:])
        refused(answer, 400, "Invalid `signature` in `thinking` block")
    check_equal(answer.headers["content-type"], "application/octet-stream", "content type of an error")
    unanswered = [user("x"), {"role": "assistant", "content": content}, user("y")]
    refused(messages(simulator, {"messages": unanswered}), 400, "insufficient tool messages")
    refused(messages(simulator, {"messages": [user("x"), {"role": "system", "content": "y"}]}), 400, "unknown variant `system`")
    picture = [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}]
    check_equal(messages(simulator, {"messages": [user(picture)]}).status, 200, "flash sees")
    refused(messages(simulator, {"messages": [user(picture)]}, "deepseek-v4-pro"), 400, "unknown variant `image`")


RESPONSES_TOOL = {"type": "function", "name": "bash", "parameters": SCHEMA, "strict": True}


def recorded_events(case, nth):
    """Events of the nth exchange of a recorded stream: (name, parsed data)."""
    shared = pathlib.Path(os.environ.get("TURNPIKE_SHARED", SOURCE.parent / "shared"))
    path = shared / "data" / "wire" / case
    if not path.exists():
        skip(f"no recorded traffic at {path}")
    streams, found = [], None
    for line in path.read_text().splitlines():
        if line.strip() == "string: |+":
            streams.append([])
        if line.strip().startswith("event: ") and streams:
            found = line.strip()[7:]
        elif line.strip().startswith("data: ") and streams:
            streams[-1].append((found, json.loads(line.strip()[6:])))
    return streams[nth]


def shape(value):
    """Keys of an event and of what it holds; what the request decides is left out."""
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items() if k not in ("parameters", "text", "reasoning", "tools")}
    return [shape(v) for v in value] if isinstance(value, list) else None


def deepseek_speaks_responses_as_recorded(bench):
    """DeepSeek's /responses: event for event, member for member, the form of the recorded stream."""
    simulator = bench.simulator()
    tool = {"type": "function", "name": "get_temperature", "strict": True, "description": "Get the current temperature in a city.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}}
    turn = [user("What is the temperature in Tokyo?")]
    body = {"input": turn, "tools": [tool], "tool_choice": "auto", "stream": True}
    ours = [(n, json.loads(d)) for n, d in sse_events(responses(simulator, body | {"input": [user("[[sim text=\"\"]] temperature")]}).body)]

    def forms(events):
        seen, found = None, []
        for name, event in events:
            if name != seen or not name.endswith(".delta"):
                found.append((name, shape({k: v for k, v in event.items() if k != "sequence_number"})))
            seen = name
        return found
    for (name, wanted), (our_name, got) in zip(forms(recorded_events("deepseek/responses-tool-stream.yaml", 0)), forms(ours), strict=True):
        check_equal((our_name, json.dumps(got, sort_keys=True)), (name, json.dumps(wanted, sort_keys=True)), "event")


def deepseek_runs_a_loop_in_responses(bench):
    """DeepSeek's /responses: a loop without state; efforts, custom tools, schemas; usage as billed; no [DONE]."""
    simulator = bench.simulator()
    turn = [user("please run `echo hi` in parallel")]
    raw = responses(simulator, {"input": turn, "tools": [RESPONSES_TOOL], "stream": True, "store": True}).body
    check(b"[DONE]" not in raw, "a [DONE] at the end")
    names, response = read_responses_stream(raw)
    check_equal((names[0], names[-1], response["store"]), ("response.created", "response.completed", False), "first, last, store")
    check_equal([i["type"] for i in response["output"]], ["reasoning", "message", "function_call", "function_call"], "items")
    check(all(len(i["id"]) == 36 for i in response["output"]) and response["output"][2]["call_id"].startswith("call_00_"), response["output"])
    entry = simulator.billing()[-1]
    check_equal((entry["provider"], entry["dialect"]), ("deepseek", "openai-responses"), "billing line")
    check_equal((response["usage"]["output_tokens"], response["usage"]["output_tokens_details"]["reasoning_tokens"]),
                (entry["usage"]["output_text"] + entry["usage"]["output_reasoning"], entry["usage"]["output_reasoning"]), "usage told and billed")
    results = [{"type": "function_call_output", "call_id": i["call_id"], "output": "hi"} for i in response["output"][2:]]
    done = responses(simulator, {"input": turn + response["output"] + results, "tools": [RESPONSES_TOOL]}).json()
    check_equal((done["status"], "hi" in done["output"][-1]["content"][0]["text"]), ("completed", True), "the last step")
    quiet = responses(simulator, {"input": "x", "reasoning": {"effort": "none"}}).json()
    check_equal([i["type"] for i in quiet["output"]], ["message"], "effort none")
    short = responses(simulator, {"input": "x", "max_output_tokens": 20}).json()
    check_equal((short["status"], short["incomplete_details"]), ("incomplete", {"reason": "max_output_tokens"}), "the limit")
    patch = {"type": "custom", "name": "apply_patch", "format": {"type": "text"}}
    names, response = read_responses_stream(responses(simulator, {"input": "use `*** Begin`", "tools": [patch], "stream": True}).body)
    check("response.custom_tool_call_input.done" in names and response["output"][-1]["input"] == "*** Begin", response["output"][-1])
    schema = {"type": "json_schema", "name": "title", "schema": {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}}
    text = responses(simulator, {"input": "x", "text": {"format": schema}}).json()["output"][-1]["content"][0]["text"]
    check_equal(list(json.loads(text)), ["title"], "structured output")
    responses(simulator, {"input": "x", "previous_response_id": "1235b7ba-fdc9-4a1c-bfe4-6137c207baf3"})
    check("previous_response_id ignored" in simulator.billing()[-1]["notes"], simulator.billing()[-1])


def deepseek_refuses_what_its_responses_refuse(bench):
    """DeepSeek's /responses: text between parallel calls (as recorded), others' reasoning, calls without theirs."""
    simulator = bench.simulator()

    def call_item(name):
        return {"type": "function_call", "call_id": "call-" + name, "name": "bash", "arguments": "{}"}

    def output(name):
        return {"type": "function_call_output", "call_id": "call-" + name, "output": "x"}
    said = {"role": "assistant", "content": "between"}
    thought = {"type": "reasoning", "id": "r", "summary": [], "content": [{"type": "reasoning_text", "text": ""}], "encrypted_content": None}
    recorded = [thought, said, call_item("a"), said, call_item("b"), output("a"), output("b"), user("x")]
    answer = responses(simulator, {"input": recorded})
    refused(answer, 400, '{"error":{"message":"No tool output found for tool call call-a.","type":"invalid_request_error","param":null,"code":"invalid_request_error"}}')
    check_equal(answer.headers["content-type"], "application/octet-stream", "content type of an error")
    paired = [user("x"), thought, said, call_item("a"), call_item("b"), output("a"), output("b")]
    check_equal(responses(simulator, {"input": paired}).status, 200, "text before both")
    bare = [item for item in paired if item is not thought]
    refused(responses(simulator, {"input": bare}), 400, "The `reasoning_text` in the thinking mode must be passed back to the API.")
    check_equal(responses(simulator, {"input": bare, "reasoning": {"effort": "none"}}).status, 200, "without thinking none is wanted")
    tagged = [item | {"encrypted_content": "dHBrMTpnZW1pbmkKZ2VtaW5pLTMK"} if item is thought else item for item in paired]
    refused(responses(simulator, {"input": tagged}), 400, "encrypted_content")
    refused(responses(simulator, {"input": [user("x"), output("a")]}), 400, "No tool call found")
    refused(responses(simulator, {"input": [user([{"type": "input_file", "file_data": "x"}])]}), 400, "input_file")
    refused(responses(simulator, {"input": "x"}, model="gpt-5.4"), 400, "Model Not Exist")
    refused(responses(simulator, {"input": "x", "reasoning": {"effort": "most"}}), 400, "unknown variant `most`")
    refused(responses(simulator, {"input": "x"}, headers={"authorization": "Bearer invalid"}), 401, "Authentication Fails")
    check_equal(responses(simulator, {"input": [{"role": "developer", "content": "be brief"}, user("x")]}).status, 200, "a developer message")


def openai_keeps_responses(bench):
    """OpenAI: previous_response_id carries the conversation on, for the key that stored it; encrypted reasoning is verified."""
    simulator = bench.simulator()
    first = responses(simulator, {"input": [user("please run `echo hi`")], "tools": [RESPONSES_TOOL], "instructions": "be brief"}, "/openai").json()
    check_equal((first["status"], first["store"], [i["type"] for i in first["output"]]), ("completed", True, ["reasoning", "message", "function_call"]), "the first response")
    check_equal([i["id"].split("_")[0] for i in first["output"]], ["rs", "msg", "fc"], "ids")
    result = {"type": "function_call_output", "call_id": first["output"][-1]["call_id"], "output": "hi"}
    onward = {"input": [result], "tools": [RESPONSES_TOOL], "previous_response_id": first["id"]}
    second = responses(simulator, onward, "/openai").json()
    check("hi" in second["output"][-1]["content"][0]["text"] and second["previous_response_id"] == first["id"], second)
    check(second["usage"]["input_tokens"] > 20, "the stored conversation is part of the prompt")
    other = responses(simulator, onward, "/openai", headers={"authorization": "Bearer other"})
    refused(other, 400, "previous_response_not_found")
    referred = [user("please run `echo hi`")] + [{"type": "item_reference", "id": i["id"]} for i in first["output"]] + [result]
    check_equal(responses(simulator, {"input": referred}, "/openai").status, 200, "items by reference")
    simulator.reset()
    refused(responses(simulator, onward, "/openai"), 400, f"Previous response with id '{first['id']}' not found.")
    refused(responses(simulator, {"input": referred}, "/openai"), 404, "Items are not persisted when `store` is set to false")

    stateless = {"tools": [RESPONSES_TOOL], "store": False, "include": ["reasoning.encrypted_content"], "reasoning": {"summary": "auto"}, "stream": True}
    names, response = read_responses_stream(responses(simulator, stateless | {"input": [user("please run `echo hi`")]}, "/openai").body)
    check("response.reasoning_summary_text.delta" in names and "response.reasoning_text.delta" not in names, "summaries")
    items = response["output"]
    check(items[0]["encrypted_content"].startswith("gAAAAA") and items[0]["summary"], items[0])
    refused(responses(simulator, onward | {"previous_response_id": response["id"]}, "/openai"), 400, "previous_response_not_found")

    def follow(history):
        answer = {"type": "function_call_output", "call_id": items[-1]["call_id"], "output": "hi"}
        return responses(simulator, stateless | {"input": [user("please run `echo hi`")] + history + [answer]}, "/openai")
    check_equal(follow(items).status, 200, "the unchanged history")
    check_equal(follow(items[1:]).status, 200, "all reasoning left out")
    for foreign in ("dHBrMTphbnRocm9waWMKb3B1cy01LjUK", items[0]["encrypted_content"][:-8] + "AAAAAAAA"):
        refused(follow([items[0] | {"encrypted_content": foreign}] + items[1:]), 400, "invalid_encrypted_content")
    refused(follow([{k: v for k, v in items[0].items() if k != "encrypted_content"}] + items[1:]), 404, "not found")
    refused(follow([items[0] | {"content": [{"type": "reasoning_text", "text": "x"}]}] + items[1:]), 400, "array_above_max_length")
    unnamed = {k: v for k, v in items[1].items() if k != "id"}
    refused(follow([items[0], unnamed, items[2]]), 400, "was provided without its required following item.")


def openai_refuses_what_the_service_refuses(bench):
    """OpenAI: unknown members, long ids, wrong prefixes, open schemas, sampling, others' models."""
    simulator = bench.simulator()

    def refuse(body, part, **options):
        refused(responses(simulator, {"input": "x"} | body, "/openai", **options), 400, part)
    refuse({"thinking": {"type": "enabled"}}, '"unknown_parameter"')
    refuse({"temperature": -1}, "Invalid 'temperature': decimal below minimum value. Expected a value >= 0, but got -1 instead.")
    refuse({"temperature": 0.2}, "Unsupported parameter: 'temperature' is not supported with this model.")
    refuse({"max_output_tokens": 5}, "integer_below_min_value")
    refuse({}, "model_not_found", model="claude-opus-5-5")
    pair = [{"type": "function_call", "call_id": "c" * 65, "name": "f", "arguments": "{}"}, {"type": "function_call_output", "call_id": "c" * 65, "output": ""}]
    refuse({"input": pair}, "string_above_max_length")
    pair = [{"type": "function_call", "id": "call_1", "call_id": "c", "name": "f", "arguments": "{}"}, {"type": "function_call_output", "call_id": "c", "output": ""}]
    refuse({"input": pair}, "Expected an ID that begins with 'fc'")
    refuse({"input": pair[1:]}, "No tool call found for function call output with call_id c.")
    refuse({"input": [pair[0] | {"id": "fc_1"}]}, "No tool output found for function call c.")
    refuse({"input": [{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}]}, "Supported values are: 'output_text' and 'refusal'")
    open_tool = {"type": "function", "name": "f", "strict": True, "parameters": {"type": "object", "properties": {}}}
    refuse({"tools": [open_tool]}, "'additionalProperties' is required to be supplied and to be false")
    refuse({"tools": [RESPONSES_TOOL | {"name": "a.b"}]}, "string does not match pattern")
    invalid = responses(simulator, {"input": "x"}, "/openai", headers={"authorization": "Bearer invalid"})
    refused(invalid, 401, "invalid_api_key")
    said = responses(simulator, {"input": "[[sim finish=refusal]]"}, "/openai").json()
    check_equal(said["output"][-1]["content"][0]["type"], "refusal", "a refusal in words")
    raw = responses(simulator, {"input": "[[sim error_after=2 error=429 code=insufficient_quota think_tokens=0]]", "stream": True}, "/openai").body
    events = [(n, json.loads(d)) for n, d in sse_events(raw)]
    check_equal([n for n, _ in events][-2:], ["error", "response.failed"], "the last events")
    check_equal((events[-2][1]["error"]["code"], events[-1][1]["response"]["status"]), ("insufficient_quota", "failed"), "the error")
    check_equal(call(simulator.port, "GET", "/openai/v1/models", headers=DEEPSEEK).json()["data"][0]["owned_by"], "openai", "the list of models")


def openai_speaks_chat(bench):
    """OpenAI's chat: reasoning unseen but billed, usage in a chunk of its own when asked for, what it refuses."""
    simulator = bench.simulator()

    def chat(body, **headers):
        return ask(simulator, "/openai/v1/chat/completions", {"model": "gpt-5.4", "messages": [user("run `echo hi` in parallel")]} | body, DEEPSEEK | headers)
    raw = chat({"tools": [SHELL_TOOL], "stream": True, "stream_options": {"include_usage": True}}).body
    stream = ChatStream(raw)
    check_equal((stream.finish, len(stream.calls), stream.done, stream.reasoning), ("tool_calls", 2, True, ""), "the first step")
    check(stream.usage["completion_tokens_details"]["reasoning_tokens"] > 0 and b'"choices":[],"usage":{' in raw and b"obfuscation" in raw, raw[-500:])
    check(ChatStream(chat({"stream": True}).body).usage is None, "usage unasked")
    history = [user("run `echo hi` in parallel"), stream.message()] + [{"role": "tool", "tool_call_id": c["id"], "content": "hi"} for c in stream.calls]
    check("hi" in chat({"messages": history, "tools": [SHELL_TOOL]}).json()["choices"][0]["message"]["content"], "the last step")
    refused(chat({"messages": history[:-1], "tools": [SHELL_TOOL]}), 400, "The following tool_call_ids did not have response messages: " + stream.calls[1]["id"])
    check_equal(chat({"messages": [{"role": "developer", "content": "be brief"}, user("x")]}).status, 200, "a developer message")
    refused(chat({"max_tokens": 100}), 400, "Use 'max_completion_tokens' instead.")
    refused(chat({"thinking": {"type": "enabled"}}), 400, "Unrecognized request argument supplied: thinking")
    refused(chat({"temperature": 0.5}), 400, "unsupported_value")
    refused(chat({"tools": [SHELL_TOOL], "reasoning_effort": "low"}), 400, "Please use /v1/responses instead.")
    refused(chat({"tools": []}), 400, "empty_array")
    refused(chat({"model": "claude-opus-5-5"}), 404, "model_not_found")
    refused(chat({}, authorization="Bearer invalid"), 401, "invalid_api_key")


def a_local_server_speaks_chat(bench):
    """A local server: no key, free names, empty ids in later deltas, usage when asked for, reasoning under several names, its own errors."""
    simulator = bench.simulator("--require-key", "nobody-has-this-one")

    def chat(body):
        return ask(simulator, "/local/v1/chat/completions", {"model": "qwen3-coder", "messages": [user("run `echo hi` in parallel")]} | body, {})
    raw = chat({"tools": [SHELL_TOOL], "stream": True, "stream_options": {"include_usage": True}, "frobnicate": 1, "max_completion_tokens": 1}).body
    chunks = [json.loads(data) for _, data in sse_events(raw) if data != "[DONE]"]
    check_equal(chunks[0]["choices"][0]["delta"], {"role": "assistant", "content": ""}, "the first chunk")
    check_equal((chunks[-1]["choices"], set(chunks[-1]["usage"])), ([], {"prompt_tokens", "completion_tokens", "total_tokens"}), "the last chunk")
    parts = [p for c in chunks[:-1] for p in c["choices"][0]["delta"].get("tool_calls", [])]
    check_equal(({p["index"] for p in parts}, [p["id"] != "" for p in parts].count(True)), ({0, 1}, 2), "indexes and ids of calls")
    stream = ChatStream(raw)
    check_equal((stream.finish, json.loads(stream.calls[0]["arguments"])), ("tool_calls", {"command": "echo hi"}), "the call")
    check(b'"usage"' not in chat({"stream": True}).body, "usage unasked")
    nameless = chat({"messages": [user("run `ls` [[sim empty_ids]]")], "tools": [SHELL_TOOL]}).json()["choices"][0]["message"]
    check_equal(nameless["tool_calls"][0]["id"], "", "empty_ids")
    for key in ("reasoning_content", "reasoning", "thinking", "reasoning_details"):
        told = chat({"messages": [user(f"x [[sim reasoning_key={key}]]")], "stream": True}).body
        deltas = [json.loads(d)["choices"][0]["delta"] for _, d in sse_events(told) if d != "[DONE]"]
        check(any(key in d for d in deltas), f"no delta has {key}")
    check(chat({"messages": [user("x [[sim reasoning_key=tags]]")]}).json()["choices"][0]["message"]["content"].startswith("<think>"), "tags")
    check("reasoning_content" not in chat({}).json()["choices"][0]["message"], "thinking unasked")
    entry = simulator.billing()[-1]
    check_equal((entry["provider"], entry["dialect"], entry["usage"]["input_cache_read"]), ("local", "openai-chat", 0), "billing line")
    refusal = chat({"messages": [{"role": "developer", "content": "x"}]})
    check_equal(refusal.json()["error"], {"message": "Unexpected message role.", "type": "BadRequestError", "param": None, "code": 400}, "an error")
    plain = chat({"messages": [{"role": "developer", "content": "[[sim error_shape=detail]]"}]})
    check_equal((plain.status, plain.json()), (400, {"detail": "Unexpected message role."}), "an error in other words")
    check_equal(chat({"messages": [user("[[sim status=503 error_shape=detail]]")]}).json(), {"detail": "The server is loading the model"}, "a failure in other words")
    check_equal(call(simulator.port, "GET", "/local/v1/models").json()["data"][0]["id"], "qwen3-coder", "the list of models")


def a_local_server_speaks_messages(bench):
    """A local server's Messages: no key, free names, thinking only on demand and unsigned, Anthropic's errors."""
    simulator = bench.simulator()
    local = {"prefix": "/local-anthropic", "model": "qwen3-coder", "headers": {}}
    body = {"messages": [user("run `echo hi`")], "tools": [CLAUDE_TOOL], "stream": True}
    blocks, usage, start = read_messages_stream(messages(simulator, body, **local).body)
    check_equal(([b["type"] for b in blocks], start["model"], set(usage)), (["text", "tool_use"], "qwen3-coder", {"input_tokens", "output_tokens"}), "blocks, model, usage")
    blocks, _, _ = read_messages_stream(messages(simulator, body | {"thinking": {"type": "enabled", "budget_tokens": 9}}, **local).body)
    check("signature" not in blocks[0] and blocks[0]["thinking"], blocks[0])
    blocks[-1]["input"] = json.loads(blocks[-1]["input"])
    result = user([{"type": "tool_result", "tool_use_id": blocks[-1]["id"], "content": "hi"}])
    tagged = [blocks[0] | {"signature": "dHBrMTphCmIK"}] + blocks[1:]
    for history in (blocks, tagged, blocks[1:]):
        answer = messages(simulator, {"messages": [user("run `echo hi`"), {"role": "assistant", "content": history}, result], "tools": [CLAUDE_TOOL]}, **local)
        check("hi" in answer.json()["content"][-1]["text"], answer.text[:300])
    answer = messages(simulator, {"messages": []}, **local)
    check_equal((answer.status, answer.json()["type"], answer.json()["error"]["type"]), (400, "error", "invalid_request_error"), "an error")
    check_equal(ask(simulator, "/local-anthropic/v1/messages/count_tokens", body, {}).status, 404, "count_tokens")


def claude_loop(simulator, model="claude-opus-5-5", **extra):
    """One step with a call: (messages so far, the assistant's content)."""
    messages = [user("please run `echo hi`")]
    answer = claude(simulator, {"messages": messages, "tools": [CLAUDE_TOOL]} | extra, model)
    check_equal(answer.status, 200, answer.text[:300])
    content = answer.json()["content"]
    messages.append({"role": "assistant", "content": content})
    calls = [b for b in content if b["type"] == "tool_use"]
    messages.append(user([{"type": "tool_result", "tool_use_id": c["id"], "content": "hi"} for c in calls]))
    return messages, content


def claude_signs_its_thinking_and_checks_it_on_return(bench):
    """Claude: signatures are accepted unchanged, refused when altered, foreign or out of place."""
    simulator = bench.simulator()
    messages, content = claude_loop(simulator)
    tools = {"tools": [CLAUDE_TOOL]}
    check_equal([b["type"] for b in content], ["thinking", "text", "tool_use"], "blocks")
    check_equal(claude(simulator, tools | {"messages": messages}).status, 200, "the unchanged history")
    altered = copy.deepcopy(messages)
    altered[1]["content"][0]["thinking"] += "x"
    refused(claude(simulator, tools | {"messages": altered}), 400, "cannot be modified")
    forged = copy.deepcopy(messages)
    for foreign in ("RXhhbXBsZQ==", "dHBrMTpkZWVwc2VlawpkZWVwc2Vlay12NAo=", "91cfbb94-554b-4136-8e21-fa02280d56ed"):
        forged[1]["content"][0]["signature"] = foreign
        refused(claude(simulator, tools | {"messages": forged}), 400, "Invalid `signature` in `thinking` block")
    moved = copy.deepcopy(messages)
    moved[0] = user("please run `echo ho`")
    refused(claude(simulator, tools | {"messages": moved}), 400, "bound to a different conversation")
    refused(claude(simulator, tools | {"messages": messages, "system": "new"}), 400, "bound to a different conversation")
    dropping = tools | {"messages": moved, "thinking": {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}}}
    check_equal(claude(simulator, dropping, **{"anthropic-beta": "thinking-binding-controls-2026-08-01"}).status, 200, "drop_block with its beta")
    stripped = copy.deepcopy(messages)
    del stripped[1]["content"][0]
    check_equal(claude(simulator, tools | {"messages": stripped}).status, 200, "all thinking stripped")
    marked = copy.deepcopy(messages)
    marked[0]["content"] = [{"type": "text", "text": marked[0]["content"], "cache_control": {"type": "ephemeral"}}]
    check_equal(claude(simulator, tools | {"messages": marked}).status, 200, "a cache mark changes no prefix")


def claude_budget_thinking_must_lead_a_loop(bench):
    """Claude 4.5 with a budget: the loop's last turn begins with its thinking."""
    simulator = bench.simulator()
    thinking = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    messages, _ = claude_loop(simulator, "claude-sonnet-4-5", **thinking)
    body = {"messages": messages, "tools": [CLAUDE_TOOL]} | thinking
    check_equal(claude(simulator, body, "claude-sonnet-4-5").status, 200, "with its thinking")
    del messages[1]["content"][0]
    refused(claude(simulator, body, "claude-sonnet-4-5"), 400, "Expected `thinking` or `redacted_thinking`")
    refused(claude(simulator, {"messages": [user("x")], "max_tokens": 1000} | thinking, "claude-sonnet-4-5"), 400, "must be greater than `thinking.budget_tokens`")


def claude_refuses_what_the_service_refuses(bench):
    """Claude: limits, empty texts, pairing, sampling, forced tools, prefill, cache marks, ids."""
    simulator = bench.simulator()
    hello = {"messages": [user("x")]}
    refused(ask(simulator, "/v1/messages", {"model": "claude-opus-5-5"} | hello, CLAUDE), 400, "max_tokens: Field required")
    refused(ask(simulator, "/v1/messages", hello, {"x-api-key": "k"}), 400, "anthropic-version: header is required")
    refused(claude(simulator, {"messages": [user([{"type": "text", "text": ""}])]}), 400, "text content blocks must be non-empty")
    refused(claude(simulator, hello | {"temperature": 0.2}), 400, "`temperature` is deprecated")
    refused(claude(simulator, hello | {"thinking": {"type": "disabled"}}), 400, "not supported for this model")
    refused(claude(simulator, hello | {"thinking": {"type": "enabled", "budget_tokens": 2000}}), 400, "thinking.type.enabled")
    refused(claude(simulator, hello | {"tools": [CLAUDE_TOOL], "tool_choice": {"type": "any"}}), 400, "not supported for this model")
    refused(claude(simulator, {"messages": [user("x"), {"role": "assistant", "content": "Sure"}]}), 400, "prefill")
    refused(claude(simulator, hello | {"frobnicate": 1}), 400, "frobnicate: Extra inputs are not permitted")
    marked = [{"type": "text", "text": "t", "cache_control": {"type": "ephemeral"}}] * 5
    refused(claude(simulator, {"messages": [user(marked)]}), 400, "Found 5")
    call_block = {"type": "tool_use", "id": "a", "name": "bash", "input": {}}
    unanswered = [user("x"), {"role": "assistant", "content": [call_block]}, user("y")]
    refused(claude(simulator, {"messages": unanswered, "tools": [CLAUDE_TOOL]}), 400, "without `tool_result` blocks immediately after: a")
    orphan = [user([{"type": "tool_result", "tool_use_id": "a", "content": "b"}])]
    refused(claude(simulator, {"messages": orphan}), 400, "unexpected `tool_use_id`")
    strange = [user("x"), {"role": "assistant", "content": [call_block | {"id": "a.b"}]}, user([{"type": "tool_result", "tool_use_id": "a.b", "content": ""}])]
    refused(claude(simulator, {"messages": strange}), 400, "^[a-zA-Z0-9_-]+$")
    raw = b'{"model":"claude-opus-5-5","max_tokens":9,"messages":[{"role":"user","content":"\\ud83d"}]}'
    refused(ask(simulator, "/v1/messages", raw, CLAUDE), 400, "no low surrogate")
    refused(claude(simulator, {"messages": [user("word " * 200_000)]}, "claude-haiku-4-5"), 400, "prompt is too long: ")
    refused(claude(simulator, hello | {"output_config": {"effort": "xhigh"}}, "claude-opus-4-6"), 400,
            "This model does not support effort level 'xhigh'. Supported levels: high, low, max, medium.")


def claude_wants_betas_and_their_members_together(bench):
    """Claude: a member without its beta is an extra input, unknown betas are nobody's concern, both versions hold."""
    simulator = bench.simulator()
    hello = {"messages": [user("x")]}
    edits = {"context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}}
    refused(claude(simulator, hello | edits), 400, "context_management: Extra inputs are not permitted")
    refused(claude(simulator, hello | edits, **{"anthropic-beta": "interleaved-thinking-2025-05-14"}), 400, "Extra inputs")
    check_equal(claude(simulator, hello | edits, **{"anthropic-beta": "claude-code-20250219,context-management-2025-06-27"}).status, 200, "with its beta")
    check_equal(claude(simulator, hello, **{"anthropic-beta": "never-heard-of-2026-01-01"}).status, 200, "an unknown beta")
    binding = {"thinking": {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}}}
    refused(claude(simulator, hello | binding), 400, "thinking.adaptive.block_binding: Extra inputs are not permitted")
    deferred = {"tools": [CLAUDE_TOOL | {"defer_loading": True}]}
    refused(claude(simulator, hello | deferred), 400, "tools.0.custom.defer_loading: Extra inputs are not permitted")
    check_equal(claude(simulator, hello | deferred, **{"anthropic-beta": "advanced-tool-use-2025-11-20"}).status, 200, "with its beta")
    refused(claude(simulator, hello | {"mcp_servers": []}), 400, "mcp_servers: Extra inputs are not permitted")
    newer = {"anthropic-version": "2026-10-21"}
    check_equal(claude(simulator, hello, **newer).status, 200, "the newer version")
    refused(claude(simulator, hello | {"temperature": 1}, "claude-sonnet-4-5", **newer), 400, "`temperature` is deprecated")
    check_equal(claude(simulator, hello | {"temperature": 1}, "claude-sonnet-4-5").status, 200, "sampling under the older one")
    refused(claude(simulator, hello, **{"anthropic-version": "2027-01-01"}), 400, "is not a valid version")
    count = ask(simulator, "/v1/messages/count_tokens", {"model": "claude-opus-5-5"} | hello, CLAUDE)
    check(count.status == 200 and count.json()["input_tokens"] > 0, count.text)
    refused(ask(simulator, "/v1/messages/count_tokens", {"model": "claude-opus-5-5"} | hello | edits, CLAUDE), 400, "Extra inputs")


def claude_streams_in_the_recorded_form(bench):
    """Claude: named events, contiguous block indexes, one block open at a time, usage at both ends."""
    simulator = bench.simulator()
    body = {"messages": [user("run two commands in parallel")], "tools": [CLAUDE_TOOL], "stream": True}
    events = sse_events(claude(simulator, body).body)
    open_block, started, calls = None, 0, 0
    for name, data in events:
        event = json.loads(data)
        check_equal(event["type"], name, "event name")
        if name == "content_block_start":
            check(open_block is None and event["index"] == started, f"block {event['index']} opens out of turn")
            open_block, started = event["content_block"]["type"], started + 1
            calls += open_block == "tool_use"
        elif name == "content_block_delta":
            wanted = {"thinking": ("thinking_delta", "signature_delta"), "text": ("text_delta",), "tool_use": ("input_json_delta",)}
            check(event["delta"]["type"] in wanted[open_block], f"{event['delta']['type']} in a {open_block} block")
        elif name == "content_block_stop":
            open_block = None
    check_equal([n for n, _ in events][0], "message_start", "the first event")
    check_equal([n for n, _ in events][-2:], ["message_delta", "message_stop"], "the last events")
    check_equal(calls, 2, "parallel calls")
    entry = simulator.billing()[-1]
    last = json.loads(events[-2][1])["usage"]
    check_equal(last["output_tokens"], entry["usage"]["output_text"] + entry["usage"]["output_reasoning"], "usage told and billed")


def claude_caches_at_breakpoints(bench):
    """Claude: the first request writes the marked prefix, the next one reads it; the three counts are disjoint."""
    simulator = bench.simulator()
    system = [{"type": "text", "text": unique() + " rule" * 2000, "cache_control": {"type": "ephemeral"}}]
    first = claude(simulator, {"system": system, "messages": [user("one")]}).json()["usage"]
    second = claude(simulator, {"system": system, "messages": [user("two")]}).json()["usage"]
    check(first["cache_creation_input_tokens"] > 2000 and first["cache_read_input_tokens"] == 0, first)
    check_equal((second["cache_read_input_tokens"], second["cache_creation_input_tokens"]), (first["cache_creation_input_tokens"], 0), "second request")
    hour = [system[0] | {"text": system[0]["text"] + "!", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    third = claude(simulator, {"system": hour, "messages": [user("three")]}).json()["usage"]
    check(third["cache_creation"]["ephemeral_1h_input_tokens"] > 2000, third)


def deepseek_and_gemini_cache_by_themselves(bench):
    """DeepSeek and Gemini: a repeated prefix is read from the cache in whole blocks."""
    simulator = bench.simulator()
    text = unique() + " line" * 3000
    for turn in range(2):
        usage = deepseek(simulator, {"messages": [user(text), {"role": "assistant", "content": "a"}, user(str(turn))]}).json()["usage"]
    check(usage["prompt_cache_hit_tokens"] % 64 == 0 and usage["prompt_cache_hit_tokens"] > 3000, usage)
    for turn in range(2):
        usage = gemini(simulator, {"contents": [{"role": "user", "parts": [{"text": text}]}, {"role": "model", "parts": [{"text": "a"}]},
                                                {"role": "user", "parts": [{"text": str(turn)}]}]}).json()["usageMetadata"]
    check(usage["cachedContentTokenCount"] > 3000 and usage["promptTokenCount"] >= usage["cachedContentTokenCount"], usage)


def gemini_wants_its_signatures_back(bench):
    """Gemini 3: calls of the running turn need their own signature; the documented stand-ins pass."""
    simulator = bench.simulator()
    contents = [{"role": "user", "parts": [{"text": "run two commands in parallel"}]}]
    parts = gemini(simulator, {"contents": contents, "tools": GEMINI_TOOLS}).json()["candidates"][0]["content"]["parts"]
    calls = [p for p in parts if "functionCall" in p]
    check_equal([("thoughtSignature" in p) for p in calls], [True, False], "only the first call is signed")
    results = [{"functionResponse": {"id": p["functionCall"]["id"], "name": "bash", "response": {"output": "hi"}}} for p in calls]

    def follow(model_parts, response_parts=results):
        return gemini(simulator, {"tools": GEMINI_TOOLS, "contents": contents + [{"role": "model", "parts": model_parts}, {"role": "user", "parts": response_parts}]})
    check_equal(follow(parts).status, 200, "the unchanged history")
    bare = copy.deepcopy(parts)
    for part in bare:
        part.pop("thoughtSignature", None)
    refused(follow(bare), 400, "Function call is missing a thought_signature in functionCall parts")
    for stand_in in ("skip_thought_signature_validator", "Y29udGV4dF9lbmdpbmVlcmluZ19pc190aGVfd2F5X3RvX2dv"):
        patched = copy.deepcopy(bare)
        next(p for p in patched if "functionCall" in p)["thoughtSignature"] = stand_in
        check_equal(follow(patched).status, 200, stand_in)
    broken = copy.deepcopy(parts)
    for foreign in ("AAAA", "dHBrMTpkZWVwc2VlawpkZWVwc2Vlay12NApjYWxsXzE="):
        next(p for p in broken if "functionCall" in p)["thoughtSignature"] = foreign
        refused(follow(broken), 400, "Corrupted thought signature")
    spoken = [{"text": "hi", "thoughtSignature": "dHBrMTphCmIK"}]
    refused(gemini(simulator, {"contents": contents + [{"role": "model", "parts": spoken}, contents[0]]}), 400, "Corrupted thought signature")
    count = ask(simulator, "/v1beta/models/gemini-3.1-pro-preview:countTokens", {"contents": contents}, GEMINI)
    check(count.status == 200 and count.json()["totalTokens"] > 0, count.text)
    url_safe = copy.deepcopy(parts)
    signed = next(p for p in url_safe if "functionCall" in p)
    signed["thoughtSignature"] = signed["thoughtSignature"].replace("+", "-").replace("/", "_")
    check_equal(follow(url_safe).status, 200, "the URL-safe alphabet")
    refused(follow(parts, results[:1]), 400, "number of function response parts is equal")
    wrong = copy.deepcopy(results)
    wrong[0]["functionResponse"]["response"] = "hi"
    refused(follow(parts, wrong), 400, "function_response.response")


def gemini_refuses_what_the_service_refuses(bench):
    """Gemini: unknown schema keywords, bad keys, thinking by generation, unknown models."""
    simulator = bench.simulator("--strict-schema")
    hello = {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}
    number = {"type": "object", "properties": {"n": {"type": "integer", "exclusiveMinimum": 0}}}
    old = {"tools": [{"functionDeclarations": [{"name": "f", "parameters": number}]}]}
    refused(gemini(simulator, hello | old), 400, "Unknown name \\\"exclusiveMinimum\\\" at 'tools[0].function_declarations[0].parameters.properties[0].value': Cannot find field.")
    new = {"tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": number}]}]}
    refused(gemini(simulator, hello | new), 400, "exclusiveMinimum")
    invalid = ask(simulator, "/v1beta/models/gemini-3.8-flash:generateContent", hello, {"x-goog-api-key": "invalid"})
    refused(invalid, 400, "API_KEY_INVALID")
    level = {"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}}
    refused(gemini(simulator, hello | level, "gemini-2.5-pro"), 400, "Thinking level is not supported")
    budget = {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}
    refused(gemini(simulator, hello | budget, "gemini-2.5-pro"), 400, "Budget 0 is invalid")
    check_equal(gemini(simulator, hello | level).status, 200, "a level on generation 3")
    refused(gemini(simulator, hello, "gemmini-3"), 404, "is not found for API version v1beta")
    refused(gemini(simulator, {"contents": []}), 400, "contents is not specified")
    refused(gemini(simulator, {"contents": [{"role": "model", "parts": [{"text": "x"}]}]}), 400, "user turn")
    refused(gemini(simulator, hello | {"frobnicate": 1}), 400, "Unknown name \\\"frobnicate\\\"")


def gemini_streams_with_crlf(bench):
    """Gemini: CRLF events, thoughts when asked for, the finish in an event of its own, usage in each."""
    simulator = bench.simulator()
    body = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}], "generationConfig": {"thinkingConfig": {"includeThoughts": True}}}
    raw = gemini(simulator, body, stream=True).body
    check(raw.endswith(b"\r\n\r\n") and b"\n\n" not in raw.replace(b"\r\n", b"\r"), "line ends")
    chunks = [json.loads(data) for _, data in sse_events(raw)]
    check(any(p.get("thought") for c in chunks for p in c["candidates"][0]["content"]["parts"]), "no thoughts")
    check_equal([c["candidates"][0].get("finishReason") for c in chunks][-2:], [None, "STOP"], "finish reasons")
    check("thoughtSignature" in chunks[-1]["candidates"][0]["content"]["parts"][0], "the answer is not signed")
    usage = chunks[-1]["usageMetadata"]
    check_equal(usage["totalTokenCount"], usage["promptTokenCount"] + usage["thoughtsTokenCount"] + usage["candidatesTokenCount"], "total")


def directives_set_length_and_cadence(bench):
    """tokens, bytes, cadence_ms, think_ms: as many pieces, as long, as asked."""
    simulator = bench.simulator()
    started = time.monotonic()
    stream = ChatStream(deepseek(simulator, {"messages": [user("[[sim tokens=20 bytes=10 cadence_ms=10 think_ms=50 think_tokens=0]]")], "stream": True}).body)
    took = time.monotonic() - started
    check_equal((len(stream.text.encode()), stream.usage["completion_tokens"]), (200, 50), "bytes and tokens")
    check(0.24 < took < 2, f"20 pieces at 10 ms after 50 ms took {took:.3f} s")
    check(20 <= simulator.billing()[-1]["events"] <= 24, "pieces are cut at characters, so a few more than 20 at most")


def faults_break_answers_in_every_way(bench):
    """status, error_first, cut, stall, garbage, html, empty, no_usage, usage: each as named, each billed as a provider would."""
    simulator = bench.simulator()

    def stream(directive):
        return raw_stream(simulator, "/chat/completions",
                          {"model": "deepseek-flash", "stream": True, "messages": [user(f"[[sim tokens=10 think_tokens=0 {directive}]]")]})
    received, how = stream("status=529 retry_after=7")
    check(received.startswith(b"HTTP/1.1 529 ") and b"Retry-After: 7" in received, received[:200])
    check_equal(stream("cut_after=3")[1], "reset", "cut")
    check_equal(stream("cut_after=3 cut=fin")[1], "closed", "cut=fin")
    received, how = stream("cut_after=3 cut=truncate")
    check(how == "closed" and b"fff\r\n" in received, "cut=truncate")
    received, how = stream("cut_after=3 cut=tidy")
    check(how == "ended" and b"[DONE]" not in received, "cut=tidy")
    received, how = stream("stall_after=3")
    check(how == "silent" and received.count(b'"content":"') > 0 and b"[DONE]" not in received, "stall_after")
    received, how = stream("garbage=2")
    check(b'"ha\n' in received and b"[DONE]" in received, "garbage")
    received, how = stream("error_first")
    check(received.startswith(b"HTTP/1.1 200") and b'"error"' in received and b"chunk" not in received.split(b"\r\n\r\n")[1].replace(b"chunked", b""), "error_first")
    received, how = stream("error_after=4")
    check(b'"error"' in received and b"[DONE]" not in received and how == "ended", "error_after")
    check(b"text/html" in stream("html")[0], "html")
    check_equal(stream("refuse")[1], "reset", "refuse")
    received, _ = stream("no_usage")
    check(b"[DONE]" in received and b"prompt_tokens" not in received, "no_usage")
    check(b'"completion_tokens":-1' in stream("usage=-1")[0], "usage=-1")
    wait_until(lambda: simulator.stats()["open"] == 0, 5, "the stalled stream to be given up")
    billed = {e.get("fault"): e for e in simulator.billing()}
    check_equal(sum(billed["status=529"]["billed"].values()), 0, "a refusal is free")
    check_equal(billed["cut=rst"]["billed"]["output_text"], 3, "output billed of a cut stream")


def faults_break_every_dialect(bench):
    """Messages, Responses and the chats of others break as DeepSeek's chat does: cut, stall, error, garbage, no terminator, no usage."""
    simulator = bench.simulator()
    endpoints = {
        "/anthropic/v1/messages": ("deepseek-flash", b"text_delta", b"message_stop"),
        "/v1/messages": ("claude-opus-5-5", b"text_delta", b"message_stop"),
        "/local-anthropic/v1/messages": ("qwen3-coder", b"text_delta", b"message_stop"),
        "/responses": ("deepseek-flash", b"output_text.delta", b"response.completed"),
        "/openai/v1/responses": ("gpt-5.4", b"output_text.delta", b"response.completed"),
        "/openai/v1/chat/completions": ("gpt-5.4", b'"content":"', b"[DONE]"),
        "/local/v1/chat/completions": ("qwen3-coder", b'"content":"', b"[DONE]"),
    }
    for path, (model, piece, end) in endpoints.items():
        def stream(directive, path=path, model=model):
            turn = [user(f"[[sim tokens=10 think_tokens=0 {directive}]]")]
            body = {"model": model, "stream": True} | ({"input": turn} if path.endswith("responses") else {"messages": turn})
            return raw_stream(simulator, path, body | ({"max_tokens": 4000} if path.endswith("messages") else {}))
        received, how = stream("")
        check(how == "ended" and end in received and received.startswith(b"HTTP/1.1 200"), f"{path}: {received[:300]}")
        check(stream("status=529 retry_after=7")[0].startswith(b"HTTP/1.1 529 "), f"{path}: status")
        check_equal(stream("cut_after=3")[1], "reset", f"{path}: cut_after")
        received, how = stream("cut_after=3 cut=tidy")
        check(how == "ended" and end not in received and piece in received, f"{path}: cut=tidy")
        received, how = stream("stall_after=3")
        check(how == "silent" and piece in received and end not in received, f"{path}: stall_after")
        received, how = stream("error_after=3 error=503")
        check(how == "ended" and b'"error"' in received and end not in received, f"{path}: error_after {received[-400:]}")
        received, how = stream("error_first")
        check(received.startswith(b"HTTP/1.1 200") and b'"error"' in received and piece not in received, f"{path}: error_first")
        received, how = stream("garbage=2")
        broken = [line for line in received.splitlines() if line.startswith(b"data: {") and not is_json(line[6:])]
        check(len(broken) == 1 and end in received, f"{path}: garbage {broken}")
        received, how = stream("no_terminator")
        check(how == "ended" and end not in received and piece in received, f"{path}: no_terminator")
        received, how = stream("no_usage")
        check(end in received and b"output_tokens" not in received.replace(b'"max_output_tokens"', b"").split(piece)[-1], f"{path}: no_usage {received[-600:]}")
        check_equal(stream("drip=900")[1], "ended", f"{path}: drip")
    wait_until(lambda: simulator.stats()["open"] == 0, 5, "the stalled streams to be given up")


def is_json(text):
    try:
        return json.loads(text) is not None
    except ValueError:
        return False


def requests_are_kept_without_their_credentials(bench):
    """/_sim/requests: method, path, dialect and headers of each request, also of those that no endpoint takes; no key."""
    simulator = bench.simulator()
    secret = "sk-very-secret"
    for headers in ({"authorization": f"Bearer {secret}"}, {"x-api-key": secret}, {"x-goog-api-key": secret}, {"api-key": secret}):
        messages(simulator, {"messages": [user("x")]}, headers=headers | {"x-claude-code-session-id": "s1", "anthropic-beta": "a,b"})
    gemini_path = f"/v1beta/models/gemini-3.8-flash:generateContent?key={secret}&alt=json"
    ask(simulator, gemini_path, {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}, {})
    call(simulator.port, "GET", "/openai/v1/models", headers={"authorization": f"Bearer {secret}"})
    call(simulator.port, "POST", "/v1/embeddings", {})
    kept = simulator.requests()
    check_equal([(r["method"], r["path"], r["provider"], r["dialect"]) for r in kept[3:]], [
        ("POST", "/anthropic/v1/messages", "deepseek", "anthropic-messages"),
        ("POST", "/v1beta/models/gemini-3.8-flash:generateContent", "gemini", "gemini-generate"),
        ("GET", "/openai/v1/models", None, None), ("POST", "/v1/embeddings", None, None)], "requests")
    check_equal((kept[0]["headers"]["anthropic-beta"], kept[0]["headers"]["x-claude-code-session-id"]), ("a,b", "s1"), "headers")
    check_equal(kept[4]["query"], "key=(withheld)&alt=json", "query")
    check(secret not in json.dumps(kept), "a key is told")
    billed = simulator.billing()
    check_equal([e["seq"] for e in billed], [r["seq"] for r in kept[:5]], "sequence numbers of requests and billing lines")


def faults_strike_a_set_number_of_times(bench):
    """times=N: a conversation's first N requests fail, the next succeeds; only= leaves other providers alone."""
    simulator = bench.simulator()
    text = f"{unique()} [[sim status=503 times=2]]"
    statuses = [deepseek(simulator, {"messages": [user(text)]}).status for _ in range(3)]
    check_equal(statuses, [503, 503, 200], "statuses")
    only = f"{unique()} [[sim status=503 only=deepseek]]"
    check_equal(deepseek(simulator, {"messages": [user(only)]}).status, 503, "the named provider")
    check_equal(claude(simulator, {"messages": [user(only)]}).status, 200, "another provider")
    simulator.faults("status=500", "gemini")
    hello = {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}
    check_equal(gemini(simulator, hello).status, 500, "a standing fault")
    simulator.faults("")
    check_equal(gemini(simulator, hello).status, 200, "the fault lifted")


def an_aborted_stream_is_noticed_and_billed_in_part(bench):
    """A client that leaves: the entry says aborted and bills what it was given; non-streaming bills in full."""
    simulator = bench.simulator()
    body = json.dumps({"model": "deepseek-flash", "stream": True, "messages": [user("[[sim tokens=200 cadence_ms=20 think_tokens=0 tag=leaver]]")]}).encode()
    connection = socket.create_connection(("127.0.0.1", simulator.port))
    connection.sendall(b"POST /chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    time.sleep(0.3)
    left = time.monotonic()
    connection.close()
    entry = wait_until(lambda: next((e for e in simulator.billing() if e.get("tag") == "leaver"), None), 1, "the entry")
    check(time.monotonic() - left < 0.5, "it took too long to notice")
    check_equal(entry["outcome"], "aborted", "outcome")
    check(0 < entry["billed"]["output_text"] < 100 and entry["usage"]["output_text"] == 200, entry)


def arguments_fit_their_schema(bench):
    """Tool arguments and structured output satisfy the schema they were asked for."""
    simulator = bench.simulator()
    schema = {"type": "object", "additionalProperties": False, "required": ["kind", "count", "tags", "place", "note"],
              "properties": {"kind": {"enum": ["b", "a"]}, "count": {"type": "integer", "minimum": 4}, "place": {"$ref": "#/$defs/place"},
                             "tags": {"type": "array", "items": {"type": "string", "minLength": 30}, "minItems": 2}, "note": {"anyOf": [{"type": "null"}, {"type": "string"}]}},
              "$defs": {"place": {"type": "object", "additionalProperties": False, "required": ["lat"], "properties": {"lat": {"type": "number", "maximum": -3}}}}}
    body = {"messages": [user("x")], "output_config": {"format": {"type": "json_schema", "schema": schema}}}
    value = json.loads(claude(simulator, body).json()["content"][-1]["text"])
    check(value["kind"] == "b" and value["count"] >= 4 and value["place"]["lat"] <= -3, value)
    check(len(value["tags"]) >= 2 and all(len(t) >= 30 for t in value["tags"]) and isinstance(value["note"], str), value)
    check_equal(set(value), set(schema["properties"]), "its members")


def a_thousand_streams_run_at_once(bench):
    """1,000 paced streams at once: all complete, none early."""
    simulator = bench.simulator()
    count = bench.scaled(1000)
    figures = bench.load(simulator.url, "k", "--path", "/chat/completions", "--models", "deepseek-flash", "--concurrency", count,
                         "--requests", count, "--directive", "tokens=40 cadence_ms=50", "--stream-share", "1", "--loop-share", "0")
    check_equal((figures["completed"], figures["broken"]), (count, 0), figures)
    check_equal(simulator.stats()["open_peak"], count, "streams at once")


def sigterm_ends_it_cleanly(bench):
    """SIGTERM: exit code 0, also with streams open; nothing said on the way out."""
    simulator = bench.simulator()
    bodies = [json.dumps({"model": "deepseek-flash", "stream": True, "messages": [user("[[sim stall_after=2]]")]}).encode() for _ in range(5)]
    connections = []
    for body in bodies:
        connection = socket.create_connection(("127.0.0.1", simulator.port))
        connection.sendall(b"POST /chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        connections.append(connection)
    wait_until(lambda: simulator.stats()["open"] == 5, 5, "five open streams")
    check_equal(simulator.stop(10), 0, f"exit code ({simulator.output()[-500:]})")
    check_equal(len(simulator.output().splitlines()), 1, "lines of output")
