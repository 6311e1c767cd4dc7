"""Fuzzing seeds from recorded traffic.

usage: seeds.py <shared folder> <output folder>      writes <output folder>/<target>/<name>

A seed is 4 bytes of setting (see the targets) and a text. Those longer than the fuzzers' inputs are left out.
"""

import hashlib
import json
import pathlib
import subprocess
import sys

DIALECTS = ["openai-chat", "openai-responses", "anthropic-messages", "gemini-generate"]
INPUT_BYTES_MAX = 16384
SCRIPTS = pathlib.Path(__file__).parent.parent / "dialect"


def lines_of(script, folder):
    """The recordings as the tests of the dialects read them."""
    found = subprocess.run([sys.executable, SCRIPTS / script, folder], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in found.stdout.splitlines()]


def put(out, target, setting, text):
    seed = setting.encode() + text.encode()
    if len(seed) > INPUT_BYTES_MAX:
        return 0
    folder = out / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha256(seed).hexdigest()[:20]).write_bytes(seed)
    return 1


def answers(wire, out):
    count = 0
    for number, answer in enumerate(lines_of("cassettes.py", wire)):
        if "skip" in answer:
            continue
        provider = DIALECTS.index(answer["dialect"])
        for client in range(4):
            count += put(out, "decode", f"{provider}{client}0{number % 10}", answer["body"])
        if answer["form"] == "stream":
            count += put(out, "sse", f"{number % 10}\x0000", answer["body"])
    return count


def requests(shared, wire, out):
    count = 0
    for client, script, folder in (
        (0, "recorded_requests.py", wire),
        (1, "recorded_responses.py", wire),
        (2, "anthropic_requests.py", shared),
        (3, "recorded_gemini.py", wire),
    ):
        for request in lines_of(script, folder):
            body = request["body"]
            text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False, separators=(",", ":"))
            count += put(out, "request", f"{client}000", text)
    return count


def main():
    shared, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    wire = shared / "data" / "wire"
    print(f"{answers(wire, out)} answers, {requests(shared, wire, out)} requests as seeds")


main()
