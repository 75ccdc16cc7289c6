"""Splits: named rules that put clips into train, dev and test, and the audit of what they share."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import polars as pl

from affectbench.errors import BadData, listing
from affectbench.store import digest_rows
from affectbench.types import PARTS, Finding, Split


def released(name: str, *, disjoint: str | None = "speaker", version: int = 1) -> Split:
    """The split that came with a corpus: the ``part`` column of its clips table."""
    return Split(
        name=name,
        version=version,
        disjoint=disjoint,
        released=True,
        assign=lambda clips: clips["part"],
    )


def by_group(
    name: str,
    *,
    column: str = "speaker",
    shares: Sequence[float] = (0.6, 0.2, 0.2),
    version: int = 1,
) -> Split:
    """A split of ours: whole groups, drawn by the hash of their names, in the given shares.

    The groups are sorted by SHA-256 of ``name@version:group`` and cut at the cumulated shares,
    rounded to whole groups. The same groups always fall into the same parts; a corpus with other
    groups is another split, and its hash says so.

    Args:
        name: name of the split; part of the hash.
        column: column of the clips table that must not be shared between parts.
        shares: of train, dev and test; they sum to 1.
        version: raised when the rule changes; part of the hash.

    Raises:
        BadData: a clip has no group, or there are too few groups to fill the three parts.
    """

    def assign(clips: pl.DataFrame) -> pl.Series:
        groups = clips[column].unique().to_list()
        if None in groups:
            raise BadData(
                f"Split {name}: {column} is unknown for some clips, so they cannot be put."
            )
        groups.sort(key=lambda g: hashlib.sha256(f"{name}@{version}:{g}".encode()).digest())
        first = round(shares[0] * len(groups))
        second = round((shares[0] + shares[1]) * len(groups))
        parts = {g: PARTS[(i >= first) + (i >= second)] for i, g in enumerate(groups)}
        if set(parts.values()) != set(PARTS):
            raise BadData(
                f"Split {name}: {len(groups)} distinct values of {column} cannot fill train, dev "
                "and test. Expected at least five."
            )
        return clips[column].replace_strict(parts, return_dtype=pl.String).alias("part")

    return Split(name=name, version=version, disjoint=column, released=False, assign=assign)


def apply(split: Split, clips: pl.DataFrame) -> pl.DataFrame:
    """``clips`` with their ``part`` by the rule of ``split``.

    Raises:
        BadData: a clip falls into no part, or a part is empty.
    """
    clips = clips.with_columns(split.assign(clips).alias("part"))
    lost = clips.filter(~pl.col("part").is_in(PARTS).fill_null(False))["clip"].to_list()
    if lost:
        raise BadData(
            f"Split {split.name} puts {len(lost):,} clips into no part: {listing(lost)}. "
            f"Expected one of {', '.join(PARTS)} for each."
        )
    empty = [part for part in PARTS if part not in set(clips["part"])]
    if empty:
        raise BadData(f"Split {split.name} leaves {listing(empty)} empty. Is the folder complete?")
    return clips


def split_hash(clips: pl.DataFrame) -> str:
    """Hash of the sorted (clip, part) pairs: equal hashes, equal splits."""
    return digest_rows(clips.select("clip", "part").iter_rows())


def shared(clips: pl.DataFrame, column: str) -> list[str]:
    """Values of ``column`` that occur in more than one part, sorted; unknown ones are left out."""
    counts = clips.drop_nulls(column).group_by(column).agg(pl.col("part").n_unique().alias("parts"))
    return sorted(counts.filter(pl.col("parts") > 1)[column].to_list())


def audit(split: Split, clips: pl.DataFrame) -> list[Finding]:
    """What the parts of a split share that they must not, and what cannot be known."""
    if split.disjoint is None:
        return []
    leaks = shared(clips, split.disjoint)
    if not leaks:
        return []
    return [
        Finding(
            kind=f"{split.disjoint} in two parts",
            items=tuple(leaks),
            fatal=True,
            advice=f"Split {split.name} must not share a {split.disjoint} between train, dev and "
            "test: a score would be too good. Check the speaker column and the split column.",
        )
    ]


def duplicates(clips: pl.DataFrame) -> list[Finding]:
    """Exact duplicates by decoded samples (column ``digest``), those across parts set apart.

    Silent clips are left out: two silences of one length are equal and no leak.
    """
    sounding = clips.filter(pl.col("digest").is_not_null() & ~pl.col("silent").fill_null(False))
    doubled = sounding.filter(pl.col("digest").is_duplicated())
    if not len(doubled):
        return []
    groups = doubled.group_by("digest", maintain_order=True).agg(
        pl.col("clip").sort(), pl.col("part").n_unique().alias("parts")
    )
    findings = []
    for across, kind in (
        (False, "exact duplicates within a part"),
        (True, "exact duplicates across parts"),
    ):
        chosen = groups.filter((pl.col("parts") > 1) == across)["clip"].to_list()
        if chosen:
            findings.append(
                Finding(
                    kind=kind,
                    items=tuple(sorted(" = ".join(names) for names in chosen)),
                    fatal=across,
                    advice="The same recording is in train and in dev or test: a score would be "
                    "too good."
                    if across
                    else "The decoded samples are equal. They count as often as they are there.",
                )
            )
    return findings
