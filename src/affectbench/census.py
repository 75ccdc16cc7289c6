"""What a table of clips holds, counted, and set beside what was published about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import polars as pl

from affectbench.types import PARTS, Corpus, Fact, Target

WHAT: Final = re.compile(
    r"(?:(?P<part>train|dev|test) )?(?:(?P<sex>female|male) )?(?P<noun>\w+)(?: of (?P<of>.+))?"
)
SECONDS: Final = "duration_s"
ENOUGH: Final = 10  # labels of a column below which its range would tell those of single clips


@dataclass(frozen=True, slots=True, kw_only=True)
class PartCount:
    """One part of the split, or all clips. None: not known from this folder."""

    part: str  # train, dev, test, or "all"
    clips: int
    speakers: int | None
    sexes: Mapping[str, int]  # speakers by sex; empty where it is unknown
    timed: int  # clips whose duration is known
    duration_s: float | None  # sum
    mean_s: float | None
    min_s: float | None
    max_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnCount:
    """One label column."""

    column: str
    labelled: int
    blank: int  # blank or NaN
    blank_outside_test: int
    low: float | None  # smallest label of a regression; None where too few are labelled to tell it
    high: float | None
    outside: int  # labels out of the range, or classes that there are not


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetCount:
    """The label columns of one target."""

    target: str
    columns: tuple[ColumnCount, ...]
    complete: int  # rows with a label in every column
    maximum_is_one: float | None  # share of them whose highest label is exactly 1; regression
    classes: Mapping[str, Mapping[str, int]]  # class -> part or "all" -> clips; classification


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A count of this folder beside the published ones."""

    what: str  # Fact.what
    found: float | None  # None: cannot be told from this folder
    published: tuple[Fact, ...]
    verdict: Literal["ok", "odd", "unknown"]

    @property
    def line(self) -> str:
        """``clips: published 59,201, found 592, 1.0 % of it (odd)``."""
        told = ", ".join(
            f"{'corrected' if fact.status == 'correction' else 'published'} {shown(fact.value)}"
            for fact in self.published
        )
        if self.found is None:
            return f"{self.what}: {told}, cannot be told from this folder"
        if self.verdict == "ok":
            return f"{self.what}: {told}, found {shown(self.found)} (ok)"
        against = next((f for f in self.published if f.status == "correction"), self.published[0])
        counted = against.value and not self.what.endswith((" from", " to"))
        share = f", {self.found / against.value:.1%} of it" if counted else ""
        return f"{self.what}: {told}, found {shown(self.found)}{share} (odd)".replace("%", " %")


def shown(value: float) -> str:
    """A count with thousands apart, decimals only where there are any."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}".rstrip("0")


def count_parts(clips: pl.DataFrame) -> tuple[PartCount, ...]:
    """All clips, then each part of the released split that there is.

    Args:
        clips: ``schema.CLIPS``, and ``seconds`` where durations are known.
    """
    tables = {"all": clips}
    for part in PARTS:
        table = clips.filter(pl.col("part") == part)
        if len(table):
            tables[part] = table
    return tuple(_count_part(name, table) for name, table in tables.items())


def _count_part(name: str, clips: pl.DataFrame) -> PartCount:
    seconds = clips["seconds"].drop_nulls() if "seconds" in clips.columns else pl.Series([])
    known = len(seconds) > 0
    speakers = clips.select("speaker", "sex").drop_nulls("speaker").unique()
    sexes = speakers.drop_nulls("sex").group_by("sex").len().sort("sex")
    return PartCount(
        part=name,
        clips=len(clips),
        speakers=speakers["speaker"].n_unique() or None,
        sexes=dict(sexes.iter_rows()),
        timed=len(seconds),
        duration_s=float(seconds.sum()) if known else None,
        mean_s=float(seconds.sum() / len(seconds)) if known else None,
        min_s=float(seconds.to_numpy().min()) if known else None,
        max_s=float(seconds.to_numpy().max()) if known else None,
    )


def count_labels(corpus: Corpus, clips: pl.DataFrame) -> tuple[TargetCount, ...]:
    """Labels of each target whose columns are all in the folder."""
    held = [target for target in corpus.targets if set(target.columns) <= set(clips.columns)]
    return tuple(_count_target(target, clips) for target in held)


def _count_target(target: Target, clips: pl.DataFrame) -> TargetCount:
    regression = target.kind == "regression"
    values = clips.select("part", *target.columns)
    if regression:
        values = values.with_columns(pl.col(target.columns).cast(pl.Float64).fill_nan(None))
    rows = values.drop_nulls(list(target.columns))
    share = None
    if regression and len(target.columns) > 1 and len(rows):
        highest = rows.select(pl.max_horizontal(target.columns)).to_series()
        share = int((highest == 1).sum()) / len(rows)
    return TargetCount(
        target=target.name,
        columns=tuple(_count_column(target, column, values) for column in target.columns),
        complete=len(rows),
        maximum_is_one=share,
        classes={} if regression else _count_classes(target, rows),
    )


def _count_column(target: Target, column: str, clips: pl.DataFrame) -> ColumnCount:
    values = clips[column]
    blank = values.is_null()
    given = values.drop_nulls()
    low = high = None
    if target.kind == "classification":
        outside = len(given) - int(given.is_in(list(target.classes)).sum())
    else:
        numbers = given.to_numpy()
        outside = int(((numbers < target.low) | (numbers > target.high)).sum())
        if len(numbers) >= ENOUGH:
            low, high = float(numbers.min()), float(numbers.max())
    return ColumnCount(
        column=column,
        labelled=len(given),
        blank=int(blank.sum()),
        blank_outside_test=int((blank & (clips["part"] != "test").fill_null(True)).sum()),
        low=low,
        high=high,
        outside=outside,
    )


def _count_classes(target: Target, rows: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Clips by class and part; a class without clips counts 0."""
    column = target.columns[0]
    parts = [part for part in PARTS if part in set(rows["part"])]
    counts = {name: dict.fromkeys(("all", *parts), 0) for name in target.classes}
    for name, part, clips in rows.group_by(column, "part").len().iter_rows():
        if name in counts:
            counts[name]["all"] += clips
            if part is not None:
                counts[name][part] = clips
    return counts


