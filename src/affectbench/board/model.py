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

    train_s: float | None  # to fit and predict, mean over seeds
    audio_per_s: float | None  # seconds of audio read and turned into features in a second: the
    # slowest seed, since features that are in the cache already come at no cost
    parameters: int | None  # fitted numbers; over all targets, mean over seeds


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A number and where it stands. Text is clean: no control characters, no line breaks."""

    system: str
    team: str  # as published; "" for an own system
    kind: Literal["published", "own"]
    split: Literal["dev", "test", "unknown"]
    metric: str  # "ccc.population"; of a published row the reading may be "unknown"
    scale: str  # of published.SCALES: rows of two scales never compare
    value: float | None  # None: undefined, nothing printed, or unusable; an own value is the mean
    # over seeds
    printed: str  # a published value as printed; "" for an own one
    low: float | None  # interval as published, or by group
    high: float | None
    spread: float | None  # ± as published; own: standard deviation over seeds, None for one seed
    seeds: int | None  # of an own system
    per_seed: tuple[float | None, ...]  # values of the seeds of an own system
    place: int | None  # by value in its group; equal values share one; None where it is not ranked
    ranks: tuple[int, int] | None  # best and worst that an own row may have among the own rows of
    # its group, from paired tests; None where there is none to compare with
    tied_first: bool  # whether no own row of the group is significantly better; needs ranks
    overlaps: tuple[str, ...]  # published row: own systems whose interval holds its value. No test
    status: Status
    source: str  # paper, table and cell of a published row; the command that makes an own one
    also: tuple[str, ...]  # other places that print the same number
    note: str  # what a reader must know
    cost: Cost | None  # of an own system
    folder: Path | None  # of an own system: holds summary.json and seed<k>/


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
