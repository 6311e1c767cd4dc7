#!/usr/bin/env python3
"""Writes turnpike.json, the Grafana board. Every query of the board stands in this file, once.

    make_board.py            writes turnpike.json beside this file
    make_board.py --check    exit code 1 if turnpike.json is not what this file describes
"""
import json
import pathlib
import sys

TARGET = pathlib.Path(__file__).with_name("turnpike.json")
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
AT = 'job="$job", instance=~"$instance"'
MODEL = f'{AT}, gen_ai_provider_name=~"$provider", gen_ai_request_model=~"$model"'
TARGETED = f'{AT}, provider=~"$provider", model=~"$model"'
R = "$__rate_interval"


def query(expression, legend="", instant=False):
    made = {"datasource": SOURCE, "expr": expression, "legendFormat": legend or "__auto"}
    return made | ({"instant": True, "range": False, "format": "table"} if instant else {"range": True})


def panel(kind, title, queries, unit="short", width=8, height=8, about="", **field):
    custom = {"fillOpacity": 10, "showPoints": "never", "lineWidth": 1} if kind == "timeseries" else {}
    if field.pop("stack", False):
        custom |= {"stacking": {"mode": "normal"}, "fillOpacity": 40}
    made = {"type": kind, "title": title, "description": about, "datasource": SOURCE, "size": (width, height),
            "fieldConfig": {"defaults": {"unit": unit, "custom": custom} | field, "overrides": []},
            "targets": [q | {"refId": chr(ord("A") + i)} for i, q in enumerate(queries)]}
    if kind == "timeseries":
        made["options"] = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}
    elif kind == "table":
        made["options"] = {"showHeader": True}
        made["transformations"] = [{"id": "organize", "options": {"excludeByName": {"Time": True, "__name__": True, "job": True}}}]
    elif kind == "stat":
        made["options"] = {"colorMode": "value", "graphMode": "area", "reduceOptions": {"calcs": ["lastNotNull"]}, "textMode": "auto"}
    elif kind == "heatmap":
        made["options"] = {"calculate": False, "yAxis": {"unit": unit}, "color": {"scheme": "Oranges", "mode": "scheme"}}
        for target in made["targets"]:
            target["format"] = "heatmap"
    return made


def graph(title, queries, unit="short", **more):
    return panel("timeseries", title, queries, unit, **more)


def stat(title, expression, unit="short", steps=None, **more):
    thresholds = [{"color": color, "value": value} for value, color in steps or [(None, "green")]]
    return panel("stat", title, [query(expression)], unit, width=3, height=4, thresholds={"mode": "absolute", "steps": thresholds}, **more)


def quantiles(metric, by, where, legend, levels=(0.5, 0.95)):
    return [query(f"histogram_quantile({level}, sum by ({by}, le) (rate({metric}_bucket{{{where}}}[{R}])))", f"p{level * 100:g} {legend}")
            for level in levels]


def ratio(part, whole, by):
    """0, not nothing, where a part has never happened."""
    group = f"sum by ({by})" if by else "sum"
    return f"({group} (rate({part}[{R}])) or 0 * {group} (rate({whole}[{R}]))) / ({group} (rate({whole}[{R}])) > 0)"


BY_MODEL, MODEL_NAME = "gen_ai_provider_name, gen_ai_request_model", "{{gen_ai_provider_name}}/{{gen_ai_request_model}}"
INPUT = f'turnpike_tokens_total{{{TARGETED}, class!~"output|reasoning"}}'

