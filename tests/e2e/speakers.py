"""The four dialects as their clients speak them: requests from one neutral conversation, and strict readers of answers.

A reader fails on whatever an SDK of the dialect would stumble over or merely tolerate: order of events, ids, indexes,
counters, terminators, comments. What it returns is a `Turn`, which the next request of the same speaker sends back whole,
opaque state included. A broken stream is a Turn with `error` set; a stream that just ends fails.
"""
from __future__ import annotations

import json
import re

from harness import call, check, check_equal

PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SHELL = {"name": "bash", "description": "Runs a shell command",
         "schema": {"type": "object", "additionalProperties": False, "required": ["command"],
                    "properties": {"command": {"type": "string", "description": "The command"}}}}
PLAN = {"type": "object", "additionalProperties": False, "required": ["title", "steps"],
        "properties": {"title": {"type": "string"}, "steps": {"type": "array", "items": {"type": "string"}}}}


class Human:
    """A human's words, perhaps with a picture."""

    def __init__(self, text, picture=None):
        self.text, self.picture = text, picture


class Result:
    """What a tool gave back."""

    def __init__(self, of, text, failed=False):
        self.of, self.text, self.failed = of, text, failed


class Turn:
    """One answer. `stop` is the dialect's own word, `replay` what the next request carries in its place."""

    def __init__(self):
        self.text, self.thinking, self.calls, self.stop, self.error = "", "", [], None, None
        self.usage, self.beats, self.replay, self.model, self.refusal = None, 0, None, None, ""

    def arguments(self):
        return [c["arguments"] for c in self.calls]


def whole_number(value, what):
    check(isinstance(value, int) and not isinstance(value, bool) and value >= 0, f"{what} is not a count: {value!r}")
    return value


def words(value, what):
    check(isinstance(value, str) and value, f"{what} is missing or empty: {value!r}")
    return value


def an_object(text, what):
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    check(isinstance(value, dict), f"{what} is no JSON object: {text!r}")
    return value


def one_value(seen, name, value):
    """`name` must be the same in every event."""
    check_equal(value, seen.setdefault(name, value), f"{name} changes within the stream")


def plain_events(body, named):
    """(name, data) of each event. Stricter than SSE asks: one data line, no comments, nothing unfinished at the end."""
    text = body.decode("utf-8")
    check(not text or text.endswith(("\n\n", "\r\n\r\n")), f"the stream ends within an event: {text[-120:]!r}")
    events = []
    for block in re.split(r"\r\n\r\n|\n\n", text):
        if not block.strip("\r\n"):
            continue
        lines = re.split(r"\r?\n", block.strip("\r\n"))
        name = None
        if named:
            check(lines[0].startswith("event: "), f"an event without a name: {block[:120]!r}")
            name = lines.pop(0)[len("event: "):]
        check(len(lines) == 1 and lines[0].startswith("data: "), f"not one data line: {block[:160]!r}")
        events.append((name, lines[0][len("data: "):]))
    return events


def to_json(data):
    try:
        return json.loads(data)
    except ValueError:
        check(False, f"an event is not JSON: {data[:160]!r}")


class Speaker:
    """What the four have in common. `ask` returns the raw answer, `turn` a checked Turn of a good one."""

    native_auth = "authorization"
    extra_headers = {}

    def headers(self, key, auth=None):
        auth = auth or self.native_auth
        return dict(self.extra_headers) | {auth: f"Bearer {key}" if auth == "authorization" else key}

    def ask(self, gateway, key, model, conversation, stream=True, auth=None, query="", headers=None, timeout=60, **wishes):
        path = self.path(model, stream)
        path += ("&" if "?" in path else "?") + query if query else ""
        return call(gateway.port, "POST", path, self.body(model, conversation, stream, **wishes),
                    self.headers(key, auth) | (headers or {}), timeout)

    def read(self, answer, stream):
        check_equal(answer.status, 200, f"{self.dialect}: status ({answer.text[:400]})")
        kind = answer.headers.get("content-type", "")
        if stream:
            check(kind.startswith("text/event-stream"), f"{self.dialect}: content type of a stream {kind!r}")
            return self.read_stream(answer.body)
        check(kind.startswith("application/json"), f"{self.dialect}: content type {kind!r}")
        return self.read_body(answer.json())

    def turn(self, gateway, key, model, conversation, stream=True, **wishes):
        turn = self.read(self.ask(gateway, key, model, conversation, stream, **wishes), stream)
        check(turn.error is None, f"{self.dialect}: the answer failed: {turn.error}")
        return turn

    def told(self, answer):
        """The error of a whole answer: {type, message, code}; fails unless it has the dialect's form."""
        check("application/json" in answer.headers.get("content-type", ""),
              f"{self.dialect}: content type of an error {answer.headers.get('content-type')!r}")
        return self.read_error(answer.json(), answer.status)


