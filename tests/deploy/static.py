#!/usr/bin/env python3
"""Checks of deploy/ that start no gateway: Prometheus files, the board's form, the units, the example configuration."""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from checks import DEPLOY, SOURCE, Checks, bin_dir

PROMETHEUS = DEPLOY / "prometheus"
EXPOSURE_MAX = 2.0  # of systemd-analyze security, 0 (best) to 10


def prometheus_files(checks, folder):
    promtool = checks.tool("promtool")
    if promtool is None:
        return
    for name in ("prometheus.yml", "rules.yml", "rules_test.yml"):
        shutil.copy(PROMETHEUS / name, folder)
    # promtool wants the token file, which every installation has of its own, to exist.
    (folder / "turnpike.token").write_text("not-a-token\n")
    config = folder / "prometheus.yml"
    for what, *argv in (("promtool check config", "check", "config", config), ("promtool check rules", "check", "rules", folder / "rules.yml"),
                        ("promtool test rules", "test", "rules", folder / "rules_test.yml")):
        good, _ = checks.runs(what, promtool, *argv)
        print(f"{'ok' if good else '--'}       {what}")
    # A rule test that cannot fail proves nothing: with a threshold moved, the same tests must complain.
    broken = (folder / "rules.yml").read_text().replace("turnpike:stream_breaks:ratio5m > 0.02", "turnpike:stream_breaks:ratio5m > 0.2")
    (folder / "rules.yml").write_text(broken)
    done = subprocess.run([promtool, "test", "rules", str(folder / "rules_test.yml")], capture_output=True, text=True, timeout=60)
    checks.that(done.returncode != 0, "the rule tests notice a moved threshold")
    alerts = re.findall(r"- alert: (\w+)", (PROMETHEUS / "rules.yml").read_text())
    tests = (PROMETHEUS / "rules_test.yml").read_text()
    for alert in alerts:
        checks.that(alert in tests, f"alert {alert} has a rule test")
        checks.that(alert in (SOURCE / "docs" / "operating.md").read_text(), f"docs/operating.md mentions {alert}")


def board_form(checks):
    checks.runs("the board is what make_board.py describes", sys.executable, "-B", DEPLOY / "grafana" / "make_board.py", "--check")
    board = json.loads((DEPLOY / "grafana" / "turnpike.json").read_text())
    checks.that(board["schemaVersion"] >= 36, "schemaVersion is at least 36")
    checks.that(any(v["type"] == "datasource" for v in board["templating"]["list"]), "the data source is a variable")
    identities = [p["id"] for p in board["panels"]]
    checks.that(len(identities) == len(set(identities)), "panel ids are unique")
    taken = {}
    for panel in board["panels"]:
        place = panel["gridPos"]
        checks.that(place["x"] + place["w"] <= 24, f"{panel['title']} is inside the 24 columns")
        for cell in ((x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])):
            if cell in taken:
                checks.that(False, f"panels {panel['title']} and {taken[cell]} overlap")
                break
            taken[cell] = panel["title"]
        if panel["type"] != "row":
            checks.that(panel["targets"] and panel["datasource"]["uid"] == "${datasource}", f"{panel['title']} asks the variable data source")


def units(checks, folder, turnpike):
    analyze = checks.tool("systemd-analyze")
    if analyze is None:
        return
    # verify wants the program to exist where the unit says; here that is the build folder.
    for name in ("turnpike.service", "turnpike.socket"):
        text = (DEPLOY / "systemd" / name).read_text().replace("/usr/bin/turnpike", str(turnpike))
        (folder / name).write_text(text)
    good, output = checks.runs("systemd-analyze verify", analyze, "verify", "--man=no", folder / "turnpike.service", folder / "turnpike.socket")
    checks.that(not output.strip(), "systemd-analyze verify has nothing to say", output.strip())
    print(f"{'ok' if good else '--'}       systemd-analyze verify")
    done = subprocess.run([analyze, "security", "--offline=true", str(folder / "turnpike.service")], capture_output=True, text=True, timeout=60)
    score = re.search(r"Overall exposure level.*?: ([\d.]+)", done.stdout)
    if score is None:
        checks.skip("this systemd-analyze has no offline security check")
        return
    checks.that(float(score.group(1)) <= EXPOSURE_MAX, f"exposure at most {EXPOSURE_MAX}", score.group(0))
    print(f"ok       systemd-analyze security: exposure {score.group(1)} of 10")


def drain_fits_the_unit(checks):
    unit = (DEPLOY / "systemd" / "turnpike.service").read_text()
    stop = int(re.search(r"TimeoutStopSec=(\d+)", unit).group(1))
    drain = int(re.search(r"drain_deadline_s = (\d+)", (DEPLOY / "turnpike.toml").read_text()).group(1))
    checks.that(stop > drain + 5, "systemd waits longer than the gateway drains", f"{stop} s against {drain} s")
    header = (SOURCE / "src" / "app" / "commands.hpp").read_text()
    known = {code for code in re.findall(r"exit_\w+ = (\d+)", header)}
    final = set(re.search(r"RestartPreventExitStatus=(.*)", unit).group(1).split())
    checks.that(final <= known, "exit codes of the unit exist", f"{final - known}")


def example_configuration(checks, folder, turnpike):
    if not turnpike.exists():
        checks.that(False, "the binary to check the example with", f"{turnpike} is missing")
        return
    text = (DEPLOY / "turnpike.toml").read_text()
    # Every key that stands there as a comment must be one the gateway knows, so it is switched on for this check.
    text = re.sub(r"^# (\[[\w.]+\](?= *(?:#|$))|\w+ = [^#\n]*)", r"\1", text, flags=re.M)
    for name in ("tls.crt", "tls.key", "clients.crt"):
        text = text.replace(f"/etc/turnpike/{name}", str(folder / name.replace("clients", "tls")))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=x",
                    "-addext", "subjectAltName=DNS:x", "-keyout", folder / "tls.key", "-out", folder / "tls.crt"], check=True, capture_output=True)
    text = text.replace("/etc/turnpike", str(SOURCE)).replace("/var/lib/turnpike", str(folder / "data"))
    (folder / "turnpike.toml").write_text(text)
    good, _ = checks.runs("turnpike check accepts the example, commented keys switched on", turnpike, "--config", folder / "turnpike.toml", "check")
    print(f"{'ok' if good else '--'}       deploy/turnpike.toml with {len(re.findall(r'^[a-z_]+ = ', text, flags=re.M))} keys")


def main():
    turnpike = bin_dir() / "turnpike"
    checks = Checks()
    with tempfile.TemporaryDirectory(prefix="turnpike-deploy-") as name:
        folder = pathlib.Path(name)
        prometheus_files(checks, folder)
        board_form(checks)
        units(checks, folder, turnpike)
        drain_fits_the_unit(checks)
        example_configuration(checks, folder, turnpike)
    return checks.close()


if __name__ == "__main__":
    sys.exit(main())
