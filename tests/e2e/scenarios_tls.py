"""TLS on the data listener: clients of several makes, certificates that are renewed, broken and expired."""
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

from harness import ChatStream, check, check_equal, skip, user, wait_until


def certificate(folder, name, days=30, host="localhost"):
    """A self-signed pair NAME.crt, NAME.key; negative days: it has expired."""
    if not shutil.which("openssl"):
        skip("openssl is not installed")
    crt, key = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", crt,
                    "-days", str(max(days, 1)), "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{host},IP:127.0.0.1"],
                   check=True, capture_output=True)
    if days < 0:  # `req -days` takes no past; a certificate of its own authority does
        (folder / "index.txt").touch()
        (folder / "ca.cnf").write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={folder}/index.txt\nrand_serial=yes\nnew_certs_dir={folder}\ndefault_md=sha256\n"
                                       f"policy=p\nunique_subject=no\n[p]\ncommonName=supplied\n[x]\nsubjectAltName=DNS:{host},IP:127.0.0.1\n")
        request = folder / f"{name}.csr"
        subprocess.run(["openssl", "req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", request], check=True, capture_output=True)
        subprocess.run(["openssl", "ca", "-batch", "-config", folder / "ca.cnf", "-selfsign", "-keyfile", key, "-in", request, "-out", crt, "-notext",
                        "-extensions", "x", "-startdate", "20200101000000Z", "-enddate", "20200201000000Z"], check=True, capture_output=True)
    os.chmod(key, 0o600)
    return crt, key


def install(bench, pair):
    """Puts a pair where turnpike.toml says the listener's is."""
    for file, place in zip(pair, ("tls.crt", "tls.key")):
        fresh = bench.folder / (place + ".new")
        shutil.copy(file, fresh)
        os.chmod(fresh, 0o600)
        os.replace(fresh, bench.folder / place)


def tls_gateway(bench, pair, serve=True):
    simulator = bench.simulator()
    config = bench.write_config(simulator)
    config.write_text(config.read_text().replace("[server]\n", '[server]\ntls_cert = "tls.crt"\ntls_key = "tls.key"\n'))
    install(bench, pair)
    key = bench.key()
    return (bench.serve() if serve else None), key


def trusting(*pairs):
    context = ssl.create_default_context()
    for pair in pairs:
        context.load_verify_locations(pair[0])
    return context


