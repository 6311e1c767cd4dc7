"""Agents that hold one conversation, one class per dialect: they say something, run the tools they are asked for, and send
the whole history each time. Each may give back the state that came with an answer (signatures, reasoning) or drop it.
Standard library only."""
import json
import urllib.parse

from harness import SHELL_TOOL, ChatStream, call, check, check_equal, sse_events

SCHEMA = SHELL_TOOL["function"]["parameters"]
SYSTEM = "You are a careful agent. " + "Look before you leap. " * 8


def run_tool(command):
    return f"ran {command}"


class Agent:
    """`keeps`: gives state back. `gateway` may be replaced when it was started anew."""
    dialect = ""

    def __init__(self, gateway, key, keeps=True, streams=True):
        self.gateway, self.key, self.keeps, self.streams = gateway, key, keeps, streams
        self.history, self.open_calls, self.text = [], [], ""

    def __str__(self):
        return f"{self.dialect} {'keeping' if self.keeps else 'dropping'} {'streamed' if self.streams else 'whole'}"

    def post(self, path, body):
        answer = call(self.gateway.port, "POST", path, body, {"authorization": f"Bearer {self.key}"}, timeout=60)
        check_equal(answer.status, 200, f"{self}, {path}: {answer.text[:400]}")
        check_equal("text/event-stream" in answer.headers.get("content-type", ""), self.streams, f"{self}: streamed")
        return answer

    def step(self, model, text=None):
        """Says `text`, or gives the results of the open calls; takes the answer into the history. Returns the calls' commands."""
        if text is not None:
            self.say(text)
        else:
            self.give_results([(identity, name, run_tool(command)) for identity, name, command in self.open_calls])
        self.open_calls, self.text = [], ""
        self.ask(model)
        return [command for _, _, command in self.open_calls]

    def turn(self, models, text, rounds, calls=1):
        """A question and its tool loop; `models` names the model of each step."""
        commands = self.step(models[0], f"{text} [[sim rounds={rounds} calls={calls}]]")
        for number in range(rounds):
            check_equal(len(commands), calls, f"{self}: calls of step {number} by {models[number]} ({self.text[:200]})")
            last = commands[0]
            commands = self.step(models[number + 1])
        check_equal(commands, [], f"{self}: calls in the last step")
        check(f"ran {last}" in self.text, f"{self}: the answer of {models[rounds]} does not use the result: {self.text[:200]}")

    def took(self, identity, name, arguments):
        arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
        self.open_calls.append((identity, name, arguments["command"]))


class ChatAgent(Agent):
    dialect = "chat"

    def say(self, text):
        if not self.history:
            self.history.append({"role": "system", "content": SYSTEM})
        self.history.append({"role": "user", "content": text})

    def give_results(self, results):
        self.history += [{"role": "tool", "tool_call_id": identity, "content": text} for identity, _, text in results]

    def ask(self, model):
        body = {"model": model, "messages": self.history, "tools": [SHELL_TOOL], "reasoning_effort": "high", "stream": self.streams}
        answer = self.post("/v1/chat/completions", body)
        if self.streams:
            stream = ChatStream(answer.body)
            check(stream.done and stream.error is None, f"{self}: the stream failed: {stream.error}")
            message, reasoning = stream.message(), stream.reasoning
        else:
            message = answer.json()["choices"][0]["message"]
            reasoning = message.pop("reasoning_content", None)
        if self.keeps and reasoning:
            message["reasoning_content"] = reasoning
        self.history.append(message)
        self.text = message.get("content") or ""
        for one in message.get("tool_calls") or []:
            self.took(one["id"], one["function"]["name"], one["function"]["arguments"])


class MessagesAgent(Agent):
    dialect = "messages"

    def say(self, text):
        self.history.append({"role": "user", "content": text})

    def give_results(self, results):
        self.history.append({"role": "user", "content": [{"type": "tool_result", "tool_use_id": identity, "content": text}
                                                         for identity, _, text in results]})

    def ask(self, model):
        tool = {"name": "bash", "description": "Runs a shell command", "input_schema": SCHEMA}
        body = {"model": model, "max_tokens": 16000, "system": SYSTEM, "messages": self.history, "tools": [tool],
                "thinking": {"type": "enabled", "budget_tokens": 4000}, "stream": self.streams}
        answer = self.post("/v1/messages", body)
        blocks = self._blocks(answer.body) if self.streams else answer.json()["content"]
        kept = blocks if self.keeps else [b for b in blocks if b["type"] not in ("thinking", "redacted_thinking")]
        self.history.append({"role": "assistant", "content": kept})
        for block in blocks:
            if block["type"] == "tool_use":
                self.took(block["id"], block["name"], block["input"])
        self.text = "".join(b["text"] for b in blocks if b["type"] == "text")

    def _blocks(self, raw):
        blocks, last = [], ""
        fields = {"text_delta": ("text", "text"), "thinking_delta": ("thinking", "thinking"),
                  "signature_delta": ("signature", "signature"), "input_json_delta": ("partial_json", "input")}
        for name, data in sse_events(raw):
            event = json.loads(data)
            last = name
            check(name != "error", f"{self}: {data[:300]}")
            if name == "content_block_start":
                block = event["content_block"]
                blocks.append(block | ({"input": ""} if block["type"] == "tool_use" else {}))
            elif name == "content_block_delta":
                source, target = fields[event["delta"]["type"]]
                block = blocks[event["index"]]
                block[target] = block.get(target, "") + event["delta"][source]
        check_equal(last, "message_stop", f"{self}: the last event")
        for block in blocks:
            if block["type"] == "tool_use":
                block["input"] = json.loads(block["input"] or "{}")
        return blocks


