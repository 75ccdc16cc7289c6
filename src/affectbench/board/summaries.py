"""The board: stored results of a task side by side, ranked, with their intervals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from affectbench import results
from affectbench.errors import MissingData
from affectbench.intervals import described
from affectbench.types import Score


@dataclass(frozen=True, slots=True)
class Entry:
    """One system's line: its summary as stored."""

    folder: Path
    summary: dict[str, Any]

    def score(self, part: str) -> dict[str, Any] | None:
        """The ranking metric on a part; None where the part is blind."""
        found: dict[str, Any] | None = (
            self.summary["scores"].get(part, {}).get(self.summary["metric"])
        )
        return found


@dataclass(frozen=True, slots=True)
class Board:
    """All systems of a task, the best first."""

    task: str
    metric: str
    part: str  # the one that ranks: test if it is scored for every system, dev otherwise
    entries: tuple[Entry, ...]
    mixed: bool  # the entries are of different data: their values must not be compared


def collect(out: Path) -> list[Board]:
    """A board for each task with scored results in a folder.

    Raises:
        MissingData: there are none.
    """
    entries: dict[tuple[str, str], list[Entry]] = {}
    for folder in results.system_folders(out):
        path = folder / "summary.json"
        if not path.is_file():
            raise MissingData(f"{folder} has no summary.json. Score it: affectbench score {folder}")
        summary = json.loads(path.read_text())
        entries.setdefault((summary["task"], summary["metric"]), []).append(Entry(folder, summary))
    if not entries:
        raise MissingData(
            f"{out} holds no results. Make some: affectbench run TASK --system SYSTEM"
        )
    return [rank(task, metric, rows) for (task, metric), rows in sorted(entries.items())]


def rank(task: str, metric: str, entries: Sequence[Entry]) -> Board:
    """Sort entries by their value, NaN last."""
    part = "test" if all(entry.score("test") for entry in entries) else "dev"

    def order(entry: Entry) -> tuple[bool, float, str]:
        score = entry.score(part)
        value = score["value"] if score else None
        return value is None, -(value or 0.0), entry.summary["system"]

    data = {entry.summary["data"] for entry in entries}
    return Board(task, metric, part, tuple(sorted(entries, key=order)), mixed=len(data) > 1)


def number(value: float | None) -> str:
    """A score with three decimals, ``n/a`` where it is undefined."""
    return "n/a" if value is None else f"{value:.3f}"


def interval(score: dict[str, Any] | None) -> str:
    """``[.123, .456]``, or why there is none."""
    if score is None:
        return "blind"
    if score["low"] is None or score["high"] is None:
        return "no interval"
    return f"[{number(score['low'])}, {number(score['high'])}]"


HEADER = ("rank", "system", "seeds", "dev", "interval", "test", "interval")


def lines(board: Board) -> list[tuple[str, ...]]:
    """The board as rows of text, under ``HEADER``."""
    rows: list[tuple[str, ...]] = []
    for place, entry in enumerate(board.entries, start=1):
        dev, test = entry.score("dev"), entry.score("test")
        rows.append(
            (
                str(place),
                entry.summary["system"],
                str(len(entry.summary["seeds"])),
                number(dev["value"]) if dev else "n/a",
                interval(dev),
                number(test["value"]) if test else "blind",
                interval(test) if test else "",
            )
        )
    return rows


def remarks(board: Board) -> list[str]:
    """What a reader of the board has to know, each thing once."""
    told = [f"{board.metric}, ranked on {board.part}. A system's value is the mean over its seeds."]
    first = next(
        (entry.score(board.part) for entry in board.entries if entry.score(board.part)), None
    )
    if first and first["groups"]:
        score = Score(**{field.name: first[field.name] for field in fields(Score)})
        told.append(f"Intervals: {described(score)} ({score.clips:,} clips).")
    if board.mixed:
        told.append("The rows are of different data: their values must not be compared.")
    for entry in board.entries:
        told += [note for note in entry.summary["notes"] if note not in told]
    return told
