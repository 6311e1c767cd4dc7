"""The processes of a measurement: simulator, nginx as the floor, nginx as TLS front of the simulator, the gateway."""
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
TEMPORARY = "".join(f"{kind}_temp_path @DIR@/{{name}}-{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
COMMON = """daemon off; pid @DIR@/{name}.pid; error_log @DIR@/{name}.err error; worker_processes 1; worker_rlimit_nofile @FILES@;
events {{ worker_connections @FILES@; multi_accept on; }}
http {{ access_log off; keepalive_requests 100000000; keepalive_timeout 600s; client_max_body_size 32m; client_body_buffer_size 2m;
  {temporary}
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; proxy_read_timeout 3600s;
  upstream simulator {{ server 127.0.0.1:@SIMULATOR@; keepalive 1024; keepalive_requests 100000000; keepalive_timeout 600s; }}
"""
FLOOR = COMMON.format(name="floor", temporary=TEMPORARY.format(name="floor")) + """
  proxy_ssl_verify on; proxy_ssl_trusted_certificate @DIR@/trust.pem; proxy_ssl_name localhost; proxy_ssl_protocols TLSv1.2 TLSv1.3;
  upstream tls { server 127.0.0.1:@TLS@; keepalive 1024; keepalive_requests 100000000; keepalive_timeout 600s; }
  upstream closing { server 127.0.0.1:@CLOSING@; }
  server { listen 127.0.0.1:@FLOOR_PLAIN@ backlog=4096; location / { proxy_pass http://simulator; } }
  server { listen 127.0.0.1:@FLOOR_TLS@ backlog=4096; location / { proxy_pass https://tls; } }
  server { listen 127.0.0.1:@FLOOR_CLOSING@ backlog=4096; location / { proxy_pass https://closing; } }
}
"""
FRONT = COMMON.format(name="front", temporary=TEMPORARY.format(name="front")) + """
  ssl_certificate @DIR@/certificate.pem; ssl_certificate_key @DIR@/private.pem; ssl_session_cache shared:front:10m;
  ssl_protocols TLSv1.2 TLSv1.3; ssl_buffer_size 4k;
  server { listen 127.0.0.1:@TLS@ ssl backlog=4096; location / { proxy_pass http://simulator; } }
  server { listen 127.0.0.1:@HTTP2@ ssl http2 backlog=4096; http2_max_requests 100000000; location / { proxy_pass http://simulator; } }
  server { listen 127.0.0.1:@CLOSING@ ssl backlog=4096; keepalive_timeout 0; location / { proxy_pass http://simulator; } }
}
"""
GATEWAY = """[server]
listen = "127.0.0.1:@GATEWAY@"
admin = "127.0.0.1:0"
[paths]
data = "@DIR@/data"
providers = "@DIR@/providers"
policies = "@DIR@/policies"
policy = "load"
"""
PROVIDER = """[provider]
id = "{id}"
dialect = "{dialect}"
base_url = "{url}"
key_env = "LOAD_UPSTREAM_KEY"
{more}
"""
MODEL = """[[model]]
id = "{id}"
context_tokens = 2000000
output_tokens_max = 32768
capabilities = ["tools", "parallel_tools"]
as_of = 2026-11-01
source = "the simulator"
[[model.price]]
from = 2026-01-01
input_per_mtok = "0.10"
output_per_mtok = "0.20"
"""
# Every step is classified and weighed against a share, as in the shipped policies; both tiers end at the same simulator.
POLICY = """[policy]
name = "load"
[frontier_share]
target = 0.30
[[tier]]
name = "bulk"
targets = ["plain/fixed"]
[[tier]]
name = "hard"
frontier = true
targets = ["plain/fixed-large"]
[models]
"auto" = "auto"
"translated" = "claude/claude-fixed"
"""
TLS_MODELS = """"tls" = "secure/secure-fixed"
"http2" = "second/http2-fixed"
"closing" = "closing/closing-fixed"
"""
PORTS = ("TLS", "HTTP2", "CLOSING", "FLOOR_PLAIN", "FLOOR_TLS", "FLOOR_CLOSING", "GATEWAY")


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def answers(host, port, path, key, model):
    """True after one whole answer with status 200; what came else as text."""
    body = json.dumps({"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": "Are you there? [[sim tokens=2]]"}]})
    connection = http.client.HTTPConnection(host, port, timeout=30)
    try:
        connection.request("POST", path, body, {"content-type": "application/json", "authorization": f"Bearer {key}"})
        response = connection.getresponse()
        text = response.read()
        return response.status == 200 or f"{response.status} {text[:300]!r}"
    except OSError as fault:
        return str(fault)
    finally:
        connection.close()