class ResponsesAgent(Agent):
    dialect = "responses"

    def say(self, text):
        self.history.append({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]})

    def give_results(self, results):
        self.history += [{"type": "function_call_output", "call_id": identity, "output": text} for identity, _, text in results]

    def ask(self, model):
        tool = {"type": "function", "name": "bash", "description": "Runs a shell command", "parameters": SCHEMA, "strict": False}
        body = {"model": model, "instructions": SYSTEM, "input": self.history, "tools": [tool], "reasoning": {"effort": "high"},
                "store": False, "include": ["reasoning.encrypted_content"], "stream": self.streams}
        answer = self.post("/v1/responses", body)
        response = self._last_response(answer.body) if self.streams else answer.json()
        check_equal(response["status"], "completed", f"{self}: {json.dumps(response.get('error'))}")
        output = response["output"]
        self.history += output if self.keeps else [item for item in output if item["type"] != "reasoning"]
        self.text = "".join(part.get("text", "") for item in output if item["type"] == "message" for part in item["content"])
        for item in output:
            if item["type"] == "function_call":
                self.took(item["call_id"], item["name"], item["arguments"])

    @staticmethod
    def _last_response(raw):
        name, data = sse_events(raw)[-1]
        check_equal(name, "response.completed", "the last event of a Responses stream")
        return json.loads(data)["response"]


class GeminiAgent(Agent):
    """A dropping one forgets signatures and thoughts; it returns calls with their ids."""
    dialect = "gemini"

    def say(self, text):
        self.history.append({"role": "user", "parts": [{"text": text}]})

    def give_results(self, results):
        def part(identity, name, text):
            return {"functionResponse": ({"id": identity} if identity else {}) | {"name": name, "response": {"output": text}}}
        self.history.append({"role": "user", "parts": [part(*result) for result in results]})

    def ask(self, model):
        body = {"systemInstruction": {"parts": [{"text": SYSTEM}]}, "contents": self.history,
                "tools": [{"functionDeclarations": [{"name": "bash", "description": "Runs a shell command", "parametersJsonSchema": SCHEMA}]}],
                "generationConfig": {"thinkingConfig": {"includeThoughts": True, "thinkingLevel": "HIGH"}}}
        method = "streamGenerateContent?alt=sse" if self.streams else "generateContent"
        answer = self.post(f"/v1beta/models/{urllib.parse.quote(model, safe='')}:{method}", body)
        chunks = [json.loads(data) for _, data in sse_events(answer.body)] if self.streams else [answer.json()]
        parts = self._parts(chunks)
        self.history.append({"role": "model", "parts": [p for p in map(self._returned, parts) if p]})
        self.text = "".join(p.get("text", "") for p in parts if not p.get("thought"))
        for one in (p["functionCall"] for p in parts if "functionCall" in p):
            self.took(one.get("id"), one["name"], one["args"])

    def _parts(self, chunks):
        """Neighbouring pieces of a text become one part, as the SDK's chats have them."""
        parts = []
        for chunk in chunks:
            check("error" not in chunk, f"{self}: {chunk}")
            for part in chunk["candidates"][0].get("content", {}).get("parts", []):
                before = parts[-1] if parts else {}
                alike = "text" in part and "text" in before and part.get("thought") == before.get("thought")
                if alike and not before.get("thoughtSignature"):
                    before["text"] += part["text"]
                    before |= {k: v for k, v in part.items() if k == "thoughtSignature"}
                else:
                    parts.append(part)
        check(chunks[-1]["candidates"][0].get("finishReason") == "STOP", f"{self}: the end is missing")
        return parts

    def _returned(self, part):
        if self.keeps:
            return part
        if part.get("thought"):
            return None
        part = {k: v for k, v in part.items() if k != "thoughtSignature"}
        return part if part.get("text") or "functionCall" in part else None


AGENTS = (ChatAgent, MessagesAgent, ResponsesAgent, GeminiAgent)
