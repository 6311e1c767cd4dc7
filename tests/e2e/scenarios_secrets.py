"""Secrets and prompts: what may never be seen anywhere, looked for everywhere; headers both ways."""
import http.client
import http.server
import json
import pathlib
import random
import re
import socket
import threading
import urllib.parse

from harness import SHELL_TOOL, Gateway, call, check, check_equal, unique, user

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"


def canary(kind):
    return f"canary_{kind}_{unique()}{unique()}"


def every_file(folder):
    return [path for path in pathlib.Path(folder).rglob("*") if path.is_file()]


def found_in(places, secrets):
    """[(place, kind)] of each place that holds one of the words. Canaries are found by their form, the rest one by one."""
    form = re.compile(rb"canary_[a-z]+_[0-9a-f]{24}")
    seen = {place: set(form.findall(data)) for place, data in places.items()}
    hits = []
    for kind, words in secrets.items():
        words = {word.encode() for word in words}
        canaries = {word for word in words if form.fullmatch(word)}
        hits += [(place, kind) for place, data in places.items()
                 if seen[place] & canaries or any(word in data for word in words - canaries)]
    return hits


# ---- A9

class Traffic:
    """Requests of all dialects, sound and broken, each with a canary in its prompt."""
    # Mostly none, or the breakers would leave nothing to fail. 401 would disable the provider's key for good, 429 rests it.
    FAULTS = [""] * 90 + ["status=500", "status=400", "status=529", "refuse", "html", "empty", "error_first",
              "cut_after=2 cut=rst", "cut_after=2 cut=truncate", "error_after=2", "garbage=2", "no_terminator", "no_usage", "usage=-1"]

    def __init__(self, gateway, key, seed):
        self.gateway, self.key, self.random = gateway, key, random.Random(seed)
        self.prompts, self.fields, self.tried, self.statuses, self.errors = [], [], [], {}, []
        self.mine = threading.Lock()

    def prompt(self):
        word = canary("prompt")
        with self.mine:
            self.prompts.append(word)
        return word

    def field(self):
        """Of a value that a refusal may quote: whoever sent it wants to know which."""
        word = canary("field")
        with self.mine:
            self.fields.append(word)
        return word

    def wrong_key(self):
        word = f"tp_{unique()[:8]}_{canary('wrongkey')}"
        with self.mine:
            self.tried.append(word)
        return word

    def body(self, path):
        fault = self.random.choice(self.FAULTS) if self.random.random() > 0.0005 else "status=429 retry_after=1"
        text = f"{self.prompt()} please run `echo {self.prompt()}` [[sim tokens=4 think_tokens=2 {fault}{self.random.choice(['', ' times=1'])}]]"
        stream = self.random.random() < 0.5
        if path == MESSAGES:
            return {"model": "auto", "max_tokens": 50, "stream": stream, "system": self.prompt(), "messages": [user(text)]}
        if path == RESPONSES:
            return {"model": "auto", "stream": stream, "instructions": self.prompt(), "input": text, "metadata": {"note": self.prompt()}}
        if path == CHAT:
            return {"model": "auto", "stream": stream, "user": self.prompt(), "tools": [SHELL_TOOL],
                    "messages": [{"role": "system", "content": self.prompt()}, user(text)]}
        return {"contents": [{"role": "user", "parts": [{"text": text}]}], "systemInstruction": {"parts": [{"text": self.prompt()}]}}

    def broken(self, path):
        """(body, headers) that must be refused, in one of many ways."""
        word, value, good = self.prompt(), self.field(), {"content-type": "application/json"}
        return self.random.choice([
            (f'{{"model":"auto","messages":[{{"role":"user","content":"{word}"'.encode(), good),
            (f'{{"model":"auto","model":"{value}","messages":[]}}'.encode(), good),
            (json.dumps({"model": "auto", "max_tokens": value, "messages": [user(word)]}).encode(), good),
            (json.dumps({"model": "auto", "messages": [{"role": value, "content": word}, {"content": 7}]}).encode(), good),
            (json.dumps({"model": "auto", "base_url": "http://" + value, "messages": [user(word)]}).encode(), good),
            (json.dumps({"model": "auto", "messages": [user(word)]}).encode() + b"x", good),
            (b"\xef\xbb\xbf" + word.encode(), good),
            (json.dumps([word]).encode(), good),
            (word.encode(), {"content-type": "text/plain"}),
            (json.dumps({"model": "auto", "messages": [user(word)]}).encode(), good | {"content-encoding": "gzip"}),
        ])

    def one(self):
        dice = self.random.random
        path = self.random.choice([CHAT, MESSAGES, RESPONSES, "/v1beta/models/auto:generateContent", "/v1beta/models/auto:streamGenerateContent?alt=sse"])
        key = self.key if dice() < 0.93 else self.wrong_key()
        name = self.random.choice(["authorization", "x-api-key", "x-goog-api-key"])
        headers = {name: f"Bearer {key}" if name == "authorization" else key, "content-type": "application/json"}
        if dice() < 0.02:
            path += ("&" if "?" in path else "?") + "key=" + urllib.parse.quote(self.wrong_key())
        if dice() < 0.02:
            headers["x-api-key"], headers["authorization"] = self.wrong_key(), f"Bearer {self.key}"
        body = json.dumps(self.body(path.split("?")[0])).encode()
        if dice() < 0.15:
            body, extra = self.broken(path)
            headers |= extra
        if dice() < 0.03:
            return self.leave(path, headers, body)
        answer = call(self.gateway.port, "POST", path, body, headers, timeout=60)
        with self.mine:
            self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
            if answer.status >= 400:
                self.errors.append(answer.body)

    def leave(self, path, headers, body):
        """Hangs up in the middle of the answer."""
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        with socket.create_connection(("127.0.0.1", self.gateway.port), timeout=10) as connection:
            connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            connection.recv(1)

    def work(self, count):
        for _ in range(count):
            try:
                self.one()
            except (OSError, http.client.HTTPException):
                pass  # streams that were made to break