class Servers:
    """Everything runs below `folder` and on ports of its own; stop() ends what was started, by its id."""

    def __init__(self, binaries, folder, files, simulator_port=0, tls=True):
        self.binaries, self.folder, self.processes = pathlib.Path(binaries), pathlib.Path(folder), {}
        self.ports = dict(zip(PORTS, free_ports(len(PORTS))))
        self.ports["SIMULATOR"] = self._start_simulator(simulator_port)
        self.words = {"DIR": folder, "FILES": files, **self.ports}
        if tls:
            self._certificates()
        self.tls = tls
        for name, text in (("floor", FLOOR), ("front", FRONT)):
            self._write(f"{name}.conf", text)
        self.key = "none"

    def _start_simulator(self, port):
        process = subprocess.Popen([self.binaries / "turnpike-simulator", "--fixed", "--port", str(port)], stdout=subprocess.PIPE, text=True,
                                   start_new_session=True)
        self.processes["simulator"] = process
        line = process.stdout.readline()
        if not line:
            raise SystemExit(f"the simulator did not start (port {port} taken?)")
        return int(line.rsplit(":", 1)[1])

    def _write(self, name, text):
        for word, value in sorted(self.words.items(), key=lambda item: -len(item[0])):
            text = text.replace(f"@{word}@", str(value))
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    def _certificates(self):
        """A certificate of our own at the end of a trust file of usual size, as a gateway finds it in production."""
        files = {name: str(self.folder / f"{name}.pem") for name in ("certificate", "private", "trust")}
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", files["private"],
                        "-out", files["certificate"]], check=True, capture_output=True)
        system = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
        own = pathlib.Path(files["certificate"]).read_text()
        pathlib.Path(files["trust"]).write_text((system.read_text() if system.exists() else "") + own)

    def configure_gateway(self):
        """Providers, a policy, a key with budgets: all that the shipped configuration switches on is on."""
        plain, tls, http2, closing = (f"{scheme}://{host}:{self.ports[port]}" for scheme, host, port in
                               (("http", "127.0.0.1", "SIMULATOR"), ("https", "localhost", "TLS"), ("https", "localhost", "HTTP2"), ("https", "localhost", "CLOSING")))
        trusting = f'ca_file = "{self.folder}/trust.pem"'
        for id, dialect, url, more, models in (("plain", "openai-chat", plain + "/v1", "", ("fixed", "fixed-large")),
                                               ("secure", "openai-chat", tls + "/v1", trusting, ("secure-fixed",)),
                                               ("second", "openai-chat", http2 + "/v1", trusting + '\nhttp_version = "2"', ("http2-fixed",)),
                                               ("closing", "openai-chat", closing + "/v1", trusting, ("closing-fixed",)),
                                               ("claude", "anthropic-messages", plain, "", ("claude-fixed",))):
            if more and not self.tls:
                continue
            text = PROVIDER.format(id=id, dialect=dialect, url=url, more=more)
            self._write(f"providers/{id}.toml", text + "".join(MODEL.format(id=model) for model in models))
        self._write("policies/load.toml", POLICY + (TLS_MODELS if self.tls else ""))
        self._write("turnpike.toml", GATEWAY)
        self.key = self._turnpike("keys", "create", "--name", "load", "--org", "load", "--team", "agents", "--budget", "10000000/month",
                                  "--budget", "1000000/day").strip().splitlines()[-1]
        self._turnpike("budgets", "set", "org:load", "100000000/month")

    def _environment(self):
        return os.environ | {"LOAD_UPSTREAM_KEY": "sk-load"}

    def _turnpike(self, *arguments):
        done = subprocess.run([self.binaries / "turnpike", "--config", self.folder / "turnpike.toml", *arguments], capture_output=True, text=True,
                              env=self._environment(), timeout=60)
        if done.returncode != 0:
            raise SystemExit(f"turnpike {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def command(self, name):
        if name == "gateway":
            return [self.binaries / "turnpike", "--config", self.folder / "turnpike.toml", "serve"]
        return ["nginx", "-c", self.folder / f"{name}.conf"]

    def start(self, name, command=None):
        """The process, with a process group of its own; it may not serve yet. A `command` is for the shell."""
        with open(self.folder / f"{name}.log", "ab") as log:
            process = subprocess.Popen(["sh", "-c", f"exec {command}"] if command else self.command(name), stdout=log, stderr=log,
                                       stdin=subprocess.DEVNULL, env=self._environment(), start_new_session=True)
        self.processes[name] = process
        return process

    def wait_for(self, name, port, key, model, seconds=60, path="/v1/chat/completions", host="127.0.0.1"):
        """Milliseconds until the first 200."""
        begun = time.monotonic()
        while (found := answers(host, port, path, key, model)) is not True:
            if name in self.processes and self.processes[name].poll() is not None or time.monotonic() - begun > seconds:
                log = self.folder / f"{name}.log"
                raise SystemExit(f"{name} does not serve: {found}\n{log.read_text()[-1500:] if log.exists() else ''}")
            time.sleep(0.0005)
        return (time.monotonic() - begun) * 1000

    def stop(self, name):
        process = self.processes.pop(name)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def close(self):
        for name in list(self.processes):
            self.stop(name)


def missing_tools():
    return [tool for tool in ("nginx", "openssl") if shutil.which(tool) is None]