def openai_error(body, dialect):
    error = body.get("error")
    check(isinstance(error, dict), f"{dialect}: no error object in {body}")
    words(error.get("message"), f"{dialect}: error.message")
    words(error.get("type"), f"{dialect}: error.type")
    return {"type": error["type"], "message": error["message"], "code": error.get("code")}


# --- Chat Completions


def chat_usage(usage):
    asked, made = whole_number(usage.get("prompt_tokens"), "prompt_tokens"), whole_number(usage.get("completion_tokens"), "completion_tokens")
    check_equal(usage.get("total_tokens"), asked + made, "total_tokens")
    thought = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    check(thought <= made, f"more reasoning than output: {usage}")
    check(((usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0) <= asked, f"more cached than asked: {usage}")
    return {"input": asked, "output": made, "thought": thought}


class Chat(Speaker):
    dialect = "openai-chat"
    stops = {"natural": "stop", "tool": "tool_calls", "length": "length", "refusal": "content_filter"}

    def path(self, model, stream):
        return "/v1/chat/completions"

    def body(self, model, conversation, stream, tools=(), schema=None, think=False, limit=None):
        messages = [{"role": "system", "content": "You are a careful agent."}]
        for entry in conversation:
            if isinstance(entry, Human):
                picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + (entry.picture or "")}}
                messages.append({"role": "user", "content": [{"type": "text", "text": entry.text}, picture] if entry.picture else entry.text})
            elif isinstance(entry, Turn):
                messages.append(entry.replay)
            else:
                messages += [{"role": "tool", "tool_call_id": r.of["id"], "content": r.text} for r in entry]
        body = {"model": model, "messages": messages, "stream": stream}
        if stream:
            body["stream_options"] = {"include_usage": True}
        if tools:
            body["tools"] = [{"type": "function", "function": {"name": t["name"], "description": t["description"], "parameters": t["schema"]}} for t in tools]
        if schema:
            body["response_format"] = {"type": "json_schema", "json_schema": {"name": "plan", "strict": True, "schema": schema}}
        if think:
            body["reasoning_effort"] = "high"
        if limit:
            body["max_completion_tokens"] = limit
        return body

    def finish_turn(self, turn):
        message = {"role": "assistant", "content": turn.text or None}
        if turn.thinking:
            message["reasoning_content"] = turn.thinking
        if turn.calls:
            message["tool_calls"] = [{"id": c["id"], "type": "function", "function": {"name": c["name"], "arguments": c["raw"]}} for c in turn.calls]
        for made in turn.calls:
            made["arguments"] = an_object(made["raw"], f"the arguments of {made['name']}")
        turn.replay = message
        return turn

    def read_stream(self, data):
        turn, seen, done, begun = Turn(), {}, False, False
        for _, data_text in plain_events(data, named=False):
            check(not done, f"data after [DONE]: {data_text[:120]}")
            check(turn.error is None, f"data after the error: {data_text[:120]}")
            if data_text == "[DONE]":
                done = True
                continue
            chunk = to_json(data_text)
            if "error" in chunk:
                turn.error = openai_error(chunk, self.dialect)
                continue
            check_equal(chunk.get("object"), "chat.completion.chunk", "object")
            whole_number(chunk.get("created"), "created")
            one_value(seen, "id", words(chunk.get("id"), "id"))
            one_value(seen, "model", words(chunk.get("model"), "model"))
            check(isinstance(chunk.get("choices"), list) and len(chunk["choices"]) <= 1, f"choices: {chunk.get('choices')!r}")
            for choice in chunk["choices"]:
                begun = self._choice(turn, choice, begun)
            if chunk.get("usage"):
                check(turn.usage is None and turn.stop, "usage twice, or before the finish reason")
                turn.usage = chat_usage(chunk["usage"])
            elif not chunk["choices"]:
                turn.beats += 1
        if turn.error:
            check(not done and turn.stop is None, f"finish {turn.stop!r} and [DONE] {done} in a stream that failed")
            return turn
        check(done, f"no [DONE]: {data[-200:]!r}")
        check(turn.stop and turn.usage, f"finish reason {turn.stop!r}, usage {turn.usage!r}")
        turn.model = seen["model"]
        return self.finish_turn(turn)

    @staticmethod
    def _choice(turn, choice, begun):
        delta = choice.get("delta")
        check(isinstance(delta, dict) and choice.get("index") == 0, f"a choice without delta or index: {choice}")
        check(turn.stop is None, f"a delta follows the finish reason: {choice}")
        check(begun or delta.get("role") == "assistant", f"the first delta has no role: {choice}")
        turn.text += delta.get("content") or ""
        turn.thinking += delta.get("reasoning_content") or ""
        turn.refusal += delta.get("refusal") or ""
        for part in delta.get("tool_calls") or []:
            function = part.get("function") or {}
            if part["index"] == len(turn.calls):
                check_equal(part.get("type"), "function", "type of an opening call")
                turn.calls.append({"id": words(part.get("id"), "a call's id"), "name": words(function.get("name"), "a call's name"), "raw": ""})
            check(part["index"] == len(turn.calls) - 1, f"a piece of call {part['index']} among {len(turn.calls)}")
            turn.calls[part["index"]]["raw"] += function.get("arguments") or ""
        turn.stop = choice.get("finish_reason")
        return True

    def read_body(self, body):
        turn = Turn()
        check_equal(body.get("object"), "chat.completion", "object")
        words(body.get("id"), "id")
        turn.model = words(body.get("model"), "model")
        check_equal(len(body["choices"]), 1, "choices")
        choice, turn.usage = body["choices"][0], chat_usage(body["usage"])
        message = choice["message"]
        check_equal(message.get("role"), "assistant", "role")
        check("content" in message, "a message without content (null is content)")
        turn.text, turn.thinking = message["content"] or "", message.get("reasoning_content") or ""
        turn.refusal, turn.stop = message.get("refusal") or "", words(choice.get("finish_reason"), "finish_reason")
        for made in message.get("tool_calls") or []:
            check_equal(made.get("type"), "function", "type of a call")
            turn.calls.append({"id": words(made["id"], "a call's id"), "name": words(made["function"]["name"], "its name"), "raw": made["function"]["arguments"]})
        return self.finish_turn(turn)

    def read_error(self, body, status):
        return openai_error(body, self.dialect)


