"""What the oracle's run sends: providers with prices that change under way, and random requests, each from a seed of its own."""
import datetime
import json
import random
import re
import urllib.parse
from dataclasses import dataclass

# A price block per model, in the TOML of providers/. Figures are crooked on purpose: they come out whole in pico-credits
# and seldom whole in nano-credits. {a} to {d} are instants of the run in order, {m} and {n} whole minutes of the day.
PRICES = {
    # A promotion that ends, then a dearer price.
    "deepseek-flash": """
[[model.price]]
from = 2026-01-01T00:00:00Z
until = {a}
input_per_mtok = "0.150001"
cached_per_mtok = "0.003007"
output_per_mtok = "0.600013"
[[model.price]]
from = {a}
until = {b}
promotion = true
input_per_mtok = "0.075003"
cached_per_mtok = "0.001501"
output_per_mtok = "0.300011"
[[model.price]]
from = {b}
input_per_mtok = "0.230017"
cached_per_mtok = "0.004603"
output_per_mtok = "0.910019"
""",
    # Tiers by prompt size, classes of caching, a price per request; changes once.
    "claude-haiku-5-5": """
[[model.price]]
from = 2026-01-01T00:00:00Z
until = {c}
input_per_mtok = "0.100003"
cached_per_mtok = "0.010007"
cache_write_5m_per_mtok = "0.125011"
cache_write_1h_per_mtok = "0.200013"
output_per_mtok = "0.500017"
per_request = "0.000000123"
[[model.price.tier]]
prompt_tokens_above = 300
input_per_mtok = "0.200001"
cached_per_mtok = "0.020003"
cache_write_5m_per_mtok = "0.250007"
cache_write_1h_per_mtok = "0.400009"
output_per_mtok = "0.700011"
[[model.price.tier]]
prompt_tokens_above = 1200
input_per_mtok = "0.300007"
cached_per_mtok = "0.030001"
cache_write_5m_per_mtok = "0.375003"
cache_write_1h_per_mtok = "0.600001"
output_per_mtok = "0.900019"
[[model.price]]
from = {c}
input_per_mtok = "0.130001"
cached_per_mtok = "0.013003"
cache_write_5m_per_mtok = "0.162507"
cache_write_1h_per_mtok = "0.260011"
output_per_mtok = "0.650023"
""",
    # A window of the day that begins and ends under way, if the run is long enough to meet whole minutes.
    "claude-opus-5-5": """
[[model.price]]
from = 2026-01-01T00:00:00Z
input_per_mtok = "4.000003"
cached_per_mtok = "0.200009"
cache_write_5m_per_mtok = "5.000011"
cache_write_1h_per_mtok = "8.000021"
output_per_mtok = "20.000033"
[[model.price.window]]
name = "peak"
utc = ["{m}-{n}"]
input_per_mtok = "6.000007"
cached_per_mtok = "0.300013"
cache_write_5m_per_mtok = "7.500001"
cache_write_1h_per_mtok = "12.000031"
output_per_mtok = "30.000041"
""",
    # Free at first.
    "gemini-3.8-flash": """
[[model.price]]
from = 2026-01-01T00:00:00Z
until = {d}
promotion = true
input_per_mtok = "0"
cached_per_mtok = "0"
output_per_mtok = "0"
[[model.price]]
from = {d}
input_per_mtok = "0.750001"
cached_per_mtok = "0.075003"
output_per_mtok = "3.750007"
""",
    "gemini-3.1-pro-preview": """
[[model.price]]
from = 2026-01-01T00:00:00Z
input_per_mtok = "2.000003"
cached_per_mtok = "0.200007"
output_per_mtok = "12.000011"
[[model.price.tier]]
prompt_tokens_above = 700
input_per_mtok = "4.000009"
cached_per_mtok = "0.400013"
output_per_mtok = "18.000017"
""",
    # Free, then retired.
    "gemini-3.1-flash-lite": """
[[model.price]]
from = 2026-01-01T00:00:00Z
until = {c}
input_per_mtok = "0"
output_per_mtok = "0"
""",
    # Without a price nothing is sent.
    "claude-sonnet-4-5": "",
}
RETIRING, UNPRICED = "gemini/gemini-3.1-flash-lite", "anthropic/claude-sonnet-4-5"
IDLE_MS = 5000  # silence of a provider after which the gateway gives up; "stall" and "delay" are longer
PINS = ("deepseek/deepseek-flash", "anthropic/claude-haiku-5-5", "anthropic/claude-opus-5-5", "gemini/gemini-3.8-flash",
        "gemini/gemini-3.1-pro-preview")
DIALECTS = ("chat", "messages", "responses", "gemini")
PREFIXES = [f"Rules of house {number}. " + "Measure twice and cut once. " * 90 for number in range(6)]


def instants(start, seconds):
    """Where prices change: at whole seconds after `start`, spread over a run of so many seconds; and two minutes of the day."""
    def at(share):
        moment = datetime.datetime.fromtimestamp(int(start + seconds * share) + 1, datetime.timezone.utc)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    minute = (datetime.datetime.fromtimestamp(start, datetime.timezone.utc) + datetime.timedelta(minutes=1)).replace(second=0)
    after = minute + datetime.timedelta(minutes=max(1, int(seconds / 120)))
    return {"a": at(0.15), "b": at(0.5), "c": at(0.65), "d": at(0.35), "m": minute.strftime("%H:%M"), "n": after.strftime("%H:%M")}