def A9_canaries_are_seen_nowhere(bench):
    """A9: mixed requests with failures, canaries in client keys, provider keys and prompts: in no log, metric, error, record or file."""
    simulator = bench.simulator()
    bench.write_config(simulator)
    provider_keys = {name: canary("providerkey") for name in ("DEEPSEEK_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY")}
    key = bench.key()
    gateway = Gateway(bench.turnpike, bench.folder / "turnpike.toml", bench.environment() | provider_keys)
    bench.started.append(gateway)
    count, seed = 10_000 if bench.long else bench.scaled(800, 100), random.randrange(1 << 30)
    print(f"         seed {seed}", flush=True)
    traffics = [Traffic(gateway, key, seed + n) for n in range(8)]
    threads = [threading.Thread(target=t.work, args=(count // len(traffics),)) for t in traffics]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gateway.at_rest(60)
    statuses = {}
    for traffic in traffics:
        for status, number in traffic.statuses.items():
            statuses[status] = statuses.get(status, 0) + number
    check({200, 400, 401, 415} <= statuses.keys() and any(s >= 500 for s in statuses), f"too little variety: {statuses}")
    places = {"metrics": gateway.admin("GET", "/metrics").body, "status": gateway.admin("GET", "/admin/status").body,
              "decisions": gateway.admin("GET", "/admin/decisions?count=1000").body, "keys": gateway.admin("GET", "/admin/keys").body,
              "spend": gateway.admin("GET", "/admin/spend?by=model").body, "errors": b"\n".join(e for t in traffics for e in t.errors)}
    check(len(json.loads(places["decisions"])["decisions"]) > 50, "too few decision records to look at")
    check_equal(gateway.stop(60), 0, "exit code")
    places["log"] = gateway.output().encode()
    check(places["log"].count(b"\n") > count // 2, "too few log lines to look at")
    for file in every_file(bench.folder / "data"):
        places[str(file.relative_to(bench.folder))] = file.read_bytes()
    secrets = {"client key": [key.split("_", 2)[2]], "provider key": list(provider_keys.values()), "tried key": [w.split("_", 2)[2] for t in traffics for w in t.tried],
               "prompt": [w for t in traffics for w in t.prompts]}
    check(not found_in({"metrics": places["metrics"]}, {"field": [w for t in traffics for w in t.fields]}), "a client's word is a label")
    hits = found_in(places, secrets)
    # opaque.db keeps, for the key that made them, what models thought and answered and what Responses clients refer to by id.
    unexpected = [h for h in hits if h != ("data/opaque.db", "prompt")]
    check(not unexpected, f"secrets in {unexpected}")
    checked = sum(len(w) for w in secrets.values())
    print(f"         {sum(statuses.values())} answers {dict(sorted(statuses.items()))}; {checked} canaries looked for in {len(places)} places, "
          f"{sum(map(len, places.values())) / 1e6:.1f} MB: 0 hits")


# ---- A10

class QuotingProvider:
    """A chat provider that quotes the key it was sent wherever it can."""

    def __init__(self):
        outer = self
        self.mode, self.seen = "whole", []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                self.rfile.read(int(self.headers["content-length"]))
                key = self.headers["x-api-key"] or self.headers["authorization"].removeprefix("Bearer ")
                outer.seen.append(key)
                status = int(outer.mode) if outer.mode.isdigit() else 200
                said = f"you sent me {key}, did you not?"
                usage = {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}
                if status != 200:
                    # In a 400 the key is beside the point, or it would count as refused.
                    words = f"max_tokens is too large: {said}" if status == 400 else f"Incorrect API key provided: {key}"
                    body = json.dumps({"error": {"message": words, "type": key, "code": f"wrong_{key}"}})
                elif outer.mode == "stream":
                    base = {"id": f"id-{key}", "object": "chat.completion.chunk", "created": 1, "model": f"m-{key}"}
                    chunks = [base | {"choices": [{"index": 0, "delta": {"role": "assistant", "content": said}, "finish_reason": None}]},
                              base | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage}]
                    body = "".join(f"data: {json.dumps(c)}\n\n" for c in chunks) + f": {key}\n\ndata: [DONE]\n\n"
                elif outer.mode == "error_event":
                    body = f'data: {json.dumps({"error": {"message": said, "code": key}})}\n\n'
                else:
                    body = json.dumps({"id": f"id-{key}", "model": "m"} | outer.whole(self.path, said, usage))
                self.send_response(status)
                streams = outer.mode in ("stream", "error_event")
                self.send_header("Content-Type", "text/event-stream" if streams else "application/json")
                for name in ("X-Request-Id", "X-Ds-Trace-Id", "Set-Cookie", "X-Api-Key", "Authorization", "WWW-Authenticate", "X-Ratelimit-Note"):
                    self.send_header(name, f"k={key}")
                self.send_header("Connection", "close")
                self.end_headers()
                for at in range(0, len(body), 11):  # no piece holds the whole key
                    self.wfile.write(body[at:at + 11].encode())
                    self.wfile.flush()
                self.close_connection = True

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @staticmethod
    def whole(path, said, usage):
        """An answer in the dialect of the path."""
        tokens = {"input_tokens": 5, "output_tokens": 5}
        if path.endswith("/messages"):
            return {"type": "message", "role": "assistant", "content": [{"type": "text", "text": said}], "stop_reason": "end_turn", "usage": tokens}
        if path.endswith("/responses"):
            return {"object": "response", "created_at": 1, "status": "completed", "usage": tokens | {"total_tokens": 10}, "output": [
                {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [{"type": "output_text", "text": said, "annotations": []}]}]}
        return {"object": "chat.completion", "created": 1, "usage": usage,
                "choices": [{"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}]}

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def A10_a_provider_that_quotes_its_key_is_not_quoted(bench):
    """A10: the key echoed in headers, bodies, streams and errors reaches no client, log, record or file; the rest of the text does."""
    simulator, provider = bench.simulator(), QuotingProvider()
    config = bench.write_config(simulator)
    config.write_text(config.read_text().replace(f'deepseek = "{simulator.url}"', f'deepseek = "{provider.url}"'))
    secret = canary("providerkey")
    key = bench.key()
    places, asked = {}, 0
    try:
        for mode in ("whole", "stream", "error_event", "400", "422", "429", "500", "403", "401"):
            # A gateway for each: what it has seen of the mode before must not keep it from asking.
            gateway = Gateway(bench.turnpike, config, bench.environment() | {"DEEPSEEK_API_KEY": secret})
            bench.started.append(gateway)
            provider.mode = mode
            streaming = mode in ("stream", "error_event")
            for path, body in ((CHAT, {"messages": [user("hi")]}), (MESSAGES, {"max_tokens": 50, "messages": [user("hi")]}), (RESPONSES, {"input": "hi"})):
                if mode == "stream" and path != CHAT:
                    continue  # it streams in one dialect only
                answer = call(gateway.port, "POST", path, body | {"model": "deepseek/deepseek-flash", "stream": streaming}, {"authorization": f"Bearer {key}"})
                places[f"{mode} {path}"] = json.dumps(answer.headers).encode() + answer.body
                if mode in ("whole", "stream"):
                    check(answer.status == 200 and b"you sent me ****" in answer.body, f"{mode} {path}: the text around it: {answer.status} {answer.body[:300]}")
                if mode == "400":
                    check(answer.status == 400 and b"****" in answer.body, f"{mode} {path}: the provider's words: {answer.status} {answer.body[:300]}")
            check(provider.seen and set(provider.seen) == {secret}, f"{mode}: the provider did not get the key: {provider.seen}")
            asked, provider.seen = asked + len(provider.seen), []
            for page in ("/metrics", "/admin/status", "/admin/decisions?count=1000"):
                places[f"{mode} {page}"] = gateway.admin("GET", page).body
            check_equal(gateway.stop(60), 0, "exit code")
            places[f"{mode} log"] = gateway.output().encode()
    finally:
        provider.close()
    for file in every_file(bench.folder / "data"):
        places[str(file.relative_to(bench.folder))] = file.read_bytes()
    check_equal(found_in(places, {"provider key": [secret]}), [], "the key was found")
    print(f"         {asked} answers that quote the key, {len(places)} places: 0 hits")


# ---- headers

REFUSED_HEADERS = ("x-base-url", "x-api-base", "x-upstream-url", "x-target-url", "x-forward-to", "x-provider-url")


def only_listed_headers_reach_a_provider(bench):
    """Of sixty headers a client may send, those on the list of its dialect reach a provider; every other name stays here."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    own = {"authorization", "x-api-key", "x-goog-api-key", "host", "content-type", "content-length", "accept", "user-agent", "anthropic-version",
           "accept-encoding"}
    sent = {name: "canaryheader" for name in (
        "cookie", "proxy-authorization", "forwarded", "x-forwarded-for", "x-forwarded-proto", "x-real-ip", "x-forwarded-host", "via", "referer", "origin", "from", "te",
        "x-custom", "x-request-id", "x-client-request-id", "traceparent", "tracestate", "baggage", "x-b3-traceid", "x-amzn-trace-id", "x-cloud-trace-context",
        "openai-organization", "openai-project", "openai-beta", "x-stainless-lang", "x-stainless-os", "x-stainless-retry-count", "x-goog-user-project",
        "x-goog-api-client", "x-app", "anthropic-dangerous-direct-browser-access", "x-claude-code-session-id", "session_id", "conversation_id", "originator",
        "version", "chatgpt-account-id", "x-codex-turn-state", "http-referer", "x-title", "x-turnpike-note", "accept-language", "cache-control", "pragma",
        "if-none-match", "range", "sec-fetch-mode", "sec-ch-ua", "dnt", "priority", "x-csrf-token", "x-auth-token", "x-access-token", "x-key",
        "x-amz-security-token", "x-gitlab-token", "x-vault-token", "idempotency-key", "x-idempotency-key")}
    bodies = {CHAT: {"messages": [user("hi")]}, MESSAGES: {"max_tokens": 50, "messages": [user("hi")]}, RESPONSES: {"input": "hi"}}
    reached = set()
    for provider, model in (("deepseek", "deepseek/deepseek-flash"), ("anthropic", "anthropic/claude-opus-5-5"), ("gemini", "gemini/gemini-3.1-pro-preview")):
        for path, body in bodies.items():
            answer = call(gateway.port, "POST", path, body | {"model": model}, sent | {"authorization": f"Bearer {key}", "user-agent": "canaryagent"})
            check_equal(answer.status, 200, f"{path} to {provider}: {answer.text[:200]}")
    for request in simulator.requests():
        headers = {name.lower(): value for name, value in dict(request["headers"]).items()}
        reached |= headers.keys()
        check("canaryheader" not in json.dumps(headers) and "canaryagent" not in json.dumps(headers), f"a client's header reached {request['provider']}: {headers}")
    check(reached <= own, f"names beyond the list: {sorted(reached - own)}")
    for name in REFUSED_HEADERS:
        answer = call(gateway.port, "POST", CHAT, bodies[CHAT] | {"model": "auto"}, {"authorization": f"Bearer {key}", name: "http://127.0.0.1:1"})
        check_equal(answer.status, 400, f"{name}: {answer.text[:200]}")


def only_listed_headers_reach_a_client(bench):
    """What a provider's head holds beyond content type, request ids, retry advice and rate limits reaches no client."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    known = {"content-type", "content-length", "transfer-encoding", "connection", "retry-after", "retry-after-ms", "x-should-retry", "request-id",
             "x-request-id", "x-ds-trace-id", "x-gemini-service-tier", "anthropic-request-id", "allow",
             "cache-control", "x-accel-buffering"}  # the last two are the gateway's own, on streams
    prefixes = ("x-turnpike-", "x-ratelimit-", "anthropic-ratelimit-")
    models = ("deepseek/deepseek-flash", "anthropic/claude-opus-5-5", "gemini/gemini-3.1-pro-preview")
    good = [(path, model, stream, "tokens=2") for path in (CHAT, MESSAGES, RESPONSES) for model in models for stream in (False, True)]
    bad = [(CHAT, model, False, directive) for model in models for directive in ("status=400", "status=429 retry_after=1", "status=529", "html")]
    seen = set()
    for path, model, stream, directive in good + bad:
        text = f"hi [[sim {directive}]]"
        content = {"input": text} if path == RESPONSES else {"messages": [user(text)]}
        answer = call(gateway.port, "POST", path, content | {"model": model, "stream": stream, **({"max_tokens": 50} if path == MESSAGES else {})},
                      {"authorization": f"Bearer {key}"})
        check_equal(answer.status == 200, directive == "tokens=2", f"{path} {model} {directive}: {answer.status} {answer.text[:200]}")
        seen |= answer.headers.keys()
    beyond = {name for name in seen if name not in known and not name.startswith(prefixes)}
    check_equal(beyond, set(), "names beyond the list")
    check("x-turnpike-decision" in seen, f"the gateway's own headers: {sorted(seen)}")