# --- Responses


def responses_usage(usage):
    asked, made = whole_number(usage.get("input_tokens"), "input_tokens"), whole_number(usage.get("output_tokens"), "output_tokens")
    check_equal(usage.get("total_tokens"), asked + made, "total_tokens")
    cached = whole_number(usage["input_tokens_details"]["cached_tokens"], "cached_tokens")
    thought = whole_number(usage["output_tokens_details"]["reasoning_tokens"], "reasoning_tokens")
    check(cached <= asked and thought <= made, f"a part is larger than its whole: {usage}")
    return {"input": asked, "output": made, "thought": thought}


class ResponsesReader:
    """The state machine of a streamed response: one item open at a time, one part open in it."""

    ends = ("response.completed", "response.incomplete", "response.failed")

    def __init__(self):
        self.items, self.open, self.part, self.error, self.final, self.id, self.beats, self.next = [], None, None, None, None, None, 0, 0

    def take(self, name, event):
        check_equal(event.get("type"), name, "name of the event and type")
        check_equal(event.get("sequence_number"), self.next, f"sequence number of {name}")
        self.next += 1
        check(self.final is None, f"{name} after the end")
        if self.error is not None:
            check_equal(name, "response.failed", "what follows the error event")
        if name == "error":
            return self._error(event)
        if name in self.ends or name in ("response.created", "response.in_progress"):
            return self._whole(name, event["response"])
        check(self.id is not None, f"{name} before response.created")
        if name == "response.output_item.added":
            return self._item(event)
        if name == "response.output_item.done":
            return self._item_done(event)
        check(self.open is not None and event.get("output_index") == len(self.items), f"{name} of an item that is not open: {event}")
        check_equal(event.get("item_id"), self.open["id"], f"item_id of {name}")
        return self._inside(name, event)

    def _error(self, event):
        nested = event.get("error") if isinstance(event.get("error"), dict) else event
        self.error = {"type": nested.get("type"), "message": words(nested.get("message"), "error.message"), "code": nested.get("code")}

    def _whole(self, name, response):
        words(response.get("id"), "response.id")
        check_equal(response.get("object"), "response", "object")
        if name == "response.created":
            check(self.id is None, "response.created twice")
            self.id = response["id"]
            check_equal(response.get("status"), "in_progress", "status at the beginning")
        elif name == "response.in_progress":
            check(self.id == response["id"], "response.in_progress without, or of another, response.created")
            self.beats += 1
        else:
            check(self.id in (None, response["id"]) or name == "response.failed", "another response ends")
            check_equal("response." + response["status"], name, "status at the end")
            check(name == "response.failed" or self.open is None, f"{name} while an item is open")
            self.final = response

    def _item(self, event):
        check(self.open is None, "an item begins inside another")
        check_equal(event.get("output_index"), len(self.items), "output_index of a new item")
        self.open, self.part = event["item"] | {"parts": [], "text": ""}, None
        words(self.open.get("id"), "item.id")

    def _inside(self, name, event):
        item = self.open
        if name in ("response.content_part.added", "response.reasoning_summary_part.added"):
            check(self.part is None, "a part begins inside another")
            index = event.get("summary_index" if "summary" in name else "content_index")
            check_equal(index, len(item["parts"]), "index of a new part")
            self.part = {"type": event["part"]["type"], "text": "", "done": False}
        elif name in ("response.content_part.done", "response.reasoning_summary_part.done"):
            check(self.part and self.part["done"], f"{name} before the text's own done")
            check_equal(event["part"].get("text", event["part"].get("refusal")), self.part["text"], "text of the finished part")
            item["parts"].append(self.part)
            self.part = None
        elif name.startswith(("response.function_call_arguments.", "response.custom_tool_call_input.")):
            self._call_text(name, event)
        elif name.endswith(".delta"):
            check(self.part and not self.part["done"], f"{name} outside of a part")
            self.part["text"] += event["delta"]
        elif name.endswith(".done"):
            check(self.part and not self.part["done"], f"{name} outside of a part")
            check_equal(event.get("text", event.get("refusal")), self.part["text"], f"text of {name}")
            self.part["done"] = True
        else:
            check(False, f"an event nobody knows: {name}")

    def _call_text(self, name, event):
        item = self.open
        check(item["type"].endswith("_call"), f"{name} in {item['type']}")
        if name.endswith(".delta"):
            item["text"] += event["delta"]
        else:
            check_equal(event.get("arguments", event.get("input")), item["text"], f"text of {name}")
            item["finished"] = True

    def _item_done(self, event):
        check_equal(event.get("output_index"), len(self.items), "output_index of a finished item")
        item, opened = event["item"], self.open
        check(opened is not None and self.part is None, "an item ends that is not open, or with an open part")
        check_equal((item["id"], item["type"]), (opened["id"], opened["type"]), "id and type of an item from beginning to end")
        if item["type"] == "message":
            check_equal([p.get("text", p.get("refusal")) for p in item["content"]], [p["text"] for p in opened["parts"]], "parts of a finished message")
        elif item["type"] == "function_call":
            check_equal(item["arguments"], opened["text"], "arguments of a finished call")
            check(opened.get("finished"), "a call is done without function_call_arguments.done")
        self.items.append(item)
        self.open = None


