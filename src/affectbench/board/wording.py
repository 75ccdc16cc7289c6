"""Numbers and names as text, alike in every format."""

from __future__ import annotations

import unicodedata
from typing import Any, Final

from affectbench.board.model import Row

PLACES: Final = 3  # decimals of a score


def clean(text: object) -> str:
    """Text from outside in one line: line breaks become blanks, control characters go.

    What goes are the Unicode categories C (control, format, surrogate, private, unassigned): escape
    sequences of terminals and marks that turn the direction of writing are among them.
    """
    kept = (
        " " if char.isspace() else "" if unicodedata.category(char)[0] == "C" else char
        for char in str(text)
    )
    return " ".join("".join(kept).split())


def number(value: float | None) -> str:
    """A score with three decimals, ``n/a`` where it is undefined."""
    return "n/a" if value is None else f"{value:.{PLACES}f}"


def value_of(row: Row) -> str:
    """The score of a row: three decimals, fewer where fewer are printed (``0.84``), or ``n/a``."""
    if row.value is None or row.kind == "own":
        return number(row.value)
    return f"{row.value:.{min(len(row.printed.partition('.')[2]), PLACES)}f}"


def interval(score: dict[str, Any] | None) -> str:
    """``[.123, .456]``, or why there is none."""
    if score is None:
        return "blind"
    if score["low"] is None or score["high"] is None:
        return "no interval"
    return bounds(score["low"], score["high"])


def bounds(low: float, high: float) -> str:
    """``[0.123, 0.456]``."""
    return f"[{number(low)}, {number(high)}]"


def interval_of(row: Row) -> str:
    """``[0.123, 0.456]``, of a published row without an interval ``± 0.002``, or nothing."""
    if row.low is not None and row.high is not None:
        return bounds(row.low, row.high)
    return f"± {number(row.spread)}" if row.kind == "published" and row.spread is not None else ""


def places(ranks: tuple[int, int] | None) -> str:
    """``2``, or ``1-3`` for a range of ranks; empty where there are none."""
    if ranks is None:
        return ""
    best, worst = ranks
    return str(best) if best == worst else f"{best}-{worst}"
