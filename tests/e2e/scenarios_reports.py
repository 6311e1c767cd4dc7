"""Reports on a running gateway and on its directory alone: spending, forecast, and providers' exports against the ledger."""
import csv
import datetime
import io
import json

from harness import check, check_equal
from prices import PriceList

TARGETS = ("deepseek/deepseek-flash,anthropic/claude-opus-5-5,anthropic/claude-haiku-5-5,gemini/gemini-3.1-pro-preview,"
           "gemini/gemini-3.8-flash")
DISPLAY = {"claude-opus-5-5": "Claude Opus 5.5", "claude-haiku-5-5": "Claude Haiku 5.5"}


def day_of(entry):
    ended = entry["started_unix_s"] + entry["wall_us"] / 1e6
    return datetime.datetime.fromtimestamp(ended, datetime.timezone.utc).date().isoformat()


def summed(entries, *fields):
    """Counts of each class and nano-credits, by day, model and whatever else `fields` name."""
    prices, groups = PriceList(), {}
    for entry in entries:
        group = groups.setdefault((day_of(entry), entry["model"]) + tuple(f(entry) for f in fields), {"cost": 0})
        for name, count in entry["billed"].items():
            group[name] = group.get(name, 0) + count
        group["cost"] += prices.cost(entry)
    return groups


def write_csv(path, header, rows):
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    path.write_text(text.getvalue())
    return path


def money(pico):
    return f"{pico // 10**12}.{pico % 10**12:012}"


def anthropic_usage(bench, entries, more_output=0):
    """The Console's usage export, as the provider would write it."""
    header = ("usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,"
              "usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,"
              "usage_output_tokens,web_search_count").split(",")
    rows = [(day, model, "gateway", "Default", "standard", "≤ 200k", g["input_fresh"], g["input_cache_write_5m"], g["input_cache_write_1h"],
             g["input_cache_read"], g["output_text"] + g["output_reasoning"] + more_output, 0) for (day, model), g in summed(entries).items()]
    return write_csv(bench.folder / "anthropic-usage.csv", header, rows)


def anthropic_cost(bench, entries):
    """The Console's cost export: models by display name, a row per class, no counts."""
    classes = {"input_no_cache": ("input_fresh",), "input_cache_read": ("input_cache_read",), "input_cache_write_5m": ("input_cache_write_5m",),
               "input_cache_write_1h": ("input_cache_write_1h",), "output": ("output_text", "output_reasoning")}
    prices, sums = PriceList(), {}
    for entry in entries:
        prompt = sum(count for name, count in entry["billed"].items() if name.startswith("input"))
        rates = prices.rates("anthropic", entry["model"], entry["started_unix_s"], prompt)
        for word, names in classes.items():
            place = (day_of(entry), entry["model"], word)
            sums[place] = sums.get(place, 0) + sum(entry["billed"][name] * rates[name] for name in names)
    rows = [(day, DISPLAY[model], "Default", "gateway", "message", word, money(pico), "token") for (day, model, word), pico in sums.items()]
    return write_csv(bench.folder / "anthropic-cost.csv", "usage_date_utc,model,workspace,api_key,usage_type,token_type,cost_usd,cost_type".split(","), rows)


def deepseek_files(bench, entries):
    """The platform's two exports: counts with the price per token, and what was taken from the wallet."""
    prices, sums, totals = PriceList(), {}, {}
    for entry in entries:
        rates = prices.rates("deepseek", entry["model"], entry["started_unix_s"], 0)
        for word, names in {"input_cache_miss_tokens": ("input_fresh",), "input_cache_hit_tokens": ("input_cache_read",),
                            "output_tokens": ("output_text", "output_reasoning")}.items():
            count = sum(entry["billed"][name] for name in names)
            place = (day_of(entry), entry["model"], word, rates[names[0]])
            sums[place] = sums.get(place, 0) + count
            totals[place[:2]] = totals.get(place[:2], 0) + count * rates[names[0]]
    amount = write_csv(bench.folder / "amount.csv", "user_id,utc_date,model,api_key_name,api_key,type,price,amount".split(","),
                       [("u1", day, model, "gateway", "sk-***", word, money(rate), count) for (day, model, word, rate), count in sums.items()])
    cost = write_csv(bench.folder / "cost.csv", "user_id,utc_date,model,wallet_type,cost,currency".split(","),
                     [("u1", day, model, "Paid", money(pico), "USD") for (day, model), pico in totals.items()])
    return amount, cost


def google_export(bench, entries):
    """BigQuery's billing export as CSV: a row per hour and SKU."""
    words = {"input token count": ("input_fresh",), "cached input token count": ("input_cache_read",), "output token count": ("output_text", "output_reasoning")}
    prices, sums = PriceList(), {}
    for entry in entries:
        prompt = sum(count for name, count in entry["billed"].items() if name.startswith("input"))
        rates = prices.rates("gemini", entry["model"], entry["started_unix_s"], prompt)
        for word, names in words.items():
            place = (day_of(entry), entry["model"], word)
            count, pico = sums.get(place, (0, 0))
            more = sum(entry["billed"][name] for name in names)
            sums[place] = (count + more, pico + more * rates[names[0]])
    rows = [("Gemini API", f"Generate content {word} {model.replace('-', ' ')} short text", f"{day} 10:00:00 UTC", count, "count", money(pico), "USD")
            for (day, model, word), (count, pico) in sums.items()]
    header = "service.description,sku.description,usage_start_time,usage.amount,usage.unit,cost,currency".split(",")
    return write_csv(bench.folder / "google.csv", header, rows)