ROWS = [
    ("At a glance", [
        stat("Requests/s", f"sum(rate(turnpike_requests_total{{{AT}}}[{R}]))", "reqps"),
        stat("5xx share", ratio(f'turnpike_requests_total{{{AT}, status=~"5.."}}', f"turnpike_requests_total{{{AT}}}", ""), "percentunit",
             [(None, "green"), (0.01, "orange"), (0.05, "red")]),
        stat("Open requests", f"sum(turnpike_open_requests{{{AT}}})"),
        stat("Credits/hour", f"sum(rate(turnpike_spend_credits_total{{{AT}}}[{R}])) * 3600", "none", decimals=4),
        stat("Reserved now", f"sum(turnpike_reserved_credits{{{AT}}})", "none", decimals=4),
        stat("Frontier share off target", f"max(abs(turnpike_frontier_share_error{{{AT}}}))", "percentunit",
             [(None, "green"), (0.05, "orange"), (0.1, "red")], about="The scope that is furthest off."),
        stat("Targets in trouble", f"count(turnpike_target_health{{{AT}}} > 0) or vector(0)", steps=[(None, "green"), (1, "orange")]),
        stat("Last reload rejected", f"max(turnpike_config_reload_failed{{{AT}}})", steps=[(None, "green"), (1, "red")]),
    ]),
    ("Traffic", [
        graph("Requests by dialect and step", [query(f"sum by (dialect, step_kind) (rate(turnpike_requests_total{{{AT}}}[{R}]))", "{{dialect}} {{step_kind}}")], "reqps", stack=True),
        graph("Answers by status", [query(f"sum by (status) (rate(turnpike_requests_total{{{AT}}}[{R}]))", "{{status}}")], "reqps"),
        graph("Open", [query(f"sum(turnpike_open_requests{{{AT}}})", "requests"), query(f"sum(turnpike_attempts_open{{{AT}}})", "attempts"),
                       query(f"sum(turnpike_conversations{{{AT}}})", "conversations remembered")]),
    ]),
    ("Latency", [
        graph("Request duration", quantiles("gen_ai_server_request_duration_seconds", BY_MODEL, MODEL, MODEL_NAME), "s", about="From the last byte of the request to the last byte of the answer."),
        graph("Time to first token", quantiles("gen_ai_server_time_to_first_token_seconds", BY_MODEL, MODEL, MODEL_NAME), "s"),
        graph("Time per output token", quantiles("gen_ai_server_time_per_output_token_seconds", BY_MODEL, MODEL, MODEL_NAME), "s", about="Streams only."),
        graph("Overhead by phase", quantiles("turnpike_overhead_seconds", "phase", AT, "{{phase}}", (0.5, 0.99)), "s", width=16, about="The gateway's own time. send ends when the request is handed to the provider's connection."),
        graph("Overhead p99, five minutes", [query(f"turnpike:overhead_seconds:p99_5m{{{AT}}}", "{{instance}} {{phase}}")], "s"),
    ]),
    ("Routing", [
        graph("Decisions by tier", [query(f'sum by (tier) (rate(turnpike_decisions_total{{{AT}, reason=~"model_pinned|model_mapped|auto_routed|protected_step|step_rule"}}[{R}]))', "{{tier}}")], "reqps", stack=True,
              about="Each decision names exactly one of these reasons for its route."),
        graph("Reasons", [query(f"sum by (tier, reason) (rate(turnpike_decisions_total{{{AT}}}[{R}]))", "{{tier}} {{reason}}")], "reqps"),
        panel("heatmap", "Difficulty", [query(f"sum by (le) (increase(turnpike_difficulty_bucket{{{AT}}}[{R}]))", "{{le}}")], "none"),
        graph("Frontier share and target", [query(f"turnpike_frontier_share{{{AT}}}", "{{scope}}"), query(f"max(turnpike_frontier_share_target{{{AT}}})", "target")], "percentunit", min=0, max=1),
        graph("Threshold", [query(f"turnpike_frontier_threshold{{{AT}}}", "{{scope}}"),
                            query(f"sum by (step_kind) (rate(turnpike_difficulty_sum{{{AT}}}[{R}])) / (sum by (step_kind) (rate(turnpike_difficulty_count{{{AT}}}[{R}])) > 0)", "mean difficulty, {{step_kind}}")],
              "none", about="Difficulty from which a step goes to the frontier tier."),
        graph("Share error", [query(f"turnpike_frontier_share_error{{{AT}}}", "{{scope}}")], "percentunit"),
        graph("Share debt", [query(f"turnpike_frontier_share_debt{{{AT}}}", "{{scope}}"),
                             query(f"turnpike_frontier_steps_open{{{AT}}}", "{{scope}}, under way")],
              "none", about="Steps sent to the frontier beyond the target; below 0: owed. The loop keeps it within about five steps."),
        graph("Steps by side of the frontier", [query(f"sum by (frontier) (rate(turnpike_frontier_steps_total{{{AT}}}[{R}]))", "frontier {{frontier}}")], "reqps", stack=True,
              about="What really ran, fallbacks included."),
        graph("Escalations allowed", [query(f"sum(turnpike_frontier_escalation_allowed{{{AT}}})", "scopes that may escalate"),
                                      query(f"turnpike_frontier_scopes{{{AT}}}", "scopes")], "none", min=0),
        graph("Switches weighed", [query(f"sum by (move) (rate(turnpike_switches_total{{{AT}}}[{R}])) or vector(0)", "{{move}}")], "ops", about="Changes of model at a human turn: made, or avoided for the cache."),
        graph("Saved by switching and staying", [query(f"sum by (move) (rate(turnpike_switch_saved_credits_total{{{AT}}}[{R}])) * 3600 or vector(0)", "saved, {{move}}"),
                                                 query(f"-sum by (move) (rate(turnpike_switch_spent_credits_total{{{AT}}}[{R}])) * 3600 or vector(0)", "spent, {{move}}")],
              "none", about="Credits per hour, as expected over the rest of each conversation. Spent: for the difficulty of a step."),
    ]),
    ("Learning", [
        graph("Outcomes learned from", [query(f"sum by (source) (increase(turnpike_classifier_outcomes_total{{{AT}}}[1h]))", "{{source}}")], "none", stack=True,
              about="Known outcomes are shadow pairs and taught rows; the others are hints of small weight. Per hour."),
        graph("APGR: model, prior, length", [query(f"turnpike_classifier_apgr{{{AT}}}", "{{group}} {{scorer}}")], "none", min=0, max=1,
              about="Area under the share of the gap recovered, over the last 2,000 known outcomes, each judged before it was learned; 0.5 is random."),
        graph("AUC of weak failures", [query(f"turnpike_classifier_auc{{{AT}}}", "{{group}} {{scorer}}")], "none", min=0, max=1),
        graph("Calibration error", [query(f"turnpike_classifier_calibration_error{{{AT}}}", "{{group}}")], "percentunit", min=0),
        graph("Weight of the frozen prior", [query(f"turnpike_classifier_prior_scale{{{AT}}}", "{{group}}")], "none", min=0),
        panel("table", "Groups that learn", [query(f"turnpike_classifier_lessons_total{{{AT}}}", instant=True)], "none", width=4),
        panel("table", "Known outcomes", [query(f"turnpike_classifier_known_outcomes_total{{{AT}}}", instant=True)], "none", width=4),
        stat("Groups", f"sum(turnpike_classifier_groups{{{AT}}})", "none"),
        stat("Frozen", f"sum(turnpike_classifier_frozen{{{AT}}})", "none"),
        stat("Groups no better than length", f"count(turnpike_classifier_beats_length{{{AT}}} == 0) or vector(0)", "none", [(None, "green"), (1, "orange")],
             about="From 300 known outcomes on: prompts could as well be sorted by length."),
    ]),
    ("Money", [
        graph("Spend by model", [query(f"sum by (provider, model) (rate(turnpike_spend_credits_total{{{TARGETED}}}[{R}])) * 3600", "{{provider}}/{{model}}")], "none", stack=True, about="Credits per hour."),
        graph("Spend by tier", [query(f"sum by (tier) (rate(turnpike_spend_credits_total{{{AT}}}[{R}])) * 3600", "{{tier}}")], "none", stack=True, about="Credits per hour."),
        graph("Budgets used", [query(f"turnpike:budget_used:ratio{{{AT}}}", "{{budget}} {{window}}")], "percentunit", min=0),
        panel("table", "Budgets: settled", [query(f"turnpike_budget_settled_credits{{{AT}}}", instant=True)], "none", width=6),
        panel("table", "Budgets: reserved", [query(f"turnpike_budget_reserved_credits{{{AT}}}", instant=True)], "none", width=6),
        panel("table", "Budgets: limit", [query(f"turnpike_budget_limit_credits{{{AT}}}", instant=True)], "none", width=6),
        panel("table", "Budgets: remaining", [query(f"turnpike_budget_remaining_credits{{{AT}}}", instant=True)], "none", width=6),
        graph("Settlements", [query(f"sum by (settlement, cause) (rate(turnpike_settlements_total{{{AT}}}[{R}]))", "{{settlement}} {{cause}}")], "ops"),
        graph("Credits settled and reserved", [query(f"sum(turnpike_settled_credits{{{AT}}})", "settled since start"), query(f"sum(turnpike_reserved_credits{{{AT}}})", "reserved")], "none"),
        graph("Soft limits reached", [query(f"sum by (action) (increase(turnpike_budget_pressure_total{{{AT}}}[{R}]))", "{{action}}")], about="Budget windows that got there."),
        graph("Refused for want of budget", [query(f"sum by (cause) (rate(turnpike_ledger_refusals_total{{{AT}}}[{R}]))", "{{cause}}")], "reqps"),
    ]),
    ("Tokens", [
        graph("Tokens by class", [query(f"sum by (class) (rate(turnpike_tokens_total{{{TARGETED}}}[{R}]))", "{{class}}")], "short", stack=True, about="Per second."),
        graph("Cache-read share of the input", [query(ratio(f'turnpike_tokens_total{{{TARGETED}, class="cache_read"}}', INPUT, "provider, model"), "{{provider}}/{{model}}")], "percentunit", min=0, max=1),
        graph("Tokens per attempt", quantiles("gen_ai_client_token_usage", "gen_ai_token_type", MODEL, "{{gen_ai_token_type}}"), "short"),
    ]),
    ("Failures", [
        graph("Attempts by outcome", [query(f"sum by (provider, model, outcome) (rate(turnpike_attempts_total{{{TARGETED}}}[{R}]))", "{{provider}}/{{model}} {{outcome}}")], "ops"),
        graph("Share of attempts that fail", [query(ratio(f'turnpike_attempts_total{{{TARGETED}, outcome!="ok"}}', f"turnpike_attempts_total{{{TARGETED}}}", "provider"), "{{provider}}")], "percentunit", min=0, max=1),
        graph("Fallbacks by cause", [query(f"sum by (cause) (rate(turnpike_fallbacks_total{{{AT}}}[{R}]))", "{{cause}}")], "ops"),
        graph("How streams end", [query(f"sum by (end) (rate(turnpike_stream_ends_total{{{AT}}}[{R}]))", "{{end}}"),
                                  query(f"sum(rate(turnpike_stream_attempts_total{{{AT}}}[{R}]))", "streamed attempts begun")], "ops"),
        graph("Target health", [query(f"turnpike_target_health{{{AT}}}", "{{target}}")], "short", min=0, max=2, about="0 ok, 1 every key rests after a 429, 2 no key can be asked."),
        graph("Backends", [query(f"turnpike_backend_state{{{AT}}}", "{{provider}}/{{model}} {{key}}")], "short", min=0, max=2, about="A model with a key: 0 ok, 1 probing, 2 ejected."),
        graph("Ejections and probes", [query(f"sum by (provider, model) (increase(turnpike_backend_ejections_total{{{AT}}}[{R}]))", "{{provider}}/{{model}} ejections"),
                                       query(f"sum by (provider, model) (increase(turnpike_backend_probes_total{{{AT}}}[{R}]))", "{{provider}}/{{model}} probes")], "short"),
        graph("Provider keys", [query(f"turnpike_provider_key_state{{{AT}}}", "{{provider}} {{key}}")], "short", min=0, max=3, about="0 in service, 1 resting after a 429, 2 out of service, 3 its variable is not set."),
        graph("Attempts in flight by key", [query(f"turnpike_provider_key_in_flight{{{AT}}}", "{{provider}} {{key}}"),
                                            query(f"turnpike_provider_key_limit{{{AT}}}", "{{provider}} {{key}} limit")], "short", about="The limit halves on 429 and 529 and grows while it is felt."),
        graph("Headroom by key", [query(f"turnpike_provider_key_headroom{{{AT}}}", "{{provider}} {{key}}")], "percentunit", min=0, max=1, about="Left of the rate limit, as the provider's last answer told."),
        graph("Hedges", [query(f"sum by (outcome) (rate(turnpike_hedges_total{{{AT}}}[{R}])) or vector(0)", "{{outcome}}")], "ops", about="Second attempts beside a slow first; off unless configured."),
        graph("Cost of attempts that lost a race", [query(f"sum by (provider, model) (rate(turnpike_hedge_spend_credits_total{{{AT}}}[{R}])) * 86400 or vector(0)", "{{provider}}/{{model}}")], "none", about="Credits a day."),
        graph("Retries", [query(f"sum by (provider) (rate(turnpike_retries_total{{{AT}}}[{R}]))", "{{provider}}"),
                          query(f"sum by (provider) (rate(turnpike_retries_refused_total{{{AT}}}[{R}]))", "{{provider}} refused by the budget")], "ops", about="At a provider that has failed the same request before."),
        graph("Fields lost in translation", [query(f"sum by (from, to, field) (rate(turnpike_translation_lossy_total{{{AT}}}[{R}]))", "{{from}} > {{to}}: {{field}}")], "ops"),
    ]),
    ("Overload", [
        graph("Requests at once", [query(f"sum(turnpike_in_flight_requests{{{AT}}})", "with a place"), query(f"sum(turnpike_in_flight_max{{{AT}}})", "places"),
                                   query(f"sum(turnpike_queue_requests{{{AT}}})", "in line")]),
        graph("Shed", [query(f"sum by (reason, priority) (rate(turnpike_shed_total{{{AT}}}[{R}]))", "{{reason}} {{priority}}")], "reqps", stack=True,
              about="Turned away with 503 before anything was reserved."),
        graph("Wait in line", [query(f"histogram_quantile({level}, sum by (priority, le) (rate(turnpike_queue_wait_seconds_bucket{{{AT}}}[{R}]))) or vector(0)", f"p{level * 100:g} {{{{priority}}}}")
                               for level in (0.5, 0.99)], "s"),
        graph("Above their rate", [query(f"sum by (reason) (rate(turnpike_rate_refusals_total{{{AT}}}[{R}]))", "{{reason}}")], "reqps", about="Refused with 429."),
        graph("Slow clients", [query(f"sum(turnpike_upstreams_paused{{{AT}}})", "providers that wait"), query(f"sum(increase(turnpike_slow_readers_cut_total{{{AT}}}[{R}]))", "cut"),
                               query(f"sum(increase(turnpike_idle_connections_closed_total{{{AT}}}[{R}]))", "idle, closed for memory"),
                               query(f"sum(increase(turnpike_accept_pauses_total{{{AT}}}[{R}]))", "pauses in accepting")]),
        graph("Memory", [query(f"turnpike_memory_resident_bytes{{{AT}}}", "{{instance}}"), query(f"turnpike_memory_target_bytes{{{AT}}} > 0 or 0 * turnpike_memory_target_bytes{{{AT}}}", "{{instance}} target"),
                         query(f"sum(turnpike_queue_bytes{{{AT}}})", "bodies in line")], "bytes", about="Above 85 % of the target batch requests are shed, above 95 % all new ones."),
        stat("Memory level", f"max(turnpike_memory_level{{{AT}}})", steps=[(None, "green"), (1, "orange"), (2, "red")]),
        stat("Connections allowed", f"sum(turnpike_connections_max{{{AT}}})"),
    ]),
    ("House", [
        graph("Ledger lag", [query(f"turnpike_ledger_lag_seconds{{{AT}}}", "{{instance}}")], "s", about="Age of the oldest entry that is not on disk."),
        graph("Journal entries", [query(f"sum(rate(turnpike_ledger_entries_total{{{AT}}}[{R}]))", "entries")], "ops"),
        graph("Ledger oddities, last hour", [query(f"sum(increase(turnpike_ledger_{name}_total{{{AT}}}[1h]))", label) for name, label in
                                             (("conflicts", "conflicts (a bug)"), ("overruns", "overruns"), ("implausible", "implausible usage"), ("records_dropped", "records dropped"), ("store_errors", "store errors"))]
              + [query(f"sum(increase(turnpike_log_lines_dropped_total{{{AT}}}[1h]))", "log lines dropped")]),
        stat("Ledger writable", f"min(turnpike_ledger_writable{{{AT}}})", steps=[(None, "red"), (1, "green")]),
        stat("Ledger waits for disk space", f"max(turnpike_ledger_disk_full{{{AT}}})", steps=[(None, "green"), (1, "red")]),
        stat("Clock believed", f"1 - max(turnpike_clock_frozen{{{AT}}})", steps=[(None, "red"), (1, "green")]),
        stat("Gateways up", 'sum(up{job="$job"})', steps=[(None, "red"), (1, "green")]),
        panel("table", "Configuration in force", [query(f"turnpike_config_info{{{AT}}}", instant=True)], width=9, height=4),
        graph("TLS handshakes", [query(f"sum by (result) (rate(turnpike_tls_handshakes_total{{{AT}}}[{R}]))", "{{result}}")], "ops", width=9, height=4),
        stat("Certificate ends", f"min((turnpike_tls_certificate_expiry_timestamp_seconds{{{AT}}} > 0) - time() or 0 * turnpike_tls_certificate_expiry_timestamp_seconds{{{AT}}})",
             "s", about="Time left; 0 without TLS."),
        graph("Reloads", [query(f"sum by (result) (increase(turnpike_config_reload_total{{{AT}}}[{R}]))", "{{result}}")], width=9, height=4),
        panel("table", "Price in force", [query(f"turnpike_price_active{{{AT}}}", instant=True)], width=8),
        panel("table", "Next price changes", [query(f"sort(turnpike_price_seconds_to_change{{{AT}}})", instant=True)], "s", width=8, about="Targets whose price never changes are not listed."),
        panel("table", "Ends of price intervals", [query(f"sort(turnpike_price_dated_change_seconds{{{AT}}})", instant=True)], "s", width=8,
              about="Another price, the end of a promotion or of a free period, retirement; hours of the day do not count."),
        graph("Reasoning kept for clients", [query(f"sum(turnpike_opaque_bytes{{{AT}}})", "in memory"),
                                             query(f"sum(turnpike_opaque_file_bytes{{{AT}}})", "on disk")], "bytes", width=8),
        graph("Of it dropped for room", [query(f"sum(rate(turnpike_opaque_evictions_total{{{AT}}}[{R}]))", "evictions"),
                                         query(f"sum by (cause) (rate(turnpike_opaque_file_lost_total{{{AT}}}[{R}]))", "not on disk: {{cause}}")], "ops", width=8),
        graph("Turns with kept reasoning", [query(f"sum(turnpike_opaque_entries{{{AT}}})", "turns")], width=8),
    ]),
    ("Shadow runs", [
        graph("Pairs by outcome", [query(f"sum by (kind, outcome) (rate(turnpike_shadow_pairs_total{{{AT}}}[{R}]))", "{{kind}} {{outcome}}")], "ops", stack=True,
              about="Steps asked a second time. self: of the serving model itself."),
        graph("Sampled steps not asked", [query(f"sum by (cause) (rate(turnpike_shadow_skipped_total{{{AT}}}[{R}]))", "{{cause}}")], "ops"),
        graph("Shadow spending", [query(f"sum by (provider, model) (rate(turnpike_shadow_spend_credits_total{{{AT}}}[{R}])) * 86400", "{{provider}}/{{model}}")], "none",
              about="Credits a day at the present rate; in no key's spending."),
        graph("Shadow calls", [query(f"sum(turnpike_shadow_under_way{{{AT}}})", "under way"), query(f"sum(turnpike_shadow_waiting{{{AT}}})", "waiting")], width=12),
        graph("Pairs stored", [query(f"sum(turnpike_shadow_pairs_stored{{{AT}}})", "stored"), query(f"sum(turnpike_shadow_pairs_lost{{{AT}}})", "lost since start")], width=12),
    ]),
    ("Replicas", [
        stat("Central ledger reachable", f"min(turnpike_central_reachable{{{AT}}})", steps=[(None, "red"), (1, "green")]),
        stat("Leases in force", f"min(turnpike_lease_usable{{{AT}}})", steps=[(None, "red"), (1, "green")]),
        stat("Live replicas", f"max(turnpike_replicas_live{{{AT}}})", steps=[(None, "red"), (1, "green")]),
        stat("Names taken over", f"sum(turnpike_central_superseded{{{AT}}})", steps=[(None, "green"), (1, "red")]),
        graph("Credits out on lease", [query(f"max(turnpike_central_leased_credits{{{AT}}})", "leased by all"),
                                       query(f"sum(turnpike_lease_spare_credits{{{AT}}})", "of it unused"),
                                       query(f"max(turnpike_central_quarantine_credits{{{AT}}})", "quarantine"),
                                       query(f"sum(turnpike_lease_exposed_credits{{{AT}}})", "exposure")]),
        graph("Questions to the central ledger", [query(f"sum(rate(turnpike_central_exchanges_total{{{AT}}}[{R}]))", "asked"),
                                                  query(f"sum(rate(turnpike_central_failures_total{{{AT}}}[{R}]))", "unanswered"),
                                                  query(f"sum(rate(turnpike_lease_waits_total{{{AT}}}[{R}]))", "reservations that waited")], "ops"),
    ]),
]

