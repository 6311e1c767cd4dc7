"""Recorded exchanges that tell how many tokens a prompt was billed, one line of JSON each, in the order of each file.

usage: recorded_exchanges.py <folder>          <folder> has one folder per provider

line := {"provider", "file", "dialect", "model", "body", "tokens"}

Left out: errors, prompts that are not in the body (cached content, stored answers), and those to which the provider has
added its own (its search, its code, its pages).
"""

import base64
import gzip
import json
import pathlib
import re
import sys

import yaml

HIDDEN = ("cachedContent", "previous_response_id", "mcp_servers", "container")
SERVER_TOOLS = re.compile(r'"(web_search\w*|web_fetch\w*|code_execution\w*|googleSearch|google_search|codeExecution|urlContext)"')


class Loader(yaml.SafeLoader):
    """Also reads `!binary`, Ruby's short tag for base64."""


Loader.add_constructor("!binary", lambda loader, node: base64.b64decode(loader.construct_scalar(node)))


def provider_of(folder, model):
    """By the model: a folder also holds what another vendor's model has answered through a bridge."""
    for vendor, words in (("anthropic", ("claude",)), ("deepseek", ("deepseek",)), ("gemini", ("gemini",)),
                          ("openai", ("gpt-4", "gpt-5"))):
        if any(word in model for word in words):
            return vendor
    return folder if model == "unknown" else None


def text_of(body):
    if isinstance(body, dict):
        body = body.get("string")
    if isinstance(body, bytes):
        body = (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).decode("utf-8")
    return body


def dialect_of(url):
    path = url.split("?")[0]
    if path.endswith("/chat/completions"):
        return "openai-chat"
    if path.endswith("/messages"):
        return "anthropic-messages"
    if path.endswith("/responses"):
        return "openai-responses"
    return "gemini-generate" if "enerateContent" in path else None


def documents(text):
    """The JSON of a whole answer, or of the events of a stream."""
    if text.lstrip().startswith(("{", "[")):
        whole = json.loads(text)
        return whole if isinstance(whole, list) else [whole]
    lines = [line[5:].strip() for line in text.splitlines() if line.startswith("data:")]
    return [json.loads(line) for line in lines if line.startswith("{")]


def prompt_tokens(dialect, answer):
    tokens = 0
    for document in documents(answer):
        if dialect == "openai-chat":
            tokens = (document.get("usage") or {}).get("prompt_tokens") or tokens
        elif dialect == "openai-responses":
            usage = (document.get("response") or document).get("usage") or {}
            tokens = usage.get("input_tokens") or tokens
        elif dialect == "gemini-generate":
            tokens = (document.get("usageMetadata") or {}).get("promptTokenCount") or tokens
        else:
            usage = (document.get("message") or document).get("usage") or {}
            parts = [usage.get(name) or 0 for name in
                     ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")]
            tokens = max(tokens, sum(parts))
    return tokens


def exchange(folder, path, dialect, model, request, answer):
    provider = provider_of(folder, model)
    if provider is None or request is None or answer is None or any(name in request for name in HIDDEN):
        return
    body = json.dumps(request, ensure_ascii=False, separators=(",", ":"))
    if SERVER_TOOLS.search(body):
        return
    tokens = prompt_tokens(dialect, answer)
    if tokens > 0:
        print(json.dumps({"provider": provider, "file": path.name, "dialect": dialect, "model": model, "body": body,
                          "tokens": tokens}, ensure_ascii=False))


def from_cassette(folder, path):
    document = yaml.load(path.read_text(encoding="utf-8"), Loader)
    for recorded in document.get("http_interactions") or document["interactions"]:
        request, response = recorded["request"], recorded["response"]
        url = request.get("uri") or request["url"]
        dialect = dialect_of(url)
        status = response["status"]["code"] if isinstance(response.get("status"), dict) else response.get("code", 200)
        if dialect is None or status != 200:
            continue
        body = request.get("parsed_body")
        if body is None:
            text = text_of(request.get("body"))
            body = json.loads(text) if text else None
        answer = text_of(response.get("body"))
        if answer is None and response.get("parsed_body") is not None:
            answer = json.dumps(response["parsed_body"])
        model = (body or {}).get("model") or url.split("models/")[-1].split(":")[0]
        exchange(folder, path, dialect, model, body, answer)


def from_pair(folder, path, dialect):
    """X.request.json with X.response.json, then X.followup-request.json with X.followup-response.json."""
    for word in ("", "followup-"):
        request = path.with_name(path.name.replace(".request.json", f".{word}request.json"))
        answer = path.with_name(path.name.replace(".request.json", f".{word}response.json"))
        if request.exists() and answer.exists():
            body = json.loads(request.read_text(encoding="utf-8"))
            exchange(folder, path, dialect, body.get("model", "unknown"), body, answer.read_text(encoding="utf-8"))


def main(folder):
    dialects = {"anthropic": "anthropic-messages", "gemini": "gemini-generate", "openai-chat": "openai-chat",
                "openai-responses": "openai-responses"}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        vendor = path.parent.name
        if path.suffix == ".yaml" and path.parent.parent == pathlib.Path(folder):
            from_cassette(vendor, path)
        elif path.name.endswith(".request.json") and vendor in dialects:
            from_pair(vendor, path, dialects[vendor])


main(sys.argv[1])