class Responses(Speaker):
    dialect = "openai-responses"
    stops = {"natural": "completed", "tool": "completed", "length": "incomplete max_output_tokens", "refusal": "incomplete content_filter"}

    def path(self, model, stream):
        return "/v1/responses"

    def body(self, model, conversation, stream, tools=(), schema=None, think=False, limit=None):
        items = []
        for entry in conversation:
            if isinstance(entry, Human):
                content = [{"type": "input_text", "text": entry.text}]
                if entry.picture:
                    content.append({"type": "input_image", "image_url": "data:image/png;base64," + entry.picture, "detail": "auto"})
                items.append({"type": "message", "role": "user", "content": content})
            elif isinstance(entry, Turn):
                items += entry.replay
            else:
                items += [{"type": "function_call_output", "call_id": r.of["id"], "output": r.text} for r in entry]
        body = {"model": model, "instructions": "You are a careful agent.", "input": items, "stream": stream, "store": False,
                "include": ["reasoning.encrypted_content"]}
        if tools:
            body["tools"] = [{"type": "function", "name": t["name"], "description": t["description"], "parameters": t["schema"], "strict": False} for t in tools]
            body |= {"tool_choice": "auto", "parallel_tool_calls": True}
        if schema:
            body["text"] = {"format": {"type": "json_schema", "name": "plan", "schema": schema, "strict": True}}
        if think:
            body["reasoning"] = {"effort": "high", "summary": "auto"}
        if limit:
            body["max_output_tokens"] = limit
        return body

    def finish_turn(self, turn, response):
        turn.model = words(response.get("model"), "model")
        turn.usage = responses_usage(response["usage"])
        turn.stop = response["status"]
        if turn.stop == "incomplete":
            turn.stop += " " + words(response["incomplete_details"].get("reason"), "reason")
        for item in response["output"]:
            self._item(turn, item)
        turn.replay = [{k: v for k, v in item.items() if k != "status"} for item in response["output"]]
        return turn

    @staticmethod
    def _item(turn, item):
        words(item.get("id"), "item.id")
        if item["type"] == "message":
            for part in item["content"]:
                check(part["type"] in ("output_text", "refusal"), f"a part {part['type']} in a message")
                if part["type"] == "output_text":
                    check(isinstance(part.get("annotations"), list), f"output_text without annotations: {part}")
                turn.text += part.get("text") or ""
                turn.refusal += part.get("refusal") or ""
        elif item["type"] == "reasoning":
            check(isinstance(item.get("summary"), list), f"reasoning without a summary list: {item}")
            turn.thinking += "".join(p["text"] for p in item["summary"]) or "".join(p["text"] for p in item.get("content") or [])
        elif item["type"] == "function_call":
            turn.calls.append({"id": words(item.get("call_id"), "call_id"), "name": words(item.get("name"), "name"),
                               "raw": item["arguments"], "arguments": an_object(item["arguments"], f"the arguments of {item['name']}")})
            check(len(item["call_id"]) <= 64, f"a call_id of {len(item['call_id'])} characters")

    def read_stream(self, data):
        reader, turn = ResponsesReader(), Turn()
        for name, text in plain_events(data, named=True):
            reader.take(name, to_json(text))
        check(reader.final is not None, f"no end of the response: {data[-300:]!r}")
        turn.beats = reader.beats
        for item in reader.items:
            if item["type"] == "message":
                turn.text += "".join(p.get("text") or "" for p in item["content"])
            if item["type"] == "function_call":
                turn.calls.append({"id": item["call_id"], "name": item["name"], "arguments": an_object(item["arguments"], "arguments of a finished call")})
        if reader.final["status"] == "failed":
            check(reader.error is not None, "response.failed without an error event")
            error = reader.final["error"]
            check_equal((error.get("code"), error.get("message")), (reader.error["code"], reader.error["message"]), "error event and response.failed")
            turn.error = reader.error
            turn.text += "".join(p["text"] for p in (reader.open or {}).get("parts", [])) + ((reader.part or {}).get("text") or "")
            return turn
        turn.text, turn.calls = "", []
        check_equal([(i["id"], i["type"]) for i in reader.final["output"]], [(i["id"], i["type"]) for i in reader.items], "items in events and in the response")
        return self.finish_turn(turn, reader.final)

    def read_body(self, body):
        check_equal(body.get("object"), "response", "object")
        words(body.get("id"), "id")
        check(body.get("status") in ("completed", "incomplete"), f"status {body.get('status')!r}: {body.get('error')}")
        return self.finish_turn(Turn(), body)

    def read_error(self, body, status):
        return openai_error(body, self.dialect)