VARIABLES = [
    {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
    {"name": "job", "label": "Job", "type": "query", "query": "label_values(turnpike_config_info, job)"},
    {"name": "instance", "label": "Gateway", "type": "query", "query": 'label_values(turnpike_config_info{job="$job"}, instance)', "all": True},
    {"name": "provider", "label": "Provider", "type": "query", "query": 'label_values(turnpike_attempts_total{job="$job"}, provider)', "all": True},
    {"name": "model", "label": "Model", "type": "query", "query": 'label_values(turnpike_attempts_total{job="$job", provider=~"$provider"}, model)', "all": True},
]

ANNOTATIONS = [
    ("Configuration changed", f"sum by (version, policy) (turnpike_config_info{{{AT}}}) unless sum by (version, policy) (turnpike_config_info{{{AT}}} offset 1m)", "{{policy}} {{version}}", "blue"),
    ("Price changed", f"sum by (target, price_id) (turnpike_price_active{{{AT}}}) unless sum by (target, price_id) (turnpike_price_active{{{AT}}} offset 1m)", "{{price_id}}", "purple"),
]


def variable(spec):
    every = {"includeAll": True, "multi": True, "allValue": ".*", "current": {"text": ["All"], "value": ["$__all"]}} if spec.get("all") else {}
    source = {} if spec["type"] == "datasource" else {"datasource": SOURCE, "refresh": 2, "definition": spec["query"],
                                                      "query": {"query": spec["query"], "refId": spec["name"]}}
    return {"name": spec["name"], "label": spec["label"], "type": spec["type"], "query": spec["query"]} | source | every


def lay_out(rows):
    panels, y, identity = [], 0, 1
    for title, members in rows:
        panels.append({"id": identity, "type": "row", "title": title, "collapsed": False, "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}, "panels": []})
        identity, y, x, tallest = identity + 1, y + 1, 0, 0
        for member in members:
            width, height = member["size"]
            if x + width > 24:
                x, y, tallest = 0, y + tallest, 0
            panels.append({"id": identity, "gridPos": {"x": x, "y": y, "w": width, "h": height}} | {k: v for k, v in member.items() if k != "size"})
            identity, x, tallest = identity + 1, x + width, max(tallest, height)
        y += tallest
    return panels


def board():
    return {
        "title": "turnpike", "uid": "turnpike", "tags": ["turnpike", "llm"], "schemaVersion": 38, "version": 1, "editable": True,
        "description": "Routing, money, latency and health of a turnpike gateway. Written by deploy/grafana/make_board.py.",
        "timezone": "browser", "time": {"from": "now-6h", "to": "now"}, "refresh": "30s", "graphTooltip": 1,
        "templating": {"list": [variable(spec) for spec in VARIABLES]},
        "annotations": {"list": [{"name": name, "datasource": SOURCE, "enable": True, "expr": expression, "titleFormat": name,
                                  "textFormat": text, "iconColor": color, "step": "60s"} for name, expression, text, color in ANNOTATIONS]},
        "panels": lay_out(ROWS),
    }


if __name__ == "__main__":
    text = json.dumps(board(), indent=2) + "\n"
    if "--check" in sys.argv:
        same = TARGET.exists() and TARGET.read_text() == text
        print("turnpike.json is what make_board.py describes" if same else "turnpike.json differs: run deploy/grafana/make_board.py")
        sys.exit(0 if same else 1)
    TARGET.write_text(text)
