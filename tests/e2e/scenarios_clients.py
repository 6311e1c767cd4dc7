"""Clients as people use them: curl, the openai SDK, OpenCode. What cannot be installed is skipped loudly."""
import json
import os
import pathlib
import shutil
import subprocess

from harness import PROVIDERS, check, check_equal, skip, unique
from scenarios_loop import TARGETS

OPENAI = "openai@6.49.0"
OPENCODE = "opencode-ai@1.18.33"


unreachable = []  # why nothing can be installed here: found out once, not once for each package


def modules_with(bench, package, *further, folder=None):
    """A folder in the build tree whose node_modules holds the package; installed once."""
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            skip(f"{tool} is not installed")
    name = package.rsplit("@", 1)[0]
    folder = bench.binaries.parent / "e2e-node" / (folder or name.replace("/", "_"))
    installed = folder / "node_modules" / name / "package.json"
    if installed.exists() and json.loads(installed.read_text())["version"] == package.rsplit("@", 1)[1]:
        return folder
    if unreachable:
        skip(unreachable[0])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text('{"private": true}\n')
    try:
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", package, *further], cwd=folder,
                              capture_output=True, text=True, timeout=300)
    except subprocess.TimeoutExpired:
        unreachable.append(f"npm install {package} took more than 300 s")
        skip(unreachable[0])
    if done.returncode != 0:
        unreachable.append(f"npm install {package} failed: {done.stderr.strip()[-300:]}")
        skip(unreachable[0])
    return folder


def the_openai_sdk_runs_loops_on_each_provider(bench):
    """openai SDK: streaming, tools, JSON schema, parallel calls, abort, errors, on DeepSeek, Claude and Gemini."""
    folder = modules_with(bench, OPENAI)
    simulator = bench.simulator("--strict-schema")
    gateway, key = bench.gateway(simulator)
    script = pathlib.Path(__file__).with_name("openai_sdk.mjs")
    for provider in PROVIDERS:
        done = subprocess.run(["node", script, folder, f"{gateway.url}/v1", key, TARGETS[provider]], capture_output=True, text=True,
                              timeout=120, env=bench.environment())
        results = [json.loads(line) for line in done.stdout.splitlines()]
        bad = [r for r in results if not r["ok"]]
        check(done.returncode == 0 and not bad and len(results) == 9, lambda: f"{provider}: {bad or done.stderr[-800:]}")
    simulator.quiet()
    refused = [e for e in simulator.billing() if e["outcome"] == "refused"]
    check(not refused, lambda: f"a provider refused: {refused[0]}")
    left = [e["outcome"] for e in simulator.billing() if e.get("tag") == "sdk-abort"]
    check_equal(sorted(left), ["aborted", "aborted", "complete"], "aborted calls at the providers (Gemini bills on and is drained)")
    gateway.at_rest()


def opencode_runs_a_loop_on_each_provider(bench):
    """OpenCode, headless: it runs the command the model asks for and prints the final answer, on each provider."""
    folder = modules_with(bench, OPENCODE)
    binary = folder / "node_modules" / ".bin" / "opencode"
    probe = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=60)
    if probe.returncode != 0:
        skip(f"opencode does not start here: {(probe.stdout + probe.stderr)[-300:]}")
    simulator = bench.simulator("--strict-schema")
    gateway, key = bench.gateway(simulator)
    for provider in PROVIDERS:
        home, work, word = bench.folder / f"home-{provider}", bench.folder / f"work-{provider}", unique()
        home.mkdir(), work.mkdir()
        models = {TARGETS[provider]: {"name": provider, "tool_call": True}, "turnpike-bulk": {"name": "bulk", "tool_call": True}}
        config = {"autoupdate": False, "share": "disabled", "model": f"gw/{TARGETS[provider]}", "small_model": "gw/turnpike-bulk",
                  "permission": {"bash": "allow"},
                  "provider": {"gw": {"npm": "@ai-sdk/openai-compatible", "options": {"baseURL": f"{gateway.url}/v1", "apiKey": key}, "models": models}}}
        (home / "opencode.json").write_text(json.dumps(config))
        env = bench.environment() | {"HOME": str(home), "PWD": str(work), "XDG_CONFIG_HOME": str(home / "config"), "XDG_DATA_HOME": str(home / "data"),
                                     "XDG_CACHE_HOME": str(home / "cache"), "XDG_STATE_HOME": str(home / "state"),
                                     "OPENCODE_CONFIG": str(home / "opencode.json"), "OPENCODE_DISABLE_MODELS_FETCH": "1"}
        done = subprocess.run([binary, "run", f"please run `echo {word} > made-by-the-tool.txt` with bash"], cwd=work, env=env,
                              capture_output=True, text=True, timeout=240, stdin=subprocess.DEVNULL)
        said = done.stdout + done.stderr
        made = work / "made-by-the-tool.txt"
        check(made.exists() and made.read_text().strip() == word, f"{provider}: the tool did not run (exit {done.returncode}):\n{said[-1500:]}")
        check("Done." in said, f"{provider}: no final answer:\n{said[-1500:]}")
    refused = [e for e in simulator.billing() if e["outcome"] == "refused"]
    check(not refused, lambda: f"a provider refused: {refused[0]}")
    reached = {e["provider"] for e in simulator.billing() if e["calls"]}
    check_equal(reached, set(PROVIDERS), "providers that asked for the tool")


def curl_streams_an_answer(bench):
    """curl -N with the key in either header shows the stream; HEAD / answers at once."""
    if not shutil.which("curl"):
        skip("curl is not installed")
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    body = json.dumps({"model": "auto", "stream": True, "messages": [{"role": "user", "content": "hello [[sim tokens=5]]"}]})
    for header in (f"Authorization: Bearer {key}", f"x-api-key: {key}"):
        done = subprocess.run(["curl", "-sN", "--max-time", "20", f"{gateway.url}/v1/chat/completions", "-H", header,
                               "-H", "Content-Type: application/json", "-d", body], capture_output=True, text=True)
        check(done.returncode == 0 and done.stdout.rstrip().endswith("data: [DONE]"), f"{header.split(':')[0]}: {done.stdout[-300:]}{done.stderr}")
    head = subprocess.run(["curl", "-sI", "--max-time", "5", gateway.url + "/"], capture_output=True, text=True)
    check(head.stdout.startswith("HTTP/1.1 20"), head.stdout)
