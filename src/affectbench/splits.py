"""Splits: named rules that put clips into train, dev and test, and the audit of what they share."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import polars as pl

from affectbench.errors import BadData, listing
from affectbench.store import digest_rows
from affectbench.types import PARTS, Finding, Split

UNUSED: Final = "unused"  # what a rule says of a clip that fits into no part, for ``apply`` to drop


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
    """``clips`` with their ``part`` by the rule of ``split``, without those that it leaves out.

    Raises:
        BadData: a clip falls into no part, or a part is empty.
    """
    clips = clips.with_columns(split.assign(clips).alias("part"))
    lost = clips.filter(~pl.col("part").is_in((*PARTS, UNUSED)).fill_null(False))["clip"].to_list()
    if lost:
        raise BadData(
            f"Split {split.name} puts {len(lost):,} clips into no part: {listing(lost)}. "
            f"Expected one of {', '.join(PARTS)} for each."
        )
    empty = [part for part in PARTS if part not in set(clips["part"])]
    if empty:
        raise BadData(f"Split {split.name} leaves {listing(empty)} empty. Is the folder complete?")
    return clips.filter(pl.col("part") != UNUSED)


def unused(split: Split, before: pl.DataFrame, after: pl.DataFrame) -> list[Finding]:
    """What ``apply(split, before)``, which gave ``after``, left out by the rule of the split."""
    gone = before.join(after, on="clip", how="anti", maintain_order="left")["clip"]
    if not len(gone):
        return []
    return [
        Finding(
            kind="left out by the split",
            items=tuple(gone),
            fatal=False,
            advice="In any part they would share with another what the parts of "
            f"{split.name} must not share.",
        )
    ]


SUPPORT: Final = 2  # labelled clips of each speaker of dev and test, in a few-shot task
SUPPORT_RULE: Final = "support@1"  # part of the hash: another rule needs another name


def with_support(clips: pl.DataFrame) -> tuple[pl.DataFrame, list[Finding]]:
    """Mark two support clips of each speaker of dev and test, where none were released.

    A part that has released support clips keeps them. Elsewhere they are drawn: of the clips of a
    speaker, in the order of the SHA-256 of ``support@1:<clip>``, the first two that have audio and
    no exact duplicate anywhere (column ``digest``): a support clip must not be met again among the
    clips to predict. A speaker who has fewer than three such clips gets none, and is reported.

    Args:
        clips: with ``speaker``, ``part`` and ``digest``; ``support`` where it is known.

    Returns:
        The clips with the column ``support`` (false in train), and what was found.
    """
    if "support" not in clips.columns:
        clips = clips.with_columns(support=pl.lit(False))
    clips = clips.with_columns(pl.col("support").fill_null(False))
    chosen: set[str] = set()
    without: list[str] = []
    for part in PARTS[1:]:
        rows = clips.filter((pl.col("part") == part) & pl.col("speaker").is_not_null())
        if rows["support"].any():
            given = set(rows.filter("support")["speaker"])
            without += [who for who in rows["speaker"].unique().sort() if who not in given]
            continue
        usable = rows.filter(pl.col("digest").is_not_null() & ~pl.col("digest").is_duplicated())
        told = dict(usable.group_by("speaker").agg("clip").iter_rows())
        for who in rows["speaker"].unique().sort():
            names = sorted(told.get(who, ()), key=_drawn)
            if len(names) > SUPPORT:
                chosen.update(names[:SUPPORT])
            else:
                without.append(who)
    clips = clips.with_columns(pl.col("support") | pl.col("clip").is_in(chosen))
    if not without:
        return clips, []
    finding = Finding(
        kind="speakers without support clips",
        items=tuple(without),
        fatal=False,
        advice=f"They have fewer than {SUPPORT + 1} clips without an exact duplicate, or none was "
        "released for them. They are predicted without personalisation, whatever the system.",
    )
    return clips, [finding]


def _drawn(clip: str) -> bytes:
    """By what the support clips of a speaker are sorted."""
    return hashlib.sha256(f"{SUPPORT_RULE}:{clip}".encode()).digest()


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
    if split.folds:
        return [finding for fold in split.folds for finding in audit(fold, apply(fold, clips))]
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