# --- Messages


def messages_usage(usage):
    asked = sum(whole_number(usage.get(n) or 0, n) for n in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"))
    return {"input": asked, "output": whole_number(usage.get("output_tokens"), "output_tokens"),
            "thought": (usage.get("output_tokens_details") or {}).get("thinking_tokens") or 0}


class Messages(Speaker):
    dialect = "anthropic-messages"
    native_auth = "x-api-key"
    extra_headers = {"anthropic-version": "2023-06-01"}
    stops = {"natural": "end_turn", "tool": "tool_use", "length": "max_tokens", "refusal": "refusal"}
    deltas = {"text": {"text_delta": "text"}, "thinking": {"thinking_delta": "thinking", "signature_delta": "signature"},
              "tool_use": {"input_json_delta": "partial_json"}}

    def path(self, model, stream):
        return "/v1/messages?beta=true"

    def body(self, model, conversation, stream, tools=(), schema=None, think=False, limit=None):
        messages = []
        for entry in conversation:
            if isinstance(entry, Human):
                content = [{"type": "text", "text": entry.text}]
                if entry.picture:
                    content.append({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": entry.picture}})
                messages.append({"role": "user", "content": content})
            elif isinstance(entry, Turn):
                messages.append({"role": "assistant", "content": entry.replay})
            else:
                messages.append({"role": "user", "content": [{"type": "tool_result", "tool_use_id": r.of["id"], "content": [{"type": "text", "text": r.text}]}
                                                             | ({"is_error": True} if r.failed else {}) for r in entry]})
        body = {"model": model, "max_tokens": limit or 8000, "system": [{"type": "text", "text": "You are a careful agent."}], "messages": messages, "stream": stream}
        if tools:
            body["tools"] = [{"name": t["name"], "description": t["description"], "input_schema": t["schema"]} for t in tools]
        if schema:
            body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        if think:
            body["thinking"] = {"type": "adaptive", "display": "summarized"}
            body.setdefault("output_config", {})["effort"] = "high"
        return body

    @staticmethod
    def finish_turn(turn, blocks):
        for block in blocks:
            if block["type"] == "text":
                turn.text += words(block["text"], "a text block's text")
            elif block["type"] == "thinking":
                turn.thinking += block["thinking"]
            elif block["type"] == "tool_use":
                check(isinstance(block["input"], dict), f"input is no object: {block}")
                check(re.fullmatch(r"[A-Za-z0-9_-]+", block["id"]), f"id of a call {block['id']!r}")
                turn.calls.append({"id": block["id"], "name": words(block["name"], "a call's name"), "arguments": block["input"]})
            else:
                check(block["type"] == "redacted_thinking", f"a block of type {block['type']!r}")
        turn.replay = blocks
        return turn

    def read_stream(self, data):
        turn, blocks, current, begun, ended, stopped = Turn(), [], None, False, False, False
        for name, text in plain_events(data, named=True):
            event = to_json(text)
            check_equal(event.get("type"), name, "name of the event and type")
            check(not ended and turn.error is None, f"{name} after the end")
            if name == "ping":
                turn.beats += 1
            elif name == "error":
                turn.error = self.read_error(event, 200)
            elif name == "message_start":
                check(not begun, "message_start twice")
                begun, message = True, event["message"]
                self._head(turn, message)
                check_equal((message.get("content"), message.get("stop_reason", "absent")), ([], None), "content and stop_reason at the beginning")
            elif name == "content_block_start":
                check(begun and current is None and not stopped, "a block begins at a wrong time")
                check_equal(event.get("index"), len(blocks), "index of a block")
                current = event["content_block"] | {"json": ""}
                check(current["type"] != "tool_use" or current.get("input") == {}, f"a call begins with input: {current}")
            elif name == "content_block_delta":
                check(current is not None and event.get("index") == len(blocks), f"a delta outside its block: {event}")
                self._delta(current, event["delta"])
            elif name == "content_block_stop":
                check(current is not None and event.get("index") == len(blocks), f"a stop outside its block: {event}")
                blocks.append(self._close(current))
                current = None
            elif name == "message_delta":
                check(begun and current is None and not stopped, "message_delta at a wrong time")
                turn.stop, turn.usage, stopped = words(event["delta"].get("stop_reason"), "stop_reason"), messages_usage(turn.usage_seen | event["usage"]), True
            elif name == "message_stop":
                check(stopped, "message_stop without message_delta")
                ended = True
            else:
                check(False, f"an event nobody knows: {name}")
        if turn.error:
            check(turn.stop is None, "a stop reason in a stream that failed")
            turn.text = "".join(b["text"] for b in blocks + [current or {}] if b.get("type") == "text")
            turn.calls = [{"name": b["name"], "arguments": b["input"]} for b in blocks if b["type"] == "tool_use"]
            return turn
        check(ended, f"no message_stop: {data[-200:]!r}")
        return self.finish_turn(turn, blocks)

    @staticmethod
    def _head(turn, message):
        check_equal((message.get("type"), message.get("role")), ("message", "assistant"), "type and role")
        words(message.get("id"), "message.id")
        turn.model = words(message.get("model"), "model")
        whole_number(message["usage"].get("input_tokens"), "input_tokens")
        messages_usage(message["usage"])
        turn.usage_seen = message["usage"]

    def _delta(self, block, delta):
        member = self.deltas.get(block["type"], {}).get(delta.get("type"))
        check(member, f"a {delta.get('type')} in a {block['type']} block")
        check(isinstance(delta.get(member), str), f"a delta without its text: {delta}")
        if delta["type"] == "input_json_delta":
            block["json"] += delta[member]
        elif delta["type"] == "signature_delta":
            block["signature"] = (block.get("signature") or "") + delta[member]
        else:
            check(not block.get("signature"), "text after the signature")
            block[member] += delta[member]

    @staticmethod
    def _close(block):
        arguments = block.pop("json")
        if block["type"] == "tool_use":
            block["input"] = an_object(arguments or "{}", f"the input of {block['name']}")
        return block

    def read_body(self, body):
        turn = Turn()
        self._head(turn, body)
        check("stop_sequence" in body, "no stop_sequence (null is one)")
        turn.stop, turn.usage = words(body.get("stop_reason"), "stop_reason"), messages_usage(body["usage"])
        return self.finish_turn(turn, body["content"])

    def read_error(self, body, status):
        check_equal(body.get("type"), "error", "type of an error")
        error = body.get("error")
        check(isinstance(error, dict), f"no error object in {body}")
        return {"type": words(error.get("type"), "error.type"), "message": words(error.get("message"), "error.message"), "code": None}


# --- Gemini


def gemini_usage(usage):
    count = {n: whole_number(usage.get(n) or 0, n) for n in ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "totalTokenCount", "toolUsePromptTokenCount")}
    check_equal(count["totalTokenCount"], sum(count.values()) - count["totalTokenCount"], "totalTokenCount")
    return {"input": count["promptTokenCount"], "output": count["candidatesTokenCount"] + count["thoughtsTokenCount"], "thought": count["thoughtsTokenCount"]}


class Gemini(Speaker):
    dialect = "gemini-generate"
    native_auth = "x-goog-api-key"
    stops = {"natural": "STOP", "tool": "STOP", "length": "MAX_TOKENS", "refusal": "SAFETY"}

    def path(self, model, stream):
        return f"/v1beta/models/{model}:streamGenerateContent?alt=sse" if stream else f"/v1beta/models/{model}:generateContent"

    def body(self, model, conversation, stream, tools=(), schema=None, think=False, limit=None):
        contents = []
        for entry in conversation:
            if isinstance(entry, Human):
                parts = [{"text": entry.text}] + ([{"inlineData": {"mimeType": "image/png", "data": entry.picture}}] if entry.picture else [])
                contents.append({"role": "user", "parts": parts})
            elif isinstance(entry, Turn):
                contents.append({"role": "model", "parts": entry.replay})
            else:
                contents.append({"role": "user", "parts": [self.response(r) for r in entry]})
        body = {"contents": contents, "systemInstruction": {"parts": [{"text": "You are a careful agent."}]}, "generationConfig": {}}
        if tools:
            body["tools"] = [{"functionDeclarations": [{"name": t["name"], "description": t["description"], "parametersJsonSchema": t["schema"]} for t in tools]}]
        if schema:
            body["generationConfig"] |= {"responseMimeType": "application/json", "responseJsonSchema": schema}
        if think:
            body["generationConfig"]["thinkingConfig"] = {"includeThoughts": True, "thinkingLevel": "HIGH"}
        if limit:
            body["generationConfig"]["maxOutputTokens"] = limit
        return body

    @staticmethod
    def response(result):
        body = {"name": result.of["name"], "response": {"error" if result.failed else "output": result.text}}
        return {"functionResponse": body | ({"id": result.of["id"]} if result.of["id"] else {})}

    def read_stream(self, data):
        for mark in ("\u2028", "\u2029"):
            check(mark not in data.decode("utf-8"), "a raw line separator, which breaks the vendor's SDK")
        turn, seen = Turn(), {}
        turn.replay = []
        for _, text in plain_events(data, named=False):
            event = to_json(text)
            check(turn.error is None, f"an event after the error: {text[:160]}")
            if "error" in event:
                turn.error = self.read_error(event, None)
                continue
            check(turn.stop is None, f"an event after the finish reason: {text[:160]}")
            if event.get("candidates") == []:
                turn.beats += 1
                continue
            self._response(turn, event, seen)
        if turn.error:
            check(turn.stop is None, "a finish reason in a stream that failed")
            return turn
        check(turn.stop and turn.usage, f"finish reason {turn.stop!r}, usage {turn.usage!r}: {data[-300:]!r}")
        return self._signed(turn)

    def _response(self, turn, event, seen):
        one_value(seen, "modelVersion", words(event.get("modelVersion"), "modelVersion"))
        one_value(seen, "responseId", words(event.get("responseId"), "responseId"))
        turn.model = event["modelVersion"]
        check_equal(len(event["candidates"]), 1, "candidates")
        candidate = event["candidates"][0]
        for part in candidate.get("content", {}).get("parts", []):
            self._part(turn, part)
        check(not candidate.get("content") or candidate["content"].get("role") == "model", f"role of a candidate: {candidate}")
        turn.stop = candidate.get("finishReason")
        if "usageMetadata" in event:
            turn.usage = gemini_usage(event["usageMetadata"])

    @staticmethod
    def _part(turn, part):
        kinds = [k for k in ("text", "functionCall") if k in part]
        check_equal(len(kinds), 1, f"data fields of {str(part)[:120]}")
        if kinds == ["text"]:
            if part.get("thought"):
                turn.thinking += part["text"]
            else:
                turn.text += part["text"]
        else:
            made = part["functionCall"]
            check(isinstance(made.get("args"), dict), f"a call without args: {made}")
            turn.calls.append({"id": made.get("id"), "name": words(made.get("name"), "a call's name"), "arguments": made["args"]})
        turn.replay.append(part)

    @staticmethod
    def _signed(turn):
        """Gemini 3 wants the signature of a step's first call back, so that a client must have been given one."""
        first = next((p for p in turn.replay if "functionCall" in p), None)
        check(first is None or first.get("thoughtSignature"), f"the first call has no signature: {first}")
        return turn

    def read_body(self, body):
        turn = Turn()
        turn.replay = []
        self._response(turn, body, {})
        check(turn.stop and turn.usage, f"finish reason {turn.stop!r}, usage {turn.usage!r}")
        return self._signed(turn)

    def read_error(self, body, status):
        error = body.get("error")
        check(isinstance(error, dict), f"no error object in {body}")
        check(isinstance(error.get("code"), int) and status in (None, error["code"]), f"error.code {error.get('code')!r} under status {status}")
        return {"type": words(error.get("status"), "error.status"), "message": words(error.get("message"), "error.message"), "code": error["code"],
                "details": error.get("details") or []}


SPEAKERS = (Chat(), Responses(), Messages(), Gemini())
