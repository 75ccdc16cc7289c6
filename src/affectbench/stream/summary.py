"""What an index holds, in numbers: hours, games, durations, probabilities, faults."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

import polars as pl

from affectbench.stream.index import StreamIndex
from affectbench.stream.policy import Policy

EDGES_S: Final = (1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0)  # of the buckets of duration
TENTHS: Final = tuple(tenth / 10 for tenth in range(1, 10))
COUNTED: Final = {
    "duration_s": EDGES_S,
    "child_probability": TENTHS,
    "female_probability": TENTHS,
}
MOST: Final = 10  # games that are named
HOURS: Final = pl.col("duration_s").sum() / 3600


def labels(edges: tuple[float, ...]) -> list[str]:
    """``[0, 1)``, ``[1, 2)``, ...: the intervals that edges cut what is above 0 into."""
    bounds = ["0", *(f"{edge:g}" for edge in edges), ""]
    return [f"[{low}, {high})" if high else f"{low} or more" for low, high in pairwise(bounds)]


def bucket(column: str) -> pl.Expr:
    """The label of the interval that a number falls in; null where it is null."""
    edges = COUNTED[column]
    *below, label = labels(edges)
    found = pl.lit(label)
    for edge, label in reversed(list(zip(edges, below, strict=True))):
        found = pl.when(pl.col(column) < edge).then(pl.lit(label)).otherwise(found)
    return pl.when(pl.col(column).is_not_null()).then(found)


def summarise(index: StreamIndex, policy: Policy | None = None) -> dict[str, Any]:
    """Counts of an index, as JSON holds them.

    Under ``in_all`` those of every row, and how many the policy excludes; the others, but for the
    probabilities (of every row), are of the clips that the policy keeps. Hours are of declared
    durations. Probabilities are the guesses of a classifier.
    """
    policy = policy or Policy()
    every = index.clips(Policy(include_children=True))
    kept = every.filter(policy.keeps())
    tables = [
        every.select(clips=pl.len(), hours=HOURS, excluded=(~policy.keeps()).sum()),
        kept.select(
            clips=pl.len(),
            hours=HOURS,
            files=pl.col("there").sum(),
            games=pl.col("game").drop_nulls().n_unique(),
            without_game=pl.col("game").null_count(),
            without_duration=pl.col("duration_s").null_count(),
            without_transcript=(pl.col("characters") == 0).sum(),
            mean_s=pl.col("duration_s").mean(),
            median_s=pl.col("duration_s").median(),
        ),
        _counts(kept.drop_nulls("game"), pl.col("game")),
        *(_counts(kept if column == "duration_s" else every, bucket(column)) for column in COUNTED),
    ]
    in_all, kept_rows, games, *counts = pl.collect_all(tables, engine="streaming")
    return {
        "data": str(index.data),
        "policy": policy.json(),
        "in_all": in_all.row(0, named=True),
        "kept": kept_rows.row(0, named=True),
        "largest_games": games.sort("hours", "value", descending=[True, False])
        .head(MOST)
        .to_dicts(),
        **{
            column: _in_order(table, labels(edges))
            for (column, edges), table in zip(COUNTED.items(), counts, strict=True)
        },
        "faults": index.about["faults"],
        "headers_read": index.about["headers"],
    }


def _counts(rows: pl.LazyFrame, value: pl.Expr) -> pl.LazyFrame:
    """Clips and hours by a value."""
    return rows.group_by(value=value).agg(clips=pl.len(), hours=HOURS)


def _in_order(table: pl.DataFrame, order: list[str]) -> list[dict[str, Any]]:
    """A row a label, in order, also where there are no clips; then the clips without a value."""
    nothing = {"clips": 0, "hours": 0.0}
    there = {row["value"]: row for row in table.iter_rows(named=True)}
    return [{**nothing, **there.get(value, {}), "value": value} for value in (*order, None)]