def compare(corpus: Corpus, clips: pl.DataFrame) -> tuple[Comparison, ...]:
    """Each published count and correction beside what the folder holds.

    Counts are equal exactly, durations to the second, other numbers to the digits published.
    """
    facts: dict[str, list[Fact]] = {}
    for fact in corpus.facts:
        facts.setdefault(fact.what, []).append(fact)
    for key, value in corpus.published.items():
        what = f"{key} clips" if key in PARTS else key
        if what not in facts:
            facts[what] = [Fact(what=what, value=value, source=corpus.source)]
    found = {what: count(what, clips) for what in facts}
    return tuple(
        Comparison(
            what=what,
            found=found[what],
            published=tuple(told),
            verdict=_verdict(what, found[what], told),
        )
        for what, told in facts.items()
    )


def _verdict(what: str, found: float | None, told: list[Fact]) -> Literal["ok", "odd", "unknown"]:
    if found is None:
        return "unknown"
    for fact in told:
        decimals = len(repr(float(fact.value)).rstrip("0").partition(".")[2])
        slack = 0.5 * 10.0**-decimals if decimals else float(what.endswith("_s"))
        if abs(found - fact.value) <= slack:
            return "ok"
    return "odd"


def count(what: str, clips: pl.DataFrame) -> float | None:
    """The count that ``Fact.what`` names, None where this folder or this function cannot tell.

    Understood: ``clips``, ``duration_s``, any column in the plural (``speakers``, ``seeds``:
    distinct values), each after ``train``, ``dev`` or ``test`` and after ``female`` or ``male``,
    or before ``of PART`` or ``of COLUMN VALUE``; and ``COLUMN from``, ``COLUMN to``.
    """
    column, _, end = what.rpartition(" ")
    if end in ("from", "to") and column in clips.columns:
        values = clips[column].drop_nulls().to_numpy()
        if not len(values):
            return None
        return float(values.min() if end == "from" else values.max())
    match = WHAT.fullmatch(what)
    if match is None:
        return None
    chosen = _chosen(match, clips)
    return None if chosen is None else _counted(match["noun"], chosen)


def _chosen(match: re.Match[str], clips: pl.DataFrame) -> pl.DataFrame | None:
    """The clips that the words around the noun choose."""
    conditions = {"part": match["part"], "sex": match["sex"]}
    if match["of"] in PARTS:
        conditions["part"] = match["of"]
    elif match["of"]:
        column, _, value = match["of"].partition(" ")
        conditions[column] = value
    for column, value in conditions.items():
        if value is None:
            continue
        if column not in clips.columns or clips[column].null_count() == len(clips):
            return None
        clips = clips.filter(pl.col(column).cast(pl.String) == value)
    return clips


def _counted(noun: str, clips: pl.DataFrame) -> float | None:
    """What the noun counts in these clips."""
    if noun == "clips":
        return len(clips)
    if noun == SECONDS:
        seconds = clips.get_column("seconds", default=None)
        return None if seconds is None or seconds.null_count() else float(seconds.sum())
    for column in (noun.removesuffix("s"), noun.removesuffix("es")):
        if column != noun and column in clips.columns:
            if not len(clips):
                return 0
            return clips[column].drop_nulls().n_unique() or None
    return None