def reconcile(bench, *arguments, expect=0):
    return json.loads(bench.run("--json", "report", "reconcile", *arguments, expect=expect))


def check_equal_bills(bench, exports, entries):
    for provider, (files, count_of_models) in exports.items():
        answer = reconcile(bench, *files, "--provider", provider, "--tolerance", "0")
        billed = sum(cost["cost"] for (_, _, p), cost in summed(entries, lambda e: e["provider"]).items() if p == ("gemini" if provider == "google" else provider))
        check_equal((answer["difference_nano"], answer["apart_nano"]), (0, 0), f"{provider}: {json.dumps(answer, indent=1)}")
        check_equal(answer["invoice_nano"], billed, f"{provider}: the invoice against the billing log, in nano-credits")
        check_equal(len({row["model"] for row in answer["rows"]}), count_of_models, f"models of {provider}")
        check_equal(answer["within"], True, provider)


def providers_exports_agree_with_the_ledger(bench):
    """Exports made of the simulator's billing log reconcile to zero, live and on the bare directory; a foreign key's tokens show."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    count = bench.scaled(300, 150)
    figures = bench.load(gateway.url, key, "--models", TARGETS, "--concurrency", 40, "--requests", count, "--stream-share", 0.7,
                         "--loop-share", 0.4, "--seconds", 60, "--timeout-s", 60, "--directive", "tokens=30 think_tokens=20")
    check_equal((figures["completed"], figures["broken"]), (figures["requests"], 0), figures)
    gateway.at_rest(60)
    simulator.quiet()
    entries = simulator.billing()
    of = {name: [e for e in entries if e["provider"] == name] for name in ("anthropic", "deepseek", "gemini")}
    exports = {"anthropic": ((anthropic_usage(bench, of["anthropic"]), anthropic_cost(bench, of["anthropic"])), 2),
               "deepseek": (deepseek_files(bench, of["deepseek"]), 1), "google": ((google_export(bench, of["gemini"]),), 2)}
    check_equal_bills(bench, exports, entries)

    padded = anthropic_usage(bench, of["anthropic"], more_output=100_000)
    answer = reconcile(bench, padded, expect=1)
    check_equal([cause["cause"] for cause in answer["causes"]], ["not_through_gateway"], "why the padded export differs")
    models = len({row["model"] for row in answer["rows"] if row["difference_nano"]})
    check_equal(models, 2, "models that differ")
    text = bench.run("report", "spend", "--invoice", padded, "--tolerance", "1000000")
    check("output +100000" in text and "within 1000000.00 %" in text, text)

    gateway.stop()
    anthropic_usage(bench, of["anthropic"])
    check_equal_bills(bench, exports, entries)


def spending_and_forecast_speak_of_the_same_money(bench):
    """Groups, periods and formats add up to one sum; the forecast knows the budget, the week and the models' next prices."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    bench.run("budgets", "set", "org:e2e", "100/month", "50/day")
    bench.load(gateway.url, key, "--models", TARGETS, "--concurrency", 20, "--requests", bench.scaled(100, 60), "--seconds", 30, "--directive", "tokens=20")
    gateway.at_rest(60)
    spend = json.loads(bench.run("--json", "report", "spend"))
    total = spend["total"]["cost_nano"]
    check(total > 0, spend)
    for flags in (("--by", "provider,tier"), ("--by", "org,team,user,key"), ("--every", "hour", "--by", "model"), ("--by", "settlement,cause,price,week,month")):
        report = json.loads(bench.run("--json", "report", "spend", "--since", "7d", *flags))
        check_equal(sum(row["cost_nano"] for row in report["rows"]), total, f"sum of report spend {flags}")
    rows = list(csv.DictReader(io.StringIO(bench.run("report", "spend", "--by", "model,tier", "--format", "csv"))))
    check_equal(sum(int(row["attempts"]) for row in rows), spend["total"]["attempts"], "attempts in the CSV")
    check({row["tier"] for row in rows} != {""}, rows)
    series = json.loads(bench.run("--json", "report", "spend", "--every", "day", "--since", "3d"))["rows"]
    check(len(series) >= 3 and sum(row["attempts"] == 0 for row in series) >= 2, series)

    forecast = json.loads(bench.run("--json", "report", "forecast"))
    check_equal({(b["budget"], b["window"]) for b in forecast["budgets"]}, {("org:e2e", "100.00/month"), ("org:e2e", "50.00/day")}, "budgets")
    check_equal({b["burned_nano"] for b in forecast["budgets"]}, {total}, "burned of late")
    check_equal(forecast["bill"]["settled_nano"], total, "last week's bill")
    flash = next(m for m in forecast["bill"]["models"] if m["model"] == "gemini/gemini-3.8-flash")
    check_equal((flash["change"]["kind"], flash["change"]["at"]), ("promotion", "2027-01-01T00:00:00Z"), "the next price of Gemini 3.8 Flash")
    check_equal(flash["then_nano"], 2 * flash["settled_nano"], "its bill at twice the price")
    table = bench.run("report", "forecast")
    check("promotion ends" in table and "org:e2e" in table, table)
