"""Questions in SQL over the clips that the policy keeps, and selections of clips."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from affectbench.errors import BadData
from affectbench.stream import sample as sampling
from affectbench.stream.index import StreamIndex
from affectbench.stream.policy import Policy
from affectbench.stream.subsets import clips_of, subset_names

WHOLE: Final = re.compile(r"\s*(select|with)\b", re.IGNORECASE)  # a statement, not a condition
FILES: Final = re.compile(r'\bread_\w+"?\s*\(', re.IGNORECASE)  # SQL functions that open files


@dataclass(frozen=True, slots=True)
class Selection:
    """Clips that were chosen, and all that the choice depends on."""

    clips: pl.DataFrame  # columns of the index, in its order
    policy: Policy
    definition: dict[str, Any]  # condition, subset, hours, strata, limits, policy, source
    excluded: int  # clips that fit and that the policy left out

    @property
    def hours(self) -> float:
        """Declared hours in all."""
        return float(self.clips["duration_s"].sum()) / 3600

    @property
    def digest(self) -> str:
        """SHA-256 of the sorted names, 64 hex digits: the same clips have the same one."""
        return digest_of(self.clips["clip"])


def digest_of(clips: pl.Series) -> str:
    """SHA-256 of the sorted names, one a line."""
    return hashlib.sha256("\n".join(clips.sort()).encode()).hexdigest()


def query(
    index: StreamIndex, sql: str, *, policy: Policy | None = None, transcripts: bool = False
) -> pl.DataFrame:
    """The answer to a question in SQL (polars' dialect).

    ``sql`` is a statement over the table ``clips`` (``index.COLUMNS``), or a condition on its
    columns, such as ``game = 'Chess' AND duration_s > 5``. Named subsets are tables too. Only
    clips that the policy keeps are there, and ``transcript`` only when asked for.

    Raises:
        BadData: the SQL is wrong, or opens files by itself.
    """
    with _told(index):
        return _lazy(index, sql, policy or Policy(), transcripts).collect(engine="streaming")


def select(
    index: StreamIndex,
    where: str | None = None,
    *,
    policy: Policy | None = None,
    subset: str | None = None,
    hours: float | None = None,
    by: Sequence[str] = ("game", "duration"),
    drawn: dict[str, Any] | None = None,
) -> Selection:
    """Clips that fit a condition, of a named subset or of all, or a sample of them.

    Args:
        index: The index.
        where: A condition in SQL; None for all clips.
        policy: The default one when None. It holds for named subsets too, whatever policy they
            were made under.
        subset: Name of the subset to choose from.
        hours: Size of a sample (``sample.sample``); None for all that fit.
        by: Strata of the sample.
        drawn: ``definition["drawn"]`` of an earlier selection, to draw to the same limits
            (``sample.like``) instead of to ``hours``.

    Raises:
        BadData: the condition is wrong, or there are not so many hours.
        MissingData: there is no such subset.
    """
    policy = policy or Policy()
    if where is not None and WHOLE.match(where):
        raise BadData("A selection takes a condition, such as game = 'Chess'; this is a statement.")
    if hours is not None and drawn is not None:
        raise BadData("A sample has a size or the limits of another one, not both.")
    with _told(index):
        # A condition that asks about other clips, as by a subquery, is told of kept ones alone.
        kept = _lazy(index, where or "true", policy, False)
        every = _lazy(index, where or "true", Policy(include_children=True), False)
        if subset is not None:
            named = clips_of(index, subset).lazy()
            kept, every = (rows.join(named, on="clip", how="semi") for rows in (kept, every))
        excluded = every.select((~policy.keeps()).sum()).collect(engine="streaming").item()
        if hours is not None:
            lines, drawn = sampling.sample(kept, hours, by)
        elif drawn is not None:
            lines = sampling.like(kept, drawn)
        if drawn is not None:
            kept = kept.join(lines.lazy(), on="line", how="semi")
        clips = kept.collect(engine="streaming").sort("line")
    definition = {
        "where": where,
        "subset": subset,
        "hours": hours,
        "drawn": drawn,
        "policy": policy.json(),
        "source": index.source,
    }
    return Selection(clips, policy, definition, excluded)


def _lazy(index: StreamIndex, sql: str, policy: Policy, transcripts: bool) -> pl.LazyFrame:
    """The answer to a statement, or to a condition, over the clips and the subsets."""
    if FILES.search(sql):
        raise BadData(
            "The SQL opens a file by itself, past the policy. Expected the table clips, or a named "
            "subset."
        )
    clips = index.clips(policy, transcripts=transcripts)
    tables = {
        name: clips.join(clips_of(index, name).lazy(), on="clip", how="semi")
        for name in subset_names(index)
        if re.search(rf"\b{name}\b", sql)
    }
    whole = sql if WHOLE.match(sql) else f"SELECT * FROM clips WHERE ({sql})"
    return pl.SQLContext(frames={**tables, "clips": clips}).execute(whole)


@contextmanager
def _told(index: StreamIndex) -> Iterator[None]:
    """An error of polars as one of ours."""
    try:
        yield
    except pl.exceptions.PolarsError as error:
        said = str(error).strip().split("\n", 1)[0]
        raise BadData(
            f"The SQL cannot be run: {said}. The columns of clips are: "
            f"{', '.join(index.clips().collect_schema().names())}."
        ) from error
