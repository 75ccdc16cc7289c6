"""What a board is made of: groups of rows, each row a published number or a system of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Status = Literal[
    "verified",  # these four as in published
    "reported",
    "disputed",
    "extraction-damaged",
    "measured",  # an own result, scored from its stored predictions
    "unusable",  # an own result that cannot be trusted; it has no value
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a system of one's own cost on the machine that ran it; None where it was not noted."""

    train_s: float | None = None  # to fit and predict, mean over seeds
    audio_per_s: float | None = (
        None  # seconds of audio read and turned into features in a second: the
    )
    # slowest seed, since features that are in the cache already come at no cost
    parameters: int | None = None  # fitted numbers; over all targets, mean over seeds


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A number and where it stands. Text is clean: no control characters, no line breaks."""

    system: str
    team: str  # as published; "" for an own system
    kind: Literal["published", "own"]
    split: Literal["dev", "test", "unknown"]
    metric: str  # "ccc.population"; of a published row the reading may be "unknown"
    scale: str  # of published.SCALES: rows of two scales never compare
    value: float | None  # None: undefined, nothing printed, or unusable; own: mean over seeds
    status: Status
    source: str  # paper and table of a published row; the command that makes an own one
    low: float | None = None  # interval as published, or by group
    high: float | None = None
    spread: float | None = None  # ± as published; own: standard deviation over two seeds or more
    place: int | None = None  # by value in its group; equal values share one; None: not ranked
    ranks: tuple[int, int] | None = None  # own: the best and worst that it may have among the own
    # rows of its group, from paired tests; None where there is none to compare with
    tied_first: bool = False  # whether ``ranks`` begins at 1: no own row is significantly better
    overlaps: tuple[str, ...] = ()  # published: own systems whose interval holds it: no test
    note: str = ""  # what a reader must know
    apart: str = ""  # why it is set apart; "" in a ranked group
    # of published rows
    printed: str = ""  # the value as printed
    cell: str = ""  # row / column of the table
    paper: str = ""  # where the system is described, if that is known
    also: tuple[str, ...] = ()  # other places that print the same number
    # of own rows
    seeds: int | None = None
    per_seed: tuple[float | None, ...] = ()  # [seeds] values
    cost: Cost | None = None
    folder: Path | None = None  # holds summary.json and seed<k>/


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rows that belong together. Only those of a ranked group may be compared with each other."""

    title: str  # "Test", "Dev, twin of hume-vocalburst", "Set apart, never ranked"
    part: Literal["dev", "test", ""]  # "": of several
    ranked: bool
    rows: tuple[Row, ...]  # ranked: the best first, undefined last
    data: str  # digest of the data of own rows that are not of the released data, else ""
    ceiling: float | None  # the best score that there can be on a twin, where it is known
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """All that is known of a task."""

    task: str
    title: str
    metric: str  # key of the metric that ranks own rows: "ccc.population"
    groups: tuple[Group, ...]  # test before dev, the released data before others, unranked last
    remarks: tuple[str, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of all groups."""
        return tuple(row for group in self.groups for row in group.rows)
