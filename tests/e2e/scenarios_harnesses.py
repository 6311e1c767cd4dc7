"""Agent harnesses as people install them, headless: each runs a loop of two tool calls on each provider, over each wire it
speaks, and prints the answer. Telemetry and updates are off; every host but loopback is behind a proxy that is not there.
What cannot be installed or started here is skipped loudly."""
import json
import os
import pathlib
import signal
import subprocess

from harness import PROVIDERS, Failed, check, check_equal, skip, unique
from scenarios_clients import modules_with
from scenarios_loop import TARGETS

NODE = "node@22.23.3"  # several harnesses want a newer Node than distributions have
CLAUDE_CODE = "@anthropic-ai/claude-code@2.1.330"
CODEX = "@openai/codex@0.169.0"
GEMINI_CLI = "@google/gemini-cli@0.61.0"
QWEN_CODE = "@qwen-code/qwen-code@0.24.4"
CLINE = "cline@3.0.65"
PI = "@mariozechner/pi-coding-agent@0.73.1"
OPENCODE = "opencode-ai@1.18.33"


def node_folder(bench):
    return modules_with(bench, NODE) / "node_modules" / "node" / "bin"


def program(bench, package, name):
    """The installed program, once it has shown that it starts."""
    path = modules_with(bench, package) / "node_modules" / ".bin" / name
    env = environment(bench, bench.folder / "probe")
    try:
        probe = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=120, env=env, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        skip(f"{name} does not start here: {error}")
    if probe.returncode != 0:
        skip(f"{name} does not start here: {(probe.stdout + probe.stderr)[-300:]}")
    return path


