"""The log of a bundle: one signed entry a line, each with the hash of the one before it.

A change of any byte is found, and an entry that was taken out or moved. What a log cannot show by
itself is that its last entries were cut off: the cards of those entries show it, since a card names
its place and its hash. Judges of one log wait for each other; the log is written whole each time.
"""

from __future__ import annotations

import fcntl
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from affectbench.errors import BadData, MissingData
from affectbench.judging.entries import (
    FIRST,
    Entry,
    canonical,
    fault,
    first_difference,
    parse,
)
from affectbench.store import disk_error, write_atomic


@contextmanager
def locked(log: Path) -> Iterator[None]:
    """Hold the log: another process that wants it waits. The lock ends with the process.

    Raises:
        AffectBenchError: the folder of the log cannot be written.
    """
    lock = log.with_name(f".{log.name}.lock")
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("ab")
    except OSError as error:
        raise disk_error(error, log) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def append(log: Path, entries: Sequence[Entry], entry: Entry) -> None:
    """Write the log with one entry more: whole, or as it was."""
    data = b"".join(canonical(one) + b"\n" for one in (*entries, entry))
    write_atomic(log, lambda file: file.write(data))


def last_hash(entries: Sequence[Entry]) -> str:
    """What the next entry names as ``previous``."""
    return str(entries[-1]["hash"]) if entries else FIRST


def read_log(log: Path) -> list[Entry]:
    """The entries of a log that is whole; none where there is no file yet.

    Raises:
        BadData: the log was changed; the message says where.
    """
    if not log.exists():
        return []
    entries, problems = examine(log)
    if problems:
        raise BadData(
            f"{log} was changed, and nothing was added to it: {problems[0]}. Go back to a copy "
            "that 'affectbench verify' finds whole."
        )
    return entries


def examine(log: Path) -> tuple[list[Any], list[str]]:
    """The entries of a log, and what is wrong with it: where, and which field if it can be told.

    Raises:
        MissingData: there is no such file, or it cannot be read.
    """
    try:
        data = log.read_bytes()
    except OSError as error:
        raise MissingData(f"{log} cannot be read: {error.strerror}.") from error
    *lines, rest = data.split(b"\n")
    problems = [] if data else ["the log is empty"]
    if rest:
        problems.append(f"line {len(lines) + 1} is cut off: it does not end as a line does")
    entries: list[Any] = []
    last: Entry | None = None  # the entry before, where nothing is wrong with it
    for number, line in enumerate(lines, start=1):
        entry, wrong = _read_line(line)
        wrong = wrong or fault(entry) or _out_of_place(entry, number, last)
        if wrong:
            problems.append(f"entry {number}: {wrong}")
        last = None if wrong else entry
        entries.append(entry)
    return entries, problems or _attempts_out_of_order(entries)


def _read_line(line: bytes) -> tuple[Any, str]:
    """The entry of a line, and why the line is not one as it is written."""
    try:
        entry = parse(line)
    except ValueError:
        return None, "it is not JSON"
    expected = canonical(entry)
    if expected != line:
        where = first_difference(line, expected) + 1
        return entry, f"it is not written as a log is (from byte {where} of the line)"
    return entry, ""


def _out_of_place(entry: Entry, number: int, last: Entry | None) -> str:
    """Why a sound entry does not belong after the one before, which is None where unknown."""
    if entry["entry"] != number:
        return f"field entry is {entry['entry']!r}: entries are missing, or were moved"
    if number == 1 and entry["previous"] != FIRST:
        return "field previous: an entry before it is missing"
    if last is None:
        return ""
    if entry["previous"] != last["hash"]:
        return f"field previous is not the hash of entry {number - 1}"
    odd = [name for name in ("bundle", "public_key") if entry[name] != last[name]]
    return f"field {odd[0]} is not that of entry {number - 1}" if odd else ""


def _attempts_out_of_order(entries: Sequence[Entry]) -> list[str]:
    """Where a team's attempts do not count 1, 2, 3, ... up to what is allowed."""
    used: dict[str, int] = {}
    problems = []
    for number, entry in enumerate(entries, start=1):
        if entry["kind"] != "scored":
            continue
        team = team_key(entry["team"])
        used[team] = used.get(team, 0) + 1
        if entry["attempt"] != used[team]:
            problems.append(
                f"entry {number}: field attempt is {entry['attempt']!r}, expected {used[team]}"
            )
        elif used[team] > entry["attempts"]:
            allowed = entry["attempts"]
            problems.append(f"entry {number}: field attempt is {used[team]}, allowed are {allowed}")
    return problems


def team_key(team: str) -> str:
    """What two spellings of one team share: compatibility forms, case and blanks do not count."""
    folded = unicodedata.normalize("NFKC", team).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def scored_for(entries: Sequence[Entry], team: str) -> list[Entry]:
    """The entries that cost the team an attempt, the first first."""
    key = team_key(team)
    return [e for e in entries if e["kind"] == "scored" and team_key(e["team"]) == key]
