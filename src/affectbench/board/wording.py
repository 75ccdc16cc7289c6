"""Numbers and names as text, alike in every format."""

from __future__ import annotations

import unicodedata
from typing import Any, Final

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


def as_printed(value: float | None, printed: str) -> str:
    """A published score with the decimals that are printed, three at most: ``0.84``."""
    if value is None:
        return "n/a"
    return f"{value:.{min(len(printed.partition('.')[2]), PLACES)}f}"


def interval(score: dict[str, Any] | None) -> str:
    """``[.123, .456]``, or why there is none."""
    if score is None:
        return "blind"
    if score["low"] is None or score["high"] is None:
        return "no interval"
    return bounds(score["low"], score["high"])


def bounds(low: float | None, high: float | None) -> str:
    """``[0.123, 0.456]``; empty where there is none."""
    return "" if low is None or high is None else f"[{number(low)}, {number(high)}]"
