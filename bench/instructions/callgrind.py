"""Reads callgrind's dumps: instructions and system calls per room, of the event loop and of the other threads."""

import collections
import dataclasses
import pathlib
import re

LOOP_MARK = "turnpike::server::Session::on_readable"  # runs on event loops only
WRITER_MARK = "turnpike::account::Writer::"
NOT_COUNTED = ("clock_gettime", "time_syscall", "gettimeofday",  # need no system call outside of valgrind
               "epoll_wait", "pthread_cond")                     # how often one waits depends on who runs first
ALLOCATOR = re.compile(r"^(_?int_)?(malloc|free|calloc|realloc|cfree|unlink_chunk|tcache|sysmalloc)|^operator (new|delete)|_int_")
LIBRARIES = (("libcurl", "libcurl"), ("libssl", "openssl"), ("libcrypto", "openssl"), ("libsimdjson", "simdjson"),
             ("libsqlite", "sqlite"), ("libstdc++", "std"), ("libfmt", "fmt"), ("libxxhash", "xxhash"))


@dataclasses.dataclass
class Part:
    """What one thread did between two marks."""
    thread: int
    functions: collections.Counter  # (object, function) -> instructions
    system_calls: int               # without waits and readings of the clock


def room_of(object_file, function):
    """Which room an instruction belongs to, by the function that executes it."""
    if function.startswith("turnpike::"):
        room = function.split("::")[1]
        return room if re.fullmatch(r"[a-z]+", room) else "dictionary"
    if ALLOCATOR.match(function):
        return "malloc"
    for prefix, room in (("boost::", "asio"), ("simdjson", "simdjson"), ("fmt::", "fmt")):
        if function.startswith(prefix):
            return room
    for library, room in LIBRARIES:
        if library in object_file:
            return room
    return "libc" if "/libc" in object_file or "ld-linux" in object_file else "std"


def read_part(path):
    """Self costs only: the line after `calls=` is what the callee took."""
    names = {}
    functions = collections.Counter()
    thread, events, current_object, current = 1, ["Ir", "sysCount"], "", ""
    system_calls = 0
    callee = False

    def named(text):
        number, _, name = text.partition(" ")
        if name:
            names[number] = name
        return names.get(number, number)

    for line in path.read_text(errors="replace").splitlines():
        if line.startswith("events:"):
            events = line.split()[1:]
        elif line.startswith("thread:"):
            thread = int(line.split()[1])
        elif line.startswith("ob="):
            current_object = named("o" + line[3:])
        elif line.startswith("fn="):
            current = named("f" + line[3:])
        elif line.startswith("cob="):
            named("o" + line[4:])
        elif line.startswith("cfn="):
            named("f" + line[4:])
        elif line.startswith("calls="):
            callee = True
        elif line[:1] in "0123456789+-*" and line:
            if not callee:
                costs = line.split()[1:]
                functions[(current_object, re.sub(r"'\d+$", "", current))] += int(costs[0])
                if len(costs) > events.index("sysCount") and not current.startswith(NOT_COUNTED):
                    system_calls += int(costs[events.index("sysCount")])
            callee = False
    return Part(thread, functions, system_calls)


def read_loop(folder, prefix):
    """{part number: Part} of the event loop. A dump that a thread asks for holds that thread alone."""
    parts = {}
    for path in pathlib.Path(folder).glob(prefix + ".*-*"):
        number = int(path.name[len(prefix) + 1:].split("-")[0])
        parts[number] = read_part(path)
    if not any(LOOP_MARK in function for part in parts.values() for _, function in part.functions):
        raise RuntimeError("no event loop in the profile: was the binary stripped?")
    return parts


def read_writer(folder, prefix):
    """The ledger's writer, from the start to the end."""
    for path in pathlib.Path(folder).glob(prefix + "-*"):
        part = read_part(path)
        if any(WRITER_MARK in function for _, function in part.functions) and not any(
                "turnpike::app::" in function for _, function in part.functions):
            return part
    raise RuntimeError("no ledger writer in the profile")


def by_room(functions):
    rooms = collections.Counter()
    for (object_file, function), cost in functions.items():
        rooms[room_of(object_file, function)] += cost
    return rooms
