"""What the programs of this folder share: counting checks, finding tools, the paths of deploy/."""
import argparse
import pathlib
import shutil
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = SOURCE / "deploy"
SKIPPED_EXIT = 77  # SKIP_RETURN_CODE in CMakeLists.txt


class Checks:
    def __init__(self):
        self.passed = self.failed = 0
        self.skipped = []

    def that(self, truth, what, detail=""):
        if truth:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED   {what}" + (f": {detail}" if detail else ""), flush=True)
        return bool(truth)

    def tool(self, name):
        """The tool's path; None, said loudly, where it is not installed."""
        path = shutil.which(name)
        if path is None:
            self.skip(f"{name} is not installed")
        return path

    def skip(self, why):
        self.skipped.append(why)
        print(f"SKIPPED: {why}", file=sys.stderr, flush=True)

    def runs(self, what, *argv):
        """True if the program ends with 0; its output otherwise counts as the fault."""
        done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=60)
        return self.that(done.returncode == 0, what, (done.stdout + done.stderr).strip()), done.stdout + done.stderr

    def close(self):
        """Prints the last line; the exit code."""
        print(f"{self.passed} passed, {self.failed} failed" + (f", {len(self.skipped)} skipped" if self.skipped else ""))
        return 1 if self.failed else SKIPPED_EXIT if self.skipped else 0


def bin_dir():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--bin-dir", required=True, type=pathlib.Path, help="where turnpike and turnpike-simulator are")
    return arguments.parse_args().bin_dir.resolve()
