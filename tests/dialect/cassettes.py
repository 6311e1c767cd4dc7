"""Turns a folder of recorded provider traffic into one line of JSON per answer, on standard output.

usage: cassettes.py <folder>          <folder> has one folder per provider and an index.tsv

line := {"case", "part", "dialect", "form": "stream" | "whole" | "error", "status", "headers", "body"}
      | {"case", "part", "skip": reason}

Forms met: three layouts of YAML cassettes, *.chunks.txt (one event's JSON per line), *.sse, *.json of whole answers and
of arrays of events. What is not raw traffic is framed here as the provider would: Gemini with CRLF.
"""

import base64
import gzip
import json
import pathlib
import sys

import yaml


class Loader(yaml.SafeLoader):
    """Also reads `!binary`, Ruby's short tag for base64."""


Loader.add_constructor("!binary", lambda loader, node: base64.b64decode(loader.construct_scalar(node)))


def text_of(body):
    if isinstance(body, str):
        return body
    if body[:2] == b"\x1f\x8b":
        body = gzip.decompress(body)
    return body.decode("utf-8")


def dialect_of_url(url):
    if "/chat/completions" in url:
        return "openai-chat"
    if "/v1/messages" in url and "count_tokens" not in url:
        return "anthropic-messages"
    if "enerateContent" in url:
        return "gemini-generate"
    if url.split("?")[0].endswith("/responses"):
        return "openai-responses"
    return None


def dialect_of_case(case, name):
    folder = case.split("/")[0]
    if folder in ("openai-chat", "deepseek", "openrouter"):
        return "openai-chat"
    if folder == "openai-responses":
        return folder
    if folder in ("anthropic", "vertex") or "lingua-" in name:
        return {"gemini": "gemini-generate"}.get(folder, "anthropic-messages")
    return "gemini-generate" if folder == "gemini" else None


def answer(case, part, dialect, body, status=200, headers=()):
    stripped = body.lstrip()
    if status >= 400:
        form = "error"
    elif stripped.startswith(("data:", "event:", ":")):
        form = "stream"
    else:
        form = "whole"
    return {"case": case, "part": part, "dialect": dialect, "form": form, "status": status,
            "headers": [[name.lower(), value] for name, value in headers], "body": body}


def skip(case, part, reason):
    return {"case": case, "part": part, "skip": reason}


def from_cassette(case, path):
    document = yaml.load(path.read_text(encoding="utf-8"), Loader)
    for number, exchange in enumerate(document.get("http_interactions") or document["interactions"], 1):
        part = f"{path.name}#{number}"
        url = exchange["request"].get("uri") or exchange["request"]["url"]
        dialect = dialect_of_url(url)
        if dialect is None:
            yield skip(case, part, "an endpoint that is not translated: " + url.split("?")[0].split("//")[1])
            continue
        response = exchange["response"]
        status = response["status"]["code"] if isinstance(response["status"], dict) else response["code"]
        body = response.get("body")
        if isinstance(body, dict):
            body = body.get("string")
        if body is None:
            body = json.dumps(response["parsed_body"], ensure_ascii=False)
        headers = [(name, values[0] if isinstance(values, list) else values)
                   for name, values in (response.get("headers") or {}).items()]
        yield answer(case, part, dialect, text_of(body), status, headers)


def framed(dialect, events):
    if dialect in ("anthropic-messages", "openai-responses"):
        return "".join(f"event: {json.loads(event)['type']}\ndata: {event}\n\n" for event in events)
    if dialect == "gemini-generate":
        return "".join(f"data: {event}\r\n\r\n" for event in events)
    return "".join(f"data: {event}\n\n" for event in events) + "data: [DONE]\n\n"


def streams_of(dialect, events):
    """Some files hold the answers of a whole loop, one after the other."""
    if dialect != "openai-responses":
        return [events]
    begins = [number for number, event in enumerate(events) if json.loads(event)["type"] == "response.created"]
    return [events[begin:end] for begin, end in zip(begins, begins[1:] + [len(events)])]


def from_json(case, path, dialect):
    name = path.name
    if name.endswith("request.json"):
        return
    if name.endswith(".error.json"):
        yield skip(case, name, "holds an SDK's error text, not a body")
        return
    document = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(document, list) and len(document) == 1 and document[0].get("type") == "message":
        yield answer(case, name, dialect, json.dumps(document[0], ensure_ascii=False))  # never streamed
    elif isinstance(document, list):
        events = [json.dumps(event, ensure_ascii=False) for event in document]
        yield answer(case, name, dialect, framed(dialect, events))
    else:
        error = document.get("error")
        status = 200
        if error:
            status = error["code"] if isinstance(error.get("code"), int) else 400
        yield answer(case, name, dialect, path.read_text(encoding="utf-8"), status)


def from_file(case, path):
    if path.suffix == ".yaml":
        yield from from_cassette(case, path)
        return
    dialect = dialect_of_case(case, path.name)
    if path.suffix == ".bin":
        yield skip(case, path.name, "AWS event-stream frames: Bedrock is not an upstream of this release")
    elif dialect is None:
        yield skip(case, path.name, "a provider whose dialect is not an upstream of this release")
    elif path.name.endswith(".chunks.txt"):
        events = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        streams = streams_of(dialect, events)
        for number, stream in enumerate(streams, 1):
            part = path.name if len(streams) == 1 else f"{path.name}#{number}"
            yield answer(case, part, dialect, framed(dialect, stream))
    elif path.suffix == ".sse":
        yield answer(case, path.name, dialect, path.read_text(encoding="utf-8"))
    else:
        yield from from_json(case, path, dialect)


def main():
    root = pathlib.Path(sys.argv[1])
    for line in (root / "index.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        case, _provider, _api, _streaming, _shows, files = line.split("\t")[:6]
        for name in files.split():
            for found in from_file(case, root / case.split("/")[0] / name):
                print(json.dumps(found, ensure_ascii=False))


main()
