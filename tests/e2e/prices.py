"""What a request must cost, worked out apart from the gateway: from the operator's TOML and, for the models the
scenarios pin, from a table written down here."""
import datetime
import decimal
import tomllib

from harness import SOURCE

CLASSES = {"input_fresh": "input_per_mtok", "input_cache_read": "cached_per_mtok", "input_cache_write_5m": "cache_write_5m_per_mtok",
           "input_cache_write_1h": "cache_write_1h_per_mtok", "output_text": "output_per_mtok", "output_reasoning": "output_per_mtok"}

# USD per million tokens on 2026-11-22, small prompts: fresh, cached, written 5 min, written 1 h, output.
WRITTEN_DOWN = {
    ("deepseek", "deepseek-flash", "off-peak"): ("0.15", "0.003", "0.15", "0.15", "0.60"),
    ("deepseek", "deepseek-flash", "peak"): ("0.30", "0.006", "0.30", "0.30", "1.20"),
    ("anthropic", "claude-opus-5-5", ""): ("4", "0.20", "5", "8", "20"),
    ("anthropic", "claude-haiku-5-5", ""): ("0.10", "0.01", "0.125", "0.20", "0.50"),
    ("gemini", "gemini-3.1-pro-preview", ""): ("2", "0.20", "2", "2", "12"),
    ("gemini", "gemini-3.8-flash", ""): ("0.75", "0.075", "0.75", "0.75", "3.75"),
}
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def pico(usd_per_million):
    """Pico-credits per token; exact, because prices are decimals."""
    whole, _, fraction = str(usd_per_million).partition(".")
    return int(whole) * 10**6 + int((fraction + "000000")[:6] or 0)


def pico_per_request(usd):
    return int(decimal.Decimal(str(usd)) * 10**12)


def in_window(window, instant, holidays):
    if "days" in window and DAYS[instant.weekday()] not in window["days"]:
        return False
    if window.get("except") and instant.date() in holidays.get(window["except"], ()):
        return False
    minute = instant.hour * 60 + instant.minute
    for span in window.get("utc", []):
        start, end = (int(t[:2]) * 60 + int(t[3:]) for t in span.split("-"))
        if start <= minute < end:
            return True
    return False


def as_instant(value):
    """A date of the TOML is its midnight in UTC."""
    if isinstance(value, datetime.datetime):
        return value
    return datetime.datetime(value.year, value.month, value.day, tzinfo=datetime.timezone.utc)


def day_or_instant(value):
    """As price ids spell it."""
    instant = as_instant(value).astimezone(datetime.timezone.utc)
    midnight = (instant.hour, instant.minute, instant.second) == (0, 0, 0)
    return instant.strftime("%Y-%m-%d" if midnight else "%Y-%m-%dT%H:%M:%SZ")


class PriceList:
    def __init__(self, folder=SOURCE / "providers"):
        self.models, self.holidays = {}, {}
        for file in sorted(folder.glob("*.toml")):
            data = tomllib.loads(file.read_text())
            provider = data.get("provider", {}).get("id")
            self.holidays |= data.get("holidays", {})
            for model in data.get("model", []):
                self.models[provider or model.get("provider"), model["id"]] = model

    def line_at(self, provider, model, unix_s):
        """The price line in force, windows applied, and its id; nothing outside of every interval."""
        instant = datetime.datetime.fromtimestamp(unix_s, datetime.timezone.utc)
        lines = [p for p in self.models[provider, model].get("price", []) if as_instant(p["from"]) <= instant]
        if not lines:
            return None, None
        line = max(lines, key=lambda p: as_instant(p["from"]))
        if line.get("until") and instant >= as_instant(line["until"]):
            return None, None
        name = f"{provider}/{model}@{day_or_instant(line['from'])}"
        for window in line.get("window", []):
            if in_window(window, instant, self.holidays):
                return line | window, f"{name}/{window['name']}"
        return line, name

    def rates(self, provider, model, unix_s, prompt_tokens):
        """Pico-credits per token for each class."""
        line, _ = self.line_at(provider, model, unix_s)
        for tier in sorted(line.get("tier", []), key=lambda t: t["prompt_tokens_above"]):
            if prompt_tokens > tier["prompt_tokens_above"]:
                line = line | tier
        fresh = line["input_per_mtok"]
        return {name: pico(line.get(field, fresh)) for name, field in CLASSES.items()}

    def search_price(self, provider, model, unix_s):
        """Pico-credits for a search of the web; a window says it again only where it changes."""
        line, _ = self.line_at(provider, model, unix_s)
        return int(decimal.Decimal(str(line.get("web_search_per_1k", 0))) * 10**9)

    def charge(self, provider, model, unix_s, tokens):
        """Nano-credits of these tokens at that instant; rounded up once."""
        line, _ = self.line_at(provider, model, unix_s)
        prompt = sum(tokens[name] for name in CLASSES if name.startswith("input"))
        rates = self.rates(provider, model, unix_s, prompt)
        total = sum(tokens[name] * rates[name] for name in CLASSES) + pico_per_request(line.get("per_request", 0))
        total += tokens.get("web_search", 0) * self.search_price(provider, model, unix_s)
        return -(-total // 1000)

    def cost(self, entry):
        """Nano-credits of one line of the simulator's billing log."""
        return self.charge(entry["provider"], entry["model"], entry["started_unix_s"], entry["billed"])


def cost_written_down(entry):
    """The same from the table above; nothing for models that are not in it."""
    tokens, target = entry["billed"], (entry["provider"], entry["model"])
    instant = datetime.datetime.fromtimestamp(entry["started_unix_s"], datetime.timezone.utc)
    peak = instant.weekday() < 5 and (1 <= instant.hour < 4 or 6 <= instant.hour < 10)
    label = ("peak" if peak else "off-peak") if entry["provider"] == "deepseek" else ""
    if (*target, label) not in WRITTEN_DOWN or tokens.get("web_search"):
        return None
    fresh, cached, five, hour, output = map(pico, WRITTEN_DOWN[*target, label])
    total = (tokens["input_fresh"] * fresh + tokens["input_cache_read"] * cached + tokens["input_cache_write_5m"] * five +
             tokens["input_cache_write_1h"] * hour + (tokens["output_text"] + tokens["output_reasoning"]) * output)
    return -(-total // 1000)
