"""Responses requests found in a folder of recorded traffic, one line of JSON each: {"case", "body"}.

usage: recorded_responses.py <folder>
"""

import json
import pathlib
import sys

import yaml


class Loader(yaml.SafeLoader):
    """Also reads `!binary`, Ruby's short tag for base64."""


Loader.add_constructor("!binary", lambda loader, node: None)


def cassette_requests(path):
    record = yaml.load(path.read_text(), Loader=Loader) or {}
    for exchange in record.get("interactions") or record.get("http_interactions") or []:
        request = exchange["request"]
        if not (request.get("uri") or request.get("url") or "").endswith("/responses"):
            continue
        body = request.get("parsed_body") or request.get("body")
        if isinstance(body, dict) and "string" in body and "input" not in body:
            body = body["string"]
        if body:
            yield json.loads(body) if isinstance(body, str) else body


def main(folder):
    for path in sorted(pathlib.Path(folder).rglob("*")):
        name = str(path.relative_to(folder))
        if path.suffix == ".yaml":
            bodies = list(cassette_requests(path))
        elif name.startswith("openai-responses/") and path.name.endswith("request.json"):
            bodies = [json.loads(path.read_text())]
        else:
            continue
        for number, body in enumerate(bodies):
            if isinstance(body, dict) and "input" in body:
                print(json.dumps({"case": f"{name}#{number}", "body": body}))


main(sys.argv[1])