def environment(bench, home):
    """A home of its own, no keys of the machine, and no way out but loopback."""
    home.mkdir(parents=True, exist_ok=True)
    env = {name: os.environ[name] for name in ("LANG", "TERM", "TMPDIR", "SHELL") if name in os.environ}
    env |= {"HOME": str(home), "PATH": f"{node_folder(bench)}:{os.environ['PATH']}", "CI": "1", "NO_COLOR": "1", "SHELL": "/bin/bash",
            "XDG_CONFIG_HOME": str(home / "config"), "XDG_DATA_HOME": str(home / "data"), "XDG_CACHE_HOME": str(home / "cache"),
            "XDG_STATE_HOME": str(home / "state"), "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        env[name] = "http://127.0.0.1:9"
    return env


class Run:
    """One harness run in folders of its own: what to start, and in which surroundings."""

    def __init__(self, bench, name, url, key, model):
        self.home, self.work = bench.folder / f"home-{name}", bench.folder / f"work-{name}"
        self.env = environment(bench, self.home)
        self.work.mkdir()
        self.env["PWD"] = str(self.work)
        self.url, self.key, self.model = url, key, model

    def write(self, path, content):
        file = self.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        return file


def end_leftovers(bench):
    """Some harnesses leave a helper process behind. Whatever has its home in the scenario's folder ends with it."""
    mark = f"HOME={bench.folder}".encode()
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and any(v.startswith(mark) for v in (entry / "environ").read_bytes().split(b"\0")):
                os.kill(int(entry.name), signal.SIGTERM)
        except (OSError, ValueError):
            continue


def claude_code(run, binary, prompt):
    run.env |= {"ANTHROPIC_BASE_URL": run.url, "ANTHROPIC_AUTH_TOKEN": run.key, "ANTHROPIC_MODEL": run.model,
                "ANTHROPIC_DEFAULT_HAIKU_MODEL": "turnpike-bulk", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_TELEMETRY": "1",
                "DISABLE_ERROR_REPORTING": "1", "DISABLE_AUTOUPDATER": "1", "CLAUDE_CODE_MAX_RETRIES": "2"}
    return [binary, "-p", prompt, "--allowedTools", "Bash,Read"]


def codex(run, binary, prompt):
    run.env |= {"CODEX_HOME": str(run.home / "codex"), "GW_KEY": run.key}
    run.write("codex/config.toml", f'model = "{run.model}"\nmodel_provider = "gw"\n[analytics]\nenabled = false\n'
              f'[model_providers.gw]\nname = "gw"\nbase_url = "{run.url}/v1"\nenv_key = "GW_KEY"\nwire_api = "responses"\n')
    return [binary, "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", prompt]


def gemini_cli(run, binary, prompt):
    run.env |= {"GOOGLE_GEMINI_BASE_URL": run.url, "GEMINI_API_KEY": run.key}
    run.write(".gemini/settings.json", {"security": {"auth": {"selectedType": "gemini-api-key"}}, "privacy": {"usageStatisticsEnabled": False},
                                        "general": {"disableAutoUpdate": True, "enableAutoUpdate": False}})
    return [binary, "-m", run.model, "--yolo", "--skip-trust", "-p", prompt]


def qwen_code(wire):
    def start(run, binary, prompt):
        run.env |= {"OPENAI_BASE_URL": f"{run.url}/v1", "OPENAI_API_KEY": run.key, "OPENAI_MODEL": run.model,
                    "ANTHROPIC_BASE_URL": run.url, "ANTHROPIC_API_KEY": run.key, "ANTHROPIC_MODEL": run.model}
        run.write(".qwen/settings.json", {"privacy": {"usageStatisticsEnabled": False}, "general": {"disableAutoUpdate": True, "enableAutoUpdate": False},
                                          "telemetry": {"enabled": False}})
        return [binary, "--auth-type", wire, "--yolo", "-p", prompt]
    return start


def cline(run, binary, prompt):
    done = subprocess.run([binary, "auth", "-p", "openai", "-k", run.key, "-m", run.model, "-b", f"{run.url}/v1"], env=run.env, cwd=run.work,
                          capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    check(done.returncode == 0, f"cline auth: {done.stdout[-500:]}{done.stderr[-500:]}")
    return [binary, "-P", "openai", "-m", run.model, prompt]


def pi(run, binary, prompt):
    model = {"id": run.model, "name": run.model, "reasoning": False, "input": ["text"], "contextWindow": 200000, "maxTokens": 8192,
             "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0}}
    run.write(".pi/agent/models.json", {"providers": {"gw": {"baseUrl": f"{run.url}/v1", "api": "openai-completions", "apiKey": run.key, "models": [model]}}})
    return [binary, "--provider", "gw", "--model", run.model, "--print", prompt]


OPENCODE_WIRES = {"chat": ("@ai-sdk/openai-compatible", "/v1"), "messages": ("@ai-sdk/anthropic", "/v1"),
                  "responses": ("@ai-sdk/openai", "/v1"), "gemini": ("@ai-sdk/google", "/v1beta")}


def opencode(wire):
    npm, path = OPENCODE_WIRES[wire]

    def start(run, binary, prompt):
        run.write("opencode.json", {
            "autoupdate": False, "share": "disabled", "model": f"gw/{run.model}", "small_model": "gw/turnpike-bulk", "permission": {"bash": "allow"},
            "provider": {"gw": {"npm": npm, "options": {"baseURL": run.url + path, "apiKey": run.key},
                                "models": {run.model: {"name": run.model, "tool_call": True}, "turnpike-bulk": {"name": "bulk", "tool_call": True}}}}})
        run.env |= {"OPENCODE_CONFIG": str(run.home / "opencode.json"), "OPENCODE_DISABLE_MODELS_FETCH": "1"}
        return [binary, "run", prompt]
    return start


def prompt_for(command, name, tool, rounds=1):
    """Words that make the simulated models run the command. OpenCode escapes quotes; others add texts with backquotes of their own."""
    directive = f"rounds={rounds} calls=1" + (f" tool={tool}" if tool else "")
    if name != "opencode":
        directive += f' command="{command}"'
    return f"please run the shell command `{command}` [[sim {directive}]]"


def loop_on_each_provider(bench, package, name, start, tool=None, strict=True, seconds=150):
    """Two commands through the harness's own shell tool, then the final answer, on each provider; no provider refuses anything."""
    binary = program(bench, package, name)
    simulator = bench.simulator(*["--strict-schema"] if strict else [])  # a harness's own schemas go to Gemini as they are
    gateway, key = bench.gateway(simulator)
    for provider in PROVIDERS:
        word = unique()
        run = Run(bench, provider, gateway.url, key, TARGETS[provider])
        prompt = prompt_for(f"echo {word} >> made-by-the-tool.txt", name, tool, rounds=2)
        argv = start(run, binary, prompt)
        try:
            done = subprocess.run(argv, cwd=run.work, env=run.env, capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired as late:
            raise Failed(f"{provider}: {name} had not ended after {seconds} s: {(late.stdout or b'')[-800:]!r}") from late
        said = done.stdout + done.stderr
        made = run.work / "made-by-the-tool.txt"
        lines = made.read_text().split() if made.exists() else []
        check(lines == [word, word], f"{provider}: the tool ran {len(lines)} times, wanted 2 (exit {done.returncode}):\n{said[-1800:]}")
        check("Done" in said, f"{provider}: no final answer (exit {done.returncode}):\n{said[-1800:]}")
        check_equal(done.returncode, 0, f"{provider}: exit code of {name}\n{said[-800:]}")
    end_leftovers(bench)
    simulator.quiet()
    refused = [e for e in simulator.billing() if e["outcome"] == "refused"]
    check(not refused, lambda: f"a provider refused: {refused[0]}")
    reached = {e["provider"] for e in simulator.billing() if e["calls"]}
    check_equal(reached, set(PROVIDERS), "providers that asked for the tool")
    gateway.at_rest()


def claude_code_runs_a_loop_on_each_provider(bench):
    """Claude Code over Messages: two shell commands and the answer, on DeepSeek, Claude and Gemini."""
    loop_on_each_provider(bench, CLAUDE_CODE, "claude", claude_code, tool="Bash")


def codex_runs_a_loop_on_each_provider(bench):
    """Codex over Responses: two shell commands and the answer, on DeepSeek, Claude and Gemini."""
    loop_on_each_provider(bench, CODEX, "codex", codex)


def gemini_cli_runs_a_loop_on_each_provider(bench):
    """Gemini CLI over generateContent: two shell commands and the answer, on DeepSeek, Claude and Gemini."""
    loop_on_each_provider(bench, GEMINI_CLI, "gemini", gemini_cli, strict=False)


def qwen_code_runs_a_loop_over_chat(bench):
    """Qwen Code over Chat Completions: two shell commands and the answer, on each provider."""
    loop_on_each_provider(bench, QWEN_CODE, "qwen", qwen_code("openai"), tool="run_shell_command")


def qwen_code_runs_a_loop_over_messages(bench):
    """Qwen Code over Messages: two shell commands and the answer, on each provider."""
    loop_on_each_provider(bench, QWEN_CODE, "qwen", qwen_code("anthropic"), tool="run_shell_command")


def cline_runs_a_loop_on_each_provider(bench):
    """Cline over Chat Completions: two shell commands and the answer, on each provider."""
    loop_on_each_provider(bench, CLINE, "cline", cline, tool="run_commands")


def pi_runs_a_loop_on_each_provider(bench):
    """Pi over Chat Completions: two shell commands and the answer, on each provider."""
    loop_on_each_provider(bench, PI, "pi", pi)


def opencode_runs_a_loop_over_chat(bench):
    """OpenCode over Chat Completions: two shell commands and the answer, on each provider."""
    loop_on_each_provider(bench, OPENCODE, "opencode", opencode("chat"))


def opencode_runs_a_loop_over_messages(bench):
    """OpenCode over Messages: two shell commands and the answer, on each provider."""
    loop_on_each_provider(bench, OPENCODE, "opencode", opencode("messages"))


def opencode_runs_a_loop_over_responses(bench):
    """OpenCode over Responses: two shell commands and the answer, on each provider."""
    loop_on_each_provider(bench, OPENCODE, "opencode", opencode("responses"))


def opencode_runs_a_loop_over_gemini(bench):
    """OpenCode over generateContent: two shell commands and the answer, on each provider."""
    loop_on_each_provider(bench, OPENCODE, "opencode", opencode("gemini"), strict=False)



SDKS = ("openai@6.49.0", "@anthropic-ai/sdk@1.12.0", "@google/genai@3.1.0", "ai@7.0.173", "@ai-sdk/openai-compatible@2.0.91",
        "@ai-sdk/openai@3.0.141", "@ai-sdk/anthropic@3.0.139", "@ai-sdk/google@3.0.141")


def the_vendors_sdks_run_loops_on_each_provider(bench):
    """openai (Responses), @anthropic-ai/sdk, @google/genai and ai over four wires: a loop of two tools, streamed and whole, on each provider."""
    folder = modules_with(bench, SDKS[0], *SDKS[1:], folder="sdks")
    simulator = bench.simulator("--strict-schema")
    gateway, key = bench.gateway(simulator)
    script = pathlib.Path(__file__).with_name("vendor_sdks.mjs")
    for provider in PROVIDERS:
        done = subprocess.run([node_folder(bench) / "node", script, folder, gateway.url, key, TARGETS[provider]], capture_output=True, text=True,
                              timeout=180, env=environment(bench, bench.folder / "sdks"))
        results = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        bad = [r for r in results if not r["ok"]]
        check(done.returncode == 0 and not bad and len(results) == 16, lambda: f"{provider}: {len(results)} checks, {bad or done.stderr[-1500:]}")
    simulator.quiet()
    refused = [e for e in simulator.billing() if e["outcome"] == "refused"]
    check(not refused, lambda: f"a provider refused: {refused[0]}")
    gateway.at_rest()


def connect_writes_settings_that_work(bench):
    """turnpike connect --write makes the settings with which each harness runs its loop; a second run changes nothing."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    word = "connected"
    cases = {
        "claude-code": (CLAUDE_CODE, "claude", "Bash", lambda run, p: ["-p", p, "--allowedTools", "Bash"]),
        "codex": (CODEX, "codex", "", lambda run, p: ["exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", p]),
        "opencode": (OPENCODE, "opencode", "bash", lambda run, p: ["run", p]),
        "gemini-cli": (GEMINI_CLI, "gemini", "run_shell_command", lambda run, p: ["--yolo", "--skip-trust", "-p", p]),
        "qwen-code": (QWEN_CODE, "qwen", "run_shell_command", lambda run, p: ["--yolo", "-p", p]),
        "pi": (PI, "pi", "bash", lambda run, p: ["--provider", "turnpike", "--model", TARGETS["deepseek"], "--print", p]),
    }
    for harness_name, (package, name, tool, arguments) in cases.items():
        binary = program(bench, package, name)
        run = Run(bench, harness_name, gateway.url, key, TARGETS["deepseek"])
        for name_ in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
            del run.env[name_]
        run.env["TURNPIKE_KEY"] = key
        argv = ["connect", harness_name, "--url", gateway.url, "--key", key, "--model", TARGETS["deepseek"],
                "--small-model", "turnpike-bulk", "--dir", run.home, "--write"]
        first = bench.run(*argv)
        again = bench.run(*argv)
        check("nothing" in again.lower() or "no change" in again.lower(), f"{harness_name}: a second connect said:\n{again[-600:]}")
        text = prompt_for(f"echo {word} >> made-by-the-tool.txt", name, tool)
        done = subprocess.run([binary, *arguments(run, text)], cwd=run.work, env=run.env, capture_output=True, text=True, timeout=150,
                              stdin=subprocess.DEVNULL)
        made = run.work / "made-by-the-tool.txt"
        check(made.exists() and word in made.read_text(),
              f"{harness_name}: the tool did not run (exit {done.returncode}):\n{(done.stdout + done.stderr)[-1500:]}\n--- connect said\n{first[-1500:]}")
    gateway.at_rest()


def doctor_finds_each_dialect_and_target_well(bench):
    """turnpike doctor: text, stream, tools, parallel tools, thinking, cache, schema and error shape pass for 4 dialects x 3 providers."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    said = bench.run("doctor", "--json", "--url", gateway.url, "--key", key, *[a for p in PROVIDERS for a in ("--target", TARGETS[p])], expect=None)
    check(said.stdout.strip(), said.stderr[-800:])
    findings = json.loads(said.stdout)["findings"]
    check_equal(len(findings), 4 * 3 * 8, "probes")
    bad = [f for f in findings if f["result"] == "FAILED"]
    check(not bad and said.returncode == 0, lambda: f"exit {said.returncode}: {bad}")
    cannot = sorted({(f["client"], f["target"].split("/")[0], f["probe"]) for f in findings if f["result"] == "cannot"})
    check(len(cannot) <= 4, lambda: f"too much that cannot be: {cannot}")
    gateway.at_rest()
