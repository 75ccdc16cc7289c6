"""What reading a file that was handed in came to: repairs, notes, or a refusal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from affectbench.errors import BadData
from affectbench.submission.names import shown

FIRST: Final = 10  # rows and cells that are named; the rest is counted


@dataclass(frozen=True, slots=True)
class Repair:
    """Something that was put right without touching a value."""

    kind: str  # "brackets", "zeros", "row order", ...
    count: int  # rows, columns or cells concerned
    rows: tuple[int, ...]  # the first of them, lines of the file; empty where it is the whole file
    sentence: str


class Refused(BadData):
    """A file that cannot be scored, with all that is wrong with it.

    ``problems`` holds one sentence each: what was found, where (lines of the file, the header
    being line 1), what was expected.
    """

    def __init__(self, name: str, problems: Sequence[str]) -> None:
        super().__init__(name, tuple(problems))
        self.name = name
        self.problems = tuple(problems)

    def __str__(self) -> str:
        """All of it in one message."""
        lines = "".join(f"\n- {problem}" for problem in self.problems)
        return (
            f"{shown(self.name, 120)} cannot be accepted:{lines}\n"
            "No value was changed or guessed. Mend the file and hand it in again."
        )


@dataclass(slots=True)
class Log:
    """What the stages of reading found so far."""

    repairs: list[Repair] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def repaired(self, kind: str, count: int, sentence: str, rows: Sequence[int] = ()) -> None:
        """Add a repair if there was anything to repair."""
        if count:
            self.repairs.append(Repair(kind, count, tuple(rows[:FIRST]), sentence))


def first_of(places: Iterable[str], count: int) -> str:
    """The first places separated by commas, and how many more there are of ``count``."""
    named = [place for place, _ in zip(places, range(FIRST), strict=False)]
    more = count - len(named)
    return ", ".join(named) + (f" and {more:,} more" if more > 0 else "")


def number_of(count: int, one: str, many: str = "") -> str:
    """``1 row``, ``1,200 rows``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
