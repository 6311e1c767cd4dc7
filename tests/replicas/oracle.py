"""Judges several replicas by their journals alone: what all of them together held and had spent at each instant.

Reads the SQLite files with Python's own library and folds the entries again; shares nothing with the ledger but the
form of the journal (docs/ledger.md).
"""

import sqlite3

DEFINED, SET, OPENED, PATH, RESERVE, EXACT, ESTIMATED, VOID, OVERRUN = 2, 6, 7, 8, 9, 11, 12, 13, 14


def fields(detail):
    return [line.split("=", 1) for line in detail.splitlines() if "=" in line]


def values(detail, key):
    return [value for name, value in fields(detail) if name == key]


def journal(folder):
    """(at, replica-local id, kind, attempt, amount, windows) of every entry that moves money, in order."""
    with sqlite3.connect(f"file:{folder}/ledger.sqlite?mode=ro", uri=True) as db:
        rows = db.execute("SELECT seq, at, kind, attempt, path, amount, detail FROM journal ORDER BY seq").fetchall()
    windows, paths, moves = {}, {}, []
    for seq, at, kind, attempt, path, amount, detail in rows:
        if kind == OPENED:
            rule = values(detail, "window")[0].split(" ")
            ends = values(detail, "end")
            end = int(ends[0]) if ends else None
            windows[seq] = (values(detail, "budget")[0], " ".join(rule[:3]), int(values(detail, "start")[0]), end)
        elif kind == PATH:
            paths[seq] = [windows[int(one)] for one in values(detail, "window")]
        elif kind in (RESERVE, EXACT, ESTIMATED, VOID, OVERRUN):
            moves.append((at, seq, kind, attempt, amount, paths[path]))
    return moves


def most_used(folders):
    """For each rule (budget and span) the most that was settled and reserved in its live windows at any instant, the
    same less what exceeded reservations, and how many attempts there were."""
    moves = []
    for folder in folders:
        moves += [(at, 1 if kind == RESERVE else 0, folder, seq, kind, attempt, amount, path) for at, seq, kind, attempt, amount, path in journal(folder)]
    # Of one microsecond, what gives back comes first.
    moves.sort(key=lambda move: (move[0], move[1], move[2], move[3]))
    held, used, peak, attempts = {}, {}, {}, 0
    for at, _, folder, seq, kind, attempt, amount, path in moves:
        if kind == RESERVE:
            attempts += 1
            held[folder, seq] = amount
            change = amount
        elif kind == OVERRUN:
            change = amount
        else:
            change = amount - held.pop((folder, attempt))
        for window in path:
            used[window] = used.get(window, 0) + change
        if kind != RESERVE:
            continue
        for budget, span, start, end in path:
            rolling = int(span.split(" ")[2]) * 1_000_000
            total = sum(amount for (b, s, first, last), amount in used.items()
                        if (b, s) == (budget, span) and (last is None or last + rolling > at) and first <= at
                        and (rolling or (first, last) == (start, end)))
            peak[budget, span] = max(peak.get((budget, span), 0), total)
    settled = {}
    for (budget, span, _, _), amount in used.items():
        settled[budget, span] = settled.get((budget, span), 0) + amount
    return peak, settled, attempts, len(held)
