"""Runs the scenarios of one or more files: run.py --bin-dir build/release/bin simulator money"""
import argparse
import importlib
import inspect
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import harness


def scenarios_of(module):
    """Functions that take `bench`, in the order of the file."""
    found = [f for _, f in inspect.getmembers(module, inspect.isfunction)
             if f.__module__ == module.__name__ and list(inspect.signature(f).parameters) == ["bench"] and f.__doc__]
    return sorted(found, key=lambda f: f.__code__.co_firstlineno)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin-dir", required=True, help="folder with turnpike, turnpike-simulator and turnpike-load")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the counts of the large scenarios (sanitizer builds)")
    parser.add_argument("--long", action="store_true", help="as long as the specification says, where that takes minutes")
    parser.add_argument("--only", help="regular expression over scenario names")
    parser.add_argument("files", nargs="+", help="simulator, money, crash, reload, faults, clients, …")
    arguments = parser.parse_args()
    bench = harness.Bench(arguments.bin_dir, arguments.scale, arguments.long)
    code = 0
    for name in arguments.files:
        code |= harness.run_scenarios(scenarios_of(importlib.import_module("scenarios_" + name)), bench, arguments.only)
    return code


if __name__ == "__main__":
    sys.exit(main())
