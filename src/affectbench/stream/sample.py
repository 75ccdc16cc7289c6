"""Samples of so many hours, stratified, that do not move when rows are added.

Every clip has a fixed place in a random order: ``draw``, a hash of its name. In each stratum a
sample is the start of that order, so

- the same rows give the same sample, on every machine, in whatever order they are in;
- a sample of fewer hours is a part of one of more hours, to the clip;
- each clip has the same chance, hours over all hours, to be drawn;
- when rows are added and the hours stay, clips of a stratum leave only from the end of its order,
  since others take their hours; none comes in before one that was there;
- when rows are added and the limits stay (``like``: the draw up to which each stratum is taken),
  every clip of the sample stays, none of the old others comes in, and new clips come in at the same
  rate. The hours grow with the corpus.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import polars as pl

from affectbench.errors import BadData
from affectbench.stream.summary import bucket

STRATA: Final = {
    "game": pl.col("game"),
    "duration": bucket("duration_s"),
    "folder": pl.col("folder"),
}
TOP: Final = 1 << 64  # draws are below it


def sample(
    rows: pl.LazyFrame, hours: float, by: Sequence[str] = ("game", "duration")
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Clips of about ``hours`` in all, the same share of every stratum; the limits for ``like``.

    Clips are taken in the order of the share of their stratum that they and those before them
    fill, so that the hours are met to within half of the last clip. Clips without a duration are
    never taken.

    Args:
        rows: Columns of the index, in any order.
        hours: Above 0, and no more than there are.
        by: Names in ``STRATA``; none for a plain sample.

    Returns:
        ``line``, and ``{"by", "others", "limits"}`` as JSON holds them.

    Raises:
        BadData: there are not so many hours, or ``by`` names no stratum.
    """
    strata = pl.col(_names(by)).cast(pl.Categorical)  # twice as fast to group and to move
    work = _strata(rows, by).with_columns(strata).sort("draw")
    total_s = float(work["duration_s"].sum())
    if not 0 < hours <= total_s / 3600:
        raise BadData(
            f"{hours:g} h were asked for and there are {total_s / 3600:,.3f} h with a duration. "
            "Expected more than 0 and no more than there are; widen the condition."
        )
    within = pl.col("draw").and_(0xFFFFFFFF) / 2**32  # where in itself a clip is cut
    filled = pl.col("duration_s").cum_sum() - pl.col("duration_s") * (1 - within)
    share = (filled / pl.col("duration_s").sum()).over(*_names(by))
    work = work.with_columns(share=share)
    taken = _first(work, hours * 3600, total_s)
    work = work.with_columns(taken=pl.col("line").is_in(taken["line"].implode()))
    return taken.select("line"), _limits(work, by, int(hours * 3600 / total_s * TOP))


def like(rows: pl.LazyFrame, drawn: dict[str, Any]) -> pl.DataFrame:
    """``line`` of the clips below the limits of an earlier sample.

    A stratum that was not there then is drawn at the share that the sample was of all.

    Raises:
        BadData: ``drawn`` is not what ``sample`` returned.
    """
    try:
        by, others = drawn["by"], int(drawn["others"], 16)
        columns = list(zip(*drawn["limits"], strict=True)) or [()] * (len(_names(by)) + 1)
        limits = pl.DataFrame(
            {
                name: pl.Series(values, dtype=pl.String)
                for name, values in zip(_names(by), columns[:-1], strict=True)
            }
            | {"limit": pl.Series([int(text, 16) for text in columns[-1]], dtype=pl.UInt64)}
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadData(
            "The sample has no limits. Expected a subset that was made with --hours."
        ) from error
    work = _strata(rows, by).join(limits, on=_names(by), how="left", nulls_equal=True)
    below = pl.col("draw") < pl.col("limit").fill_null(pl.lit(others, pl.UInt64))
    return work.filter(below).select("line")


def _first(work: pl.DataFrame, seconds: float, total_s: float) -> pl.DataFrame:
    """The clips of the smallest shares, as long as their middle is within ``seconds``.

    Sorted are those alone that can be among them: shares up to a bound that is raised until enough
    lie below it.
    """
    middle = pl.col("duration_s").cum_sum() - pl.col("duration_s") / 2
    bound = seconds / total_s
    while True:
        bound = 1.1 * bound + 0.001
        near = work.filter(pl.col("share") <= bound) if bound < 1 else work
        if bound >= 1 or near["duration_s"].sum() > seconds + _longest(near):
            return near.sort("share", maintain_order=True).filter(middle <= seconds)


def _longest(work: pl.DataFrame) -> float:
    """Seconds of the longest clip; 0 of none."""
    return float(work.select(pl.col("duration_s").max().fill_null(0)).item())


def _names(by: Sequence[str]) -> list[str]:
    return [f"by.{name}" for name in by] or ["by"]


def _strata(rows: pl.LazyFrame, by: Sequence[str]) -> pl.DataFrame:
    """``line``, ``draw``, ``duration_s`` and the strata of the clips that have a duration."""
    unknown = [name for name in by if name not in STRATA]
    if unknown or len(set(by)) < len(by):
        raise BadData(
            f"A sample cannot be stratified by {', '.join(by)}. Expected some of: "
            f"{', '.join(STRATA)}."
        )
    columns = [STRATA[name] for name in by] or [pl.lit(None, pl.String)]
    strata = (column.alias(name) for column, name in zip(columns, _names(by), strict=True))
    return (
        rows.filter(pl.col("duration_s").is_not_null())
        .select("line", "draw", "duration_s", *strata)
        .collect(engine="streaming")
    )


def _limits(work: pl.DataFrame, by: Sequence[str], others: int) -> dict[str, Any]:
    """The draw below which each stratum is taken.

    Any number between the last clip taken and the first one left is one; the nearest to the share
    of all hours is chosen, so that new clips come in at that rate.
    """
    others = min(others, TOP - 1)
    taken = pl.col("draw").filter("taken").max() + 1
    left = pl.col("draw").filter(~pl.col("taken")).min()
    limits = (
        work.group_by(_names(by))
        .agg(low=taken.fill_null(0), high=left.fill_null(TOP - 1))
        .with_columns(limit=pl.lit(others, pl.UInt64).clip("low", "high"))
        .with_columns(pl.col(_names(by)).cast(pl.String))
        .sort(_names(by))
    )
    rows = limits.select(*_names(by), "limit").iter_rows()
    return {
        "by": list(by),
        "others": f"{others:016x}",
        "limits": [[*strata, f"{limit:016x}"] for *strata, limit in rows],
    }