def ask(port, key, context, body=None, method="POST", path="/v1/chat/completions"):
    """(status, body) over a connection of its own."""
    connection = http.client.HTTPSConnection("localhost", port, timeout=30, context=context)
    with contextlib.closing(connection):
        payload = None if method == "GET" else json.dumps(body or {"model": "auto", "messages": [user("hi [[sim tokens=3]]")]})
        connection.request(method, path, payload, {"authorization": f"Bearer {key}", "content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()


def shown(port, context):
    """Common name of the certificate a new connection is shown."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain, context.wrap_socket(plain, server_hostname="localhost") as tls:
        return dict(part[0] for part in tls.getpeercert()["subject"])["commonName"]


def clients_of_several_makes_are_served(bench):
    """Python, curl and openssl s_client over TLS 1.2 and 1.3, streams included; plain HTTP is told to use https."""
    pair = certificate(bench.folder, "first")
    gateway, key = tls_gateway(bench, pair)
    check(gateway.ready["tls"], f"the ready line: {gateway.ready}")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = trusting(pair)
        context.minimum_version = context.maximum_version = version
        status, body = ask(gateway.port, key, context)
        check_equal(status, 200, f"a whole answer over {version.name}: {body[:200]}")
        status, body = ask(gateway.port, key, context, {"model": "auto", "stream": True, "messages": [user("hi [[sim tokens=200]]")]})
        check(status == 200 and ChatStream(body).done, f"a stream over {version.name}: {status} {body[-200:]}")
    big = "x" * 5_000_000
    status, body = ask(gateway.port, key, trusting(pair), {"model": "auto", "max_tokens": 10, "messages": [user(big)]})
    check(status in (200, 400, 402, 413), f"a body of 5 MB: {status} {body[:200]}")
    if shutil.which("curl"):
        done = subprocess.run(["curl", "-sS", "--http2", "--cacert", pair[0], "-o", "/dev/null", "-w", "%{http_code} %{http_version}",
                               f"https://localhost:{gateway.port}/healthz"], capture_output=True, text=True, timeout=20)
        check_equal(done.stdout, "200 1.1", f"curl, which would like HTTP/2: {done.stderr}")
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{gateway.port}", "-CAfile", pair[0], "-quiet", "-alpn", "http/1.1"],
                          input=b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", capture_output=True, timeout=20)
    check(b"HTTP/1.1 200" in done.stdout, f"openssl s_client: {done.stdout[:200]} {done.stderr[-300:]}")
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as plain:
        plain.sendall(b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        said = b"".join(iter(lambda: plain.recv(4096), b""))
    check(said.startswith(b"HTTP/1.1 400") and b"https://" in said, f"plain HTTP on the TLS port: {said}")
    check(gateway.metric("turnpike_tls_handshakes_total", result="full") >= 5, "handshakes counted")
    gateway.counts(1, "turnpike_tls_handshakes_total", result="failed")
    left = gateway.metric("turnpike_tls_certificate_expiry_timestamp_seconds") - time.time()
    check(29 * 86400 < left < 31 * 86400, f"the expiry of the certificate: in {left} s")
    check_equal(gateway.stop(), 0, "exit code")


def a_certificate_is_renewed_under_load(bench):
    """SIGHUP with new, broken and mismatched pairs under load: no request fails, the last sound pair is shown."""
    pairs = [certificate(bench.folder, f"pair-{n}") for n in range(3)]
    gateway, key = tls_gateway(bench, pairs[0])
    context = trusting(*pairs)
    statuses, faults, stop = [], [], threading.Event()

    def work():
        while not stop.is_set():
            try:
                statuses.append(ask(gateway.port, key, context)[0])
            except OSError as fault:
                faults.append(repr(fault))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    applied = rejected = 0
    try:
        for number in range(bench.scaled(30, 6)):
            broken = number % 2 == 1
            pair = pairs[number // 2 % 3]
            if broken:  # the next certificate with the key of the one in force, or half a file
                following = pairs[(number // 2 + 1) % 3]
                install(bench, (following[0], pair[1]))
                if number % 4 == 3:
                    (bench.folder / "tls.crt").write_bytes(following[0].read_bytes()[:300])
            else:
                install(bench, pair)
            os.kill(gateway.pid, signal.SIGHUP)
            applied, rejected = applied + (not broken), rejected + broken
            result, count = ("rejected", rejected) if broken else ("applied", applied)
            wait_until(lambda: gateway.metric("turnpike_config_reload_total", result=result) == count, 10, f"reload {number} to be {result}")
            check_equal(gateway.metric("turnpike_config_reload_failed"), float(broken), "turnpike_config_reload_failed")
            check_equal(shown(gateway.port, context), f"pair-{number // 2 % 3}", f"the certificate shown after reload {number}")
    finally:
        stop.set()
        for worker in workers:
            worker.join()
    check(not faults and set(statuses) == {200}, f"{len(statuses)} answers {set(statuses)}, {len(faults)} broken: {faults[:3]}")
    lines = re.findall(r'^.*config_reload_rejected.*$', gateway.output(), re.M)
    check(any("tls.key" in line and "is not the key of the certificate" in line for line in lines), f"a mismatched pair is reported: {lines[:2]}")
    check(any("tls.crt" in line and "no usable PEM certificate" in line for line in lines), f"half a file is reported: {lines[-2:]}")
    print(f"    {len(statuses)} requests over {applied} renewals and {rejected} broken pairs: 0 failed")
    check_equal(gateway.stop(), 0, "exit code")


def an_expired_certificate_is_told(bench):
    """`turnpike check` and a reload refuse an expired certificate; a start with one warns and serves."""
    fine = certificate(bench.folder, "fine")
    gone = certificate(bench.folder, "gone", days=-1)
    gateway, _ = tls_gateway(bench, fine)
    bench.run("check")
    install(bench, gone)
    done = bench.run("check", expect=None)
    check(done.returncode == 1 and "tls.crt: the certificate expired on 2020-02-01" in done.stderr, f"turnpike check: {done}")
    done = bench.run("reload", expect=None)
    check(done.returncode == 1 and "expired on 2020-02-01" in done.stderr, f"turnpike reload: {done}")
    check_equal(shown(gateway.port, trusting(fine)), "fine", "the certificate in force")
    check_equal(gateway.stop(), 0, "exit code")
    again = bench.serve()
    check(re.search(r"turnpike\.toml:\d+:\d+: warning: tls_cert \S+tls\.crt: the certificate expired on 2020-02-01", again.output()),
          f"a start with it warns: {again.output()[:500]}")
    bench.run("reload")  # it is in force: other changes must get through
    os.chmod(bench.folder / "tls.key", 0o644)
    done = bench.run("check", expect=None)
    check(done.returncode == 1 and "tls.key: the key may be read by its owner and group only" in done.stderr, f"a key that others can read: {done}")
    config = (bench.folder / "turnpike.toml").read_text().splitlines()
    for setting in ("tls_cert", "tls_key"):
        file = bench.folder / f"{setting.replace('_cert', '.crt').replace('_key', '.key')}"
        kept = file.read_bytes()
        for wrong in (b"garbled", None):
            file.unlink()
            if wrong:
                file.write_bytes(wrong)
                file.chmod(0o600)
            done = bench.run("check", expect=None)
            line = next(n for n, text in enumerate(config, 1) if text.startswith(setting))
            check(done.returncode == 1 and f"turnpike.toml:{line}:" in done.stderr and f": {setting} {file}: " in done.stderr, f"{setting} {wrong}: {done}")
            file.touch()
        file.write_bytes(kept)
        file.chmod(0o600)


def the_open_network_without_tls_is_warned_of(bench):
    """A listener on all addresses without TLS serves, and check and start say what that means."""
    simulator = bench.simulator()
    config = bench.write_config(simulator)
    config.write_text(config.read_text().replace('listen = "127.0.0.1:0"', 'listen = "0.0.0.0:0"'))
    bench.key()
    done = bench.run("check", expect=None)
    check(done.returncode == 0 and "warning: [server] listen 0.0.0.0:0 takes client keys and prompts over the network unencrypted" in done.stderr,
          f"turnpike check: {done}")
    gateway = bench.serve()
    check_equal(gateway.output().count("unencrypted"), 1, "warnings of the start")
