"""Messages requests of real clients, one line of JSON each: {"case", "path", "headers", "body"}.

From data/wire the recorded bodies; from data/clients, where only the shapes are kept, bodies of the
same shape (fields, block types and their order, protocol values, header values).

usage: anthropic_requests.py <shared folder>
"""

import json
import pathlib
import sys

import yaml


class Loader(yaml.SafeLoader):
    """Also reads `!binary`, Ruby's short tag for base64."""


Loader.add_constructor("!binary", lambda loader, node: None)

SIGNATURE = "EqQB" + "Cg0ICxABGAIqQDw3" * 12


def cassette_requests(path):
    record = yaml.load(path.read_text(), Loader=Loader) or {}
    for exchange in record.get("interactions") or record.get("http_interactions") or []:
        request = exchange["request"]
        url = request.get("uri") or request.get("url") or ""
        if "/v1/messages" not in url:
            continue
        body = request.get("parsed_body") or request.get("body")
        if isinstance(body, dict) and "string" in body and "messages" not in body:
            body = body["string"]
        try:
            body = json.loads(body) if isinstance(body, str) else body
        except ValueError:  # a marker instead of a text that was too long to keep
            continue
        if isinstance(body, dict) and "messages" in body:
            yield "/v1/messages" + url.split("/v1/messages")[1].split("?")[0], body


def block_of(kind, fields, ids, number):
    block = {"type": kind}
    if kind == "text":
        block["text"] = f"Text number {number}."
    elif kind == "thinking":
        block |= {"thinking": "", "signature": SIGNATURE}
    elif kind == "tool_use":
        ids.append(f"toolu_{number:024d}")
        block |= {"id": ids[-1], "name": "Bash", "input": {"command": f"ls {number}"}}
    elif kind == "tool_result":
        block |= {"tool_use_id": ids.pop(0) if ids else "toolu_none", "content": f"file {number}"}
        if "is_error" in fields:
            block["is_error"] = False
    if "cache_control" in fields:
        block["cache_control"] = {"type": "ephemeral"}
    return block


def body_of(request, billed):
    fields = request["fields"]
    body = {}
    ids = []
    for name, value in fields.items():
        if name == "messages":
            body[name] = []
            for number, message in enumerate(request["messages"]["each"]):
                content = message["content"]
                if "text_string" in content:
                    blocks = "A text of one string."
                else:
                    blocks = [
                        block_of(kind, shape["fields"], ids, 10 * number + i)
                        for kind, shape in content.items()
                        for i in range(shape["n"])
                    ]
                body[name].append({"role": message["role"], "content": blocks})
        elif name == "system":
            texts = [f"System block {i}." for i in range(request["system"]["blocks"])]
            if billed:
                texts[0] = "x-anthropic-billing-header: cc_version=2.1.330; cch=00000;"
            body[name] = [{"type": "text", "text": text} for text in texts]
            body[name][-1]["cache_control"] = {"type": "ephemeral"}
        elif name == "tools":
            body[name] = [
                {"name": tool, "description": "A tool.", "input_schema": {"type": "object"}}
                for tool in request["tools"]["names"]
            ]
            if "defer_loading" in request["tools"]["fields"]:
                body[name][-1]["defer_loading"] = True
        elif name == "metadata":
            body[name] = {"user_id": '{"device_id":"d","account_uuid":"a","session_id":"s"}'}
        else:
            body[name] = value
    return body


def main(shared):
    root = pathlib.Path(shared) / "data"
    found = []
    for path in sorted((root / "wire").rglob("*.yaml")):
        name = str(path.relative_to(root / "wire"))
        found += [(name, where, {}, body) for where, body in cassette_requests(path)]
    for path in sorted((root / "wire" / "anthropic").glob("*request.json")):
        found.append((path.name, "/v1/messages", {}, json.loads(path.read_text())))
    for path in sorted((root / "clients").glob("*.json")):
        if path.name in ("reactions.json", "sdks.json"):
            continue
        for request in json.loads(path.read_text()).get("requests", []):
            if "/v1/messages" not in request["url"]:
                continue
            pairs = [line.split(": ", 1) for line in request["headers"] if ": " in line]
            body = body_of(request, path.name.startswith("claude-code"))
            found.append((path.name, request["url"].split("?")[0], dict(pairs), body))
    for number, (name, where, headers, body) in enumerate(found):
        line = {"case": f"{name}#{number}", "path": where, "headers": headers, "body": body}
        print(json.dumps(line))


main(sys.argv[1])
