"""What the gateway is asked, and what the upstream says to it. Shapes follow recorded traffic."""

import dataclasses
import json

from mock import Answer

EVENTS = 200  # pieces of text in a stream
TEXTS = (" the", " quick", "\n\n", " über", "漢字", ' said "no"', " and a somewhat longer piece of forty bytes")


@dataclasses.dataclass
class Scenario:
    name: str
    path: str
    body: bytes
    answer: Answer
    upstream: str = "plain"  # or "tls"
    repeats: int = 20
    warm: int = 3
    unit: str = "request"    # or "event": the cost is divided by EVENTS


def dumps(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def question(model, size, stream):
    filler = "Summarise the state of the repository and say which of its tests fail. "
    text = (filler * (size // len(filler) + 1))[:size]
    value = {"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]}
    return value


def chat_request(model, size=900, stream=False):
    return dumps(question(model, size, stream) | {"max_tokens": 1000}).encode()


def agent_request(model, size):
    """An agent's loop of about `size` bytes: a system text, tools, a question, calls and their results."""
    tools = [{"type": "function", "function": {"name": f"tool_{i}", "description": "Runs a command in the shell. " * 8,
              "parameters": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}}}
             for i in range(12)]
    messages = [{"role": "system", "content": "You are a careful engineer. " * 40},
                {"role": "user", "content": "The build is red. Find out why and mend it."}]
    step = 0
    while len(dumps(messages)) < size - 6000:
        messages.append({"role": "assistant", "content": None, "tool_calls": [{"id": f"call_{step}", "type": "function",
                         "function": {"name": "tool_3", "arguments": dumps({"command": f"cat src/file_{step}.cpp"})}}]})
        messages.append({"role": "tool", "tool_call_id": f"call_{step}",
                         "content": f"// file {step}\n" + 'int main() { return "hello"[0] - 104; }\n' * 90})
        step += 1
    return dumps({"model": model, "stream": False, "max_tokens": 1000, "tools": tools, "messages": messages}).encode()


def chat_answer():
    return dumps({"id": "chatcmpl-CjA7", "object": "chat.completion", "created": 1763800000, "model": "deepseek-flash",
                  "choices": [{"index": 0, "finish_reason": "stop",
                               "message": {"role": "assistant", "content": "The tests pass. " * 80}}],
                  "usage": {"prompt_tokens": 300, "completion_tokens": 320, "total_tokens": 620}}).encode()


def chat_events():
    def event(delta, finish=None, **more):
        return b"data: " + dumps({"id": "chatcmpl-CjA7", "object": "chat.completion.chunk", "created": 1763800000,
                                  "model": "deepseek-flash", "system_fingerprint": "fp_b1",
                                  "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}).encode() + b"\n\n"
    usage = {"prompt_tokens": 300, "completion_tokens": 210, "total_tokens": 510}
    return ([event({"role": "assistant", "content": ""})] + [event({"content": TEXTS[i % len(TEXTS)]}) for i in range(EVENTS)]
            + [event({}, "stop", usage=usage), b"data: [DONE]\n\n"])


def messages_events():
    def event(kind, **more):
        return f"event: {kind}\ndata: ".encode() + dumps({"type": kind, **more}).encode() + b"\n\n"
    start = {"id": "msg_01", "type": "message", "role": "assistant", "model": "claude-opus-5-5", "content": [],
             "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 300, "output_tokens": 1}}
    return ([event("message_start", message=start),
             event("content_block_start", index=0, content_block={"type": "text", "text": ""})]
            + [event("content_block_delta", index=0, delta={"type": "text_delta", "text": TEXTS[i % len(TEXTS)]})
               for i in range(EVENTS)]
            + [event("content_block_stop", index=0),
               event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 210}),
               event("message_stop")])


def gemini_events():
    def event(text, tokens, **more):
        return b"data: " + dumps({"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0, **more}],
                                  "usageMetadata": {"promptTokenCount": 300, "candidatesTokenCount": tokens,
                                                    "totalTokenCount": 300 + tokens},
                                  "modelVersion": "gemini-3.8-flash", "responseId": "kUsgac"}).encode() + b"\r\n\r\n"
    return [event(TEXTS[i % len(TEXTS)], i + 1) for i in range(EVENTS)] + [event("", EVENTS, finishReason="STOP")]


def messages_request(model):
    return dumps(question(model, 900, True) | {"max_tokens": 1000}).encode()


def scenarios():
    chat, messages = "/v1/chat/completions", "/v1/messages"
    flash, opus, gemini = "deepseek/deepseek-flash", "anthropic/claude-opus-5-5", "gemini/gemini-3.8-flash"
    whole = Answer([chat_answer()])

    def burst(events):
        return Answer(events, stream=True)

    def stream(name, path, body, answer, **more):
        return Scenario(name, path, body, answer, unit="event", repeats=6, **more)

    return [
        Scenario("1 KB", chat, chat_request(flash), whole, repeats=60, warm=10),
        Scenario("1 KB, routed by difficulty", chat, chat_request("auto"), whole, repeats=60, warm=10),
        Scenario("200 KB", chat, agent_request(flash, 200_000), whole, repeats=8),
        Scenario("1 KB, TLS upstream", chat, chat_request("tls/mock"), whole, upstream="tls", repeats=60, warm=10),
        stream("passed, one by one", chat, chat_request(flash, stream=True), Answer(chat_events(), True, True)),
        stream("passed, at once", chat, chat_request(flash, stream=True), burst(chat_events())),
        stream("Chat from Claude, one by one", chat, chat_request(opus, stream=True), Answer(messages_events(), True, True)),
        stream("Chat from Gemini, one by one", chat, chat_request(gemini, stream=True), Answer(gemini_events(), True, True)),
        stream("Chat from Claude, at once", chat, chat_request(opus, stream=True), burst(messages_events())),
        stream("Chat from Gemini, at once", chat, chat_request(gemini, stream=True), burst(gemini_events())),
        stream("Messages passed, at once", messages, messages_request(opus), burst(messages_events())),
        stream("Messages from Gemini, at once", messages, messages_request(gemini), burst(gemini_events())),
    ]
