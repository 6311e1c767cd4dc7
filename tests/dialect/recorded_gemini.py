"""Gemini requests found in a folder of recorded traffic, one line of JSON each: {"case", "model", "stream", "body": text}.

usage: recorded_gemini.py <folder>
"""

import json
import pathlib
import sys

import yaml


class Loader(yaml.SafeLoader):
    """Also reads `!binary`, Ruby's short tag for base64."""


Loader.add_constructor("!binary", lambda loader, node: None)


def cassette_requests(path):
    record = yaml.load(path.read_text(encoding="utf-8"), Loader) or {}
    for exchange in record.get("interactions") or record.get("http_interactions") or []:
        request = exchange["request"]
        url = request.get("uri") or request.get("url") or ""
        if "enerateContent" not in url:
            continue
        body = request.get("parsed_body") or request.get("body")
        if isinstance(body, dict) and "string" in body and "contents" not in body:
            body = body["string"]
        model = url.split("/models/")[1].split(":")[0]
        yield model, "stream" in url, body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)


def main(folder):
    for path in sorted((pathlib.Path(folder) / "gemini").iterdir()):
        if path.suffix == ".yaml":
            requests = list(cassette_requests(path))
        elif path.name.endswith("request.json"):
            text = path.read_text(encoding="utf-8")
            requests = [(json.loads(text).get("model", ""), False, text)]
        else:
            continue
        for number, (model, stream, body) in enumerate(requests):
            print(json.dumps({"case": f"{path.name}#{number}", "model": model, "stream": stream, "body": body}))


main(sys.argv[1])