def write_prices(folder, moments):
    """Replaces the prices of the models above and shortens the time-outs in a copy of the shipped providers/."""
    for file in folder.glob("*.toml"):
        head, *models = re.split(r"(?m)^(?=\[\[model\]\]$)", file.read_text())
        head = re.sub(r"(response_head_ms|idle_ms) = \d+", rf"\1 = {IDLE_MS}", head)
        for number, text in enumerate(models):
            name = re.search(r'(?m)^id = "([^"]+)"', text).group(1)
            if name in PRICES:
                kept = re.split(r"(?m)^(?=\[\[model\.price)", text)[0]
                models[number] = kept + PRICES[name].format(**moments) + "\n"
        file.write_text(head + "".join(models))


@dataclass
class Plan:
    """One request: what is sent, what will go wrong, and whether the client stays."""
    number: int
    key: int
    dialect: str
    model: str
    stream: bool
    fault: str
    leave_after_ms: float | None
    leave_after_bytes: int | None
    path: str
    body: bytes

    @property
    def leaves(self):
        return self.leave_after_ms is not None or self.leave_after_bytes is not None


def random_fault(dice, stream, pinned):
    """Most requests go well. The words are directives of docs/simulator.md."""
    once = " times=1"
    choices = [("", 700), ("no_usage", 15), ("usage=-1", 5), ("usage='7'", 5), ("usage=1.5", 5), ("usage=9223372036854775808", 3),
               ("html", 5), ("empty", 5), ("redirect", 5), ("refuse" + once, 12), ("refuse times=2", 12), ("status=503" + once, 25),
               ("status=529 times=2", 12), ("status=400 type=invalid_request_error", 5), ("cut_after=0" + once, 12)]
    if stream:
        choices += [(f"cut_after={dice.randrange(1, 12)} cut={how}", 6) for how in ("rst", "fin", "truncate", "tidy")]
        choices += [(f"error_after={dice.randrange(1, 12)}", 8), (f"garbage={dice.randrange(1, 9)}", 5), ("no_terminator", 5), ("no_done", 3),
                    ("error_first" + once, 8), (f"stall_after={dice.randrange(1, 9)}", 1)]
    else:
        choices += [("cut_after=1 cut=fin", 5), ("garbage=1", 5)]
    choices += [("delay_ms=6500" + once, 1)]
    fault = dice.choices([c for c, _ in choices], [w for _, w in choices])[0]
    return fault if pinned or not fault else dice.choice(("only=deepseek ", "")) + fault


def body_of(dice, dialect, model, text, most, stream):
    """(path, body) of a request in the dialect, its maximum of output tokens given."""
    prefix = dice.choice(PREFIXES) if dice.random() < 0.3 else "Be brief."
    if dialect == "chat":
        body = {"model": model, dice.choice(("max_tokens", "max_completion_tokens")): most, "stream": stream,
                "messages": [{"role": "system", "content": prefix}, {"role": "user", "content": text}]}
        if stream and dice.random() < 0.5:
            body["stream_options"] = {"include_usage": True}
        return "/v1/chat/completions", body
    if dialect == "messages":
        system = [{"type": "text", "text": prefix}]
        if dice.random() < 0.6:
            system[0]["cache_control"] = {"type": "ephemeral", "ttl": dice.choice(("5m", "1h"))}
        return "/v1/messages", {"model": model, "max_tokens": most, "stream": stream, "system": system,
                                "messages": [{"role": "user", "content": text}]}
    if dialect == "responses":
        return "/v1/responses", {"model": model, "instructions": prefix, "input": text, "max_output_tokens": most, "stream": stream,
                                 "store": False}
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return f"/v1beta/models/{urllib.parse.quote(model, safe='')}:{method}", {
        "systemInstruction": {"parts": [{"text": prefix}]}, "contents": [{"role": "user", "parts": [{"text": text}]}],
        "generationConfig": {"maxOutputTokens": most}}


def plan(seed, number, keys):
    """The request of that number; the same for the same seed. Key and maximum of tokens together name it in the journal."""
    dice = random.Random(f"{seed}.{number}")
    dialect = dice.choices(DIALECTS, (40, 25, 20, 15))[0]
    model = dice.choices((*PINS, "turnpike-bulk", "turnpike-frontier", "auto", RETIRING, UNPRICED), (12, 12, 6, 10, 6, 30, 6, 15, 2, 1))[0]
    stream = dice.random() < 0.65
    fault = random_fault(dice, stream, "/" in model)
    pause = dice.choice((0, 0, 0, 1, 2))
    directive = f"tag=r{number} tokens={dice.randrange(1, 30)} think_tokens={dice.choice((0, 0, 5, 20))} cadence_ms={pause} cache_floor=64"
    if dice.random() < 0.2:
        directive += f" think_ms={dice.randrange(5, 60)}"
    text = f"[[sim {directive}]]" + (f" [[sim {fault}]]" if fault else "") + " Say it. " + "word " * dice.choice((0, 0, 100, 1000))
    after_ms = after_bytes = None
    if dice.random() < 0.12:
        if dice.random() < 0.5:
            after_ms = dice.uniform(0, 70)
        else:
            after_bytes = dice.randrange(1, 6000)
    path, body = body_of(dice, dialect, model, text, 1000 + number // keys, stream)
    return Plan(number, number % keys, dialect, model, stream, fault, after_ms, after_bytes, path, json.dumps(body).encode())
