"""A PostgreSQL of one's own: in a temporary directory, on a unix socket, as an unprivileged user, with fsync.

Usage: postgres.py COMMAND [ARGUMENT...]   runs the command with TURNPIKE_POSTGRES set to a libpq connection string

Installs Debian's package if it is missing. Where that is impossible too, it says SKIPPED and exits 77.
"""

import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77


def binaries():
    """Folder of initdb and pg_ctl; installs the package if need be. None if it cannot be had."""
    def found():
        return max(pathlib.Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), default=None)
    if not found() and os.geteuid() == 0:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(["apt-get", "update", "-qq"], check=False, **quiet)
        # create_main_cluster: the package would start a server of its own on port 5432.
        config = pathlib.Path("/etc/postgresql-common/createcluster.conf")
        if not config.exists():
            config.parent.mkdir(parents=True, exist_ok=True)
            config.write_text("create_main_cluster = false\n")
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold",
                        "postgresql"], check=False, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, **quiet)
    control = found()
    return control.parent if control else None


class Postgres:
    """Server in a temporary directory; gone on close()."""

    def __init__(self):
        self.bin = binaries()
        if self.bin is None:
            print("SKIPPED: PostgreSQL is not installed and cannot be installed here: apt-get install postgresql")
            sys.exit(SKIPPED)
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="turnpike-postgres-"))
        self.data = self.root / "data"
        self.user = None
        if os.geteuid() == 0:  # the server refuses to be root
            self.user = "postgres"
            owner = pwd.getpwnam(self.user)
            os.chown(self.root, owner.pw_uid, owner.pw_gid)
        os.chmod(self.root, 0o755)
        self._run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale")
        with open(self.data / "postgresql.conf", "a") as config:
            config.write(f"listen_addresses = ''\nunix_socket_directories = '{self.root}'\nfsync = on\n"
                         "max_connections = 60\nshared_buffers = 32MB\nlog_min_messages = fatal\n")
        self.start()

    def _run(self, program, *arguments):
        command = [str(self.bin / program), *map(str, arguments)]
        if self.user:
            command = ["runuser", "-u", self.user, "--", *command]
        done = subprocess.run(command, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stdout[-2000:]}")

    def start(self):
        self._run("pg_ctl", "-D", self.data, "-l", self.root / "log", "-w", "-t", "60", "start")

    def crash_and_restart(self):
        """As after a power failure of the server's machine, less the disk: no checkpoint, recovery from its log."""
        self._run("pg_ctl", "-D", self.data, "-l", self.root / "log", "-w", "-t", "60", "-m", "immediate", "restart")

    def stop(self):
        self._run("pg_ctl", "-D", self.data, "-w", "-t", "60", "-m", "immediate", "stop")

    def close(self):
        try:
            self.stop()
        except RuntimeError:
            pass  # stopped already
        shutil.rmtree(self.root, ignore_errors=True)

    def address(self, database="postgres", socket_folder=None):
        return f"host={socket_folder or self.root} user=postgres dbname={database}"

    def query(self, sql, database="postgres"):
        """Rows of a query, as lists of text: asked with psql, so with none of the code under test."""
        command = [str(self.bin / "psql"), "-h", str(self.root), "-U", "postgres", "-d", database, "-X", "-q", "-A", "-t", "-F", "\t",
                   "-v", "ON_ERROR_STOP=1"]
        done = subprocess.run(command, input=sql, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise RuntimeError(f"psql: {done.stderr.strip()}")
        return [line.split("\t") for line in done.stdout.splitlines()]


def main():
    server = Postgres()
    try:
        return subprocess.run(sys.argv[1:], env={**os.environ, "TURNPIKE_POSTGRES": server.address()}).returncode
    finally:
        server.close()


if __name__ == "__main__":
    sys.exit(main())
