"""What stands on both sides of a split: speakers, sessions, sentences, seeds, recordings.

A score is only as good as its split: what a system met in training it may recognise instead of
understand. ``audit`` looks at our corpora and at anybody's table (``tables.read_any``) and says
what the parts share, how much of each part it touches, and the worst offenders by name.

    kind              two clips share it when
    speaker, session  their column holds the same name
    sentence          their text is the same without case, punctuation and double spaces
    label vector      all label columns are equal, blank ones too: they imitate one seed, most
                      likely. Vectors of fewer than three different values (one-hot, all zero,
                      blank) tell nothing
    recording         their rows name the same file
    exact audio       their prepared samples are equal (decoded, mixed down, 16 kHz, same peak)
    near audio        their fingerprints differ in less than a fifth of the bits
                      (``audio.fingerprint``)

Silent clips count for no kind of audio; they and clips of less than 0.1 s of sound are told as
unknown to "near audio". Clips without a part are counted and left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from affectbench import splits
from affectbench.audio import Waves, prepare_all
from affectbench.audio.fingerprint import MIN_FRAMES, fingerprints, near_duplicates
from affectbench.errors import BadData, MissingData, listing
from affectbench.tables import PARTS, ROLES, SEGMENT, Table
from affectbench.types import Corpus, Progress, Split

KINDS: Final = (
    "speaker",
    "session",
    "sentence",
    "label vector",
    "recording",
    "exact audio",
    "near audio",
)
NAMED: Final = ("speaker", "session")  # groups whose own name is told; others by their clips
COMPARED: Final = "compared"  # whether the fingerprint of a clip is long enough
WORST: Final = 5
DISTINCT: Final = 3  # different values that a label vector must have to tell a seed


@dataclass(frozen=True, slots=True)
class Group:
    """Clips in two or more parts that share something."""

    name: str  # a speaker or session; else the first clips
    clips: Mapping[str, int]  # by part


@dataclass(frozen=True, slots=True)
class Check:
    """One kind of sharing, looked for in the whole table."""

    kind: str
    groups: int  # speakers, sentences, ... that are known
    shared: int  # of them, in two or more parts
    clips: Mapping[str, int]  # by part: clips of shared groups
    worst: tuple[Group, ...]  # those with the most clips
    unknown: Mapping[str, int]  # by part: clips of which it is not known


@dataclass(frozen=True, slots=True)
class Audit:
    """What the parts of a table share."""

    parts: Mapping[str, int]  # clips by part
    checks: tuple[Check, ...]
    skipped: Mapping[str, str]  # kind -> why it was not looked for
    unassigned: int  # clips without a part
    unreadable: tuple[str, ...]  # clips whose audio could not be read, and why
    allowed: tuple[str, ...]  # kinds that may be shared

    @property
    def leaks(self) -> tuple[Check, ...]:
        """The checks that found something that may not be shared."""
        return tuple(c for c in self.checks if c.shared and c.kind not in self.allowed)

    @property
    def verdict(self) -> str:
        """One line: clean or not, of what, and what was not looked for."""
        looked = [check.kind for check in self.checks]
        rest = f" Not checked: {', '.join(self.skipped)}." if self.skipped else ""
        for check in self.checks:
            if check.unknown:
                blank = (f"{count:,} clips of {part}" for part, count in check.unknown.items())
                rest += f" Unknown: {check.kind} of {', '.join(blank)}."
        if self.unreadable:
            rest += f" {len(self.unreadable):,} clips could not be heard."
        if self.leaks:
            found = [f"{c.shared:,} of {c.groups:,} {c.kind} groups" for c in self.leaks]
            return f"LEAK: {', '.join(found)} in more than one of {', '.join(self.parts)}.{rest}"
        if not looked:
            return f"NOTHING WAS CHECKED.{rest}"
        return f"clean: {', '.join(self.parts)} share no {', '.join(looked)}.{rest}"

    def lines(self) -> list[str]:
        """The audit as text, worst offenders below each kind, the verdict last."""
        told = [f"{part}: {count:,} clips" for part, count in self.parts.items()]
        if self.unassigned:
            told.append(f"without a part: {self.unassigned:,} clips, left out")
        for check in self.checks:
            mark = " (allowed)" if check.shared and check.kind in self.allowed else ""
            told.append(f"{check.kind}: {check.shared:,} of {check.groups:,} shared{mark}")
            if check.shared:
                told.append("  touches " + ", ".join(self._share(check, p) for p in self.parts))
            for group in check.worst:
                sizes = ", ".join(f"{part} {count:,}" for part, count in group.clips.items())
                told.append(f"  {group.name}: {sizes}")
        told += [f"{kind}: not checked, {why}" for kind, why in self.skipped.items()]
        if self.unreadable:
            told.append(f"could not be heard: {listing(self.unreadable)}")
        return [*told, self.verdict]

    def __str__(self) -> str:
        """The lines as one text."""
        return "\n".join(self.lines())

    def _share(self, check: Check, part: str) -> str:
        """``12 of 40 clips of test (30.0 %)``."""
        touched, clips = check.clips.get(part, 0), self.parts[part]
        return f"{touched:,} of {clips:,} clips of {part} ({touched / clips:.1%})"

    def as_json(self) -> dict[str, Any]:
        """All of it, for ``store.plain`` and JSON."""
        return {**asdict(self), "leaks": [c.kind for c in self.leaks], "verdict": self.verdict}


def audit(
    table: pl.DataFrame,
    *,
    columns: Mapping[str, str] | None = None,
    labels: Sequence[str] = (),
    allow: Sequence[str] = (),
    audio: bool = True,
    workers: int = 1,
    progress: Progress | None = None,
) -> Audit:
    """Look for what two parts share. Columns that are not there are told as not checked.

    Args:
        table: one row a clip; paths absolute, parts of any names (train, test; folds 1 to 5).
        columns: role -> column for ``path``, ``clip``, ``speaker``, ``session``, ``sentence`` and
            ``part``, where the column is not called so.
        labels: columns of the label vector, three or more; all must be equal.
        allow: kinds that may be shared, such as "sentence" in a scripted corpus.
        audio: whether to decode and compare the audio, in ``workers`` processes.
        workers: processes.
        progress: told (stage, done, total).

    Raises:
        MissingData: no column for ``part``, or one that ``columns`` or ``labels`` names.
        BadData: fewer than two parts, or ``allow`` names no kind.
        AffectBenchError: the cache cannot be written, or a worker died.
    """
    unknown = [kind for kind in allow if kind not in KINDS]
    if unknown:
        raise BadData(f"Nothing is called {listing(unknown)}. Expected of: {', '.join(KINDS)}.")
    rows = _rows(table, columns or {}, labels)
    parts = _counts(rows["part"].to_list())
    if len(parts) < 2:
        raise BadData(
            f"The table has the parts {listing(list(parts)) or 'none'}. Expected two or more to "
            "compare: give the whole table, or the folder that holds the files of all parts."
        )
    skipped: dict[str, str] = {}
    rows, unreadable = _groups(rows, labels, skipped, audio, workers, progress)
    checks = [_check(rows, kind) for kind in KINDS if kind in rows.columns]
    return Audit(
        parts=parts,
        checks=tuple(checks),
        skipped={kind: skipped[kind] for kind in KINDS if kind in skipped},
        unassigned=len(table) - len(rows),
        unreadable=unreadable,
        allowed=tuple(allow),
    )


def audit_table(table: Table, **options: Any) -> Audit:
    """``audit`` of what ``tables.read_any`` gave, with its labels; ``options`` as there."""
    return audit(table.rows, labels=table.labels, **options)


def audit_corpus(
    corpus: Corpus, root: Path, *, split: Split | None = None, **options: Any
) -> Audit:
    """``audit`` of a corpus folder, by its released split or another; ``options`` as there.

    The label vector is the widest regression target that must not be blank.
    """
    clips = corpus.read(root).clips
    if split is not None:
        clips = splits.apply(split, clips)
    vectors = [
        target.columns
        for target in corpus.targets
        if target.kind == "regression" and not target.nan_ok
        if set(target.columns) <= set(clips.columns)
    ]
    columns = {"sentence": "statement"} if "statement" in clips.columns else {}
    return audit(clips, columns=columns, labels=max(vectors, key=len, default=()), **options)


def _order(part: str) -> tuple[int, str]:
    """Train, dev and test first, then by name."""
    known = list(dict.fromkeys(PARTS.values()))
    return (known.index(part) if part in known else len(known), part)


def _rows(table: pl.DataFrame, names: Mapping[str, str], labels: Sequence[str]) -> pl.DataFrame:
    """The clips with a part; the columns under their roles, blanks null."""
    unknown = [role for role in names if role not in ROLES]
    if unknown:
        raise BadData(f"No role is called {listing(unknown)}. There are: {', '.join(ROLES)}.")
    absent = [name for name in (*names.values(), *labels) if name not in table.columns]
    if absent:
        raise MissingData(
            f"There is no column {listing(absent)}. Found: {listing(table.columns, 50)}."
        )
    there = {role: names.get(role, role) for role in ROLES if names.get(role, role) in table}
    if "part" not in there:
        raise MissingData(
            f"No column tells the part of each clip. Found: {listing(table.columns, 50)}. "
            "Expected one called part, split, set or fold, or name it."
        )
    text = [
        pl.col(name).cast(pl.String).replace("", None).alias(role) for role, name in there.items()
    ]
    vector = [pl.col(name).cast(pl.Float64).alias(f"label {i}") for i, name in enumerate(labels)]
    times = [name for name in SEGMENT if name in table.columns]
    rows = table.select(*text, *vector, *times).filter(pl.col("part").is_not_null())
    if "clip" not in rows.columns:
        number = pl.int_range(pl.len()).cast(pl.String)
        rows = rows.with_columns(clip=pl.col("path") if "path" in there else number)
    return rows


def _groups(
    rows: pl.DataFrame,
    labels: Sequence[str],
    skipped: dict[str, str],
    audio: bool,
    workers: int,
    progress: Progress | None,
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """``rows`` with a column a kind: equal where clips share it, null where it is not known."""
    for kind in (*NAMED, "sentence"):
        if kind not in rows.columns or rows[kind].is_null().all():
            skipped[kind] = f"no {kind} is known"
            rows = rows.drop(kind, strict=False)
    if "sentence" in rows.columns:
        bare = pl.col("sentence").str.to_lowercase().str.replace_all(r"[^\p{L}\p{N}]+", " ")
        rows = rows.with_columns(sentence=bare.str.strip_chars().replace("", None))
    if len(labels) < DISTINCT:
        skipped["label vector"] = f"needs {DISTINCT} or more columns of numbers"
    else:
        rows = _with_vectors(rows, len(labels))
        if rows["label vector"].is_null().all():
            skipped["label vector"] = f"none holds {DISTINCT} different values"
            rows = rows.drop("label vector")
    if "path" in rows.columns:
        rows = rows.with_columns(recording="path")
    else:
        skipped["recording"] = "no path is known"
    if any(name in rows.columns for name in SEGMENT):
        why = "the clips are segments of longer files, of which whole files would be compared"
        skipped |= dict.fromkeys(("exact audio", "near audio"), why)
        return rows, ()
    if not audio or "path" not in rows.columns:
        why = "the audio was not asked for" if "path" in rows.columns else "no path is known"
        skipped |= dict.fromkeys(("exact audio", "near audio"), why)
        return rows, ()
    return _heard(rows, workers, progress)


def _with_vectors(rows: pl.DataFrame, columns: int) -> pl.DataFrame:
    """``rows`` with a text that stands for the label vector; null where it tells no seed."""
    labels = [pl.col(f"label {i}").fill_nan(None) for i in range(columns)]
    values = pl.concat_list(labels).list.drop_nulls().list.n_unique()
    key = pl.concat_str((label.cast(pl.String).fill_null("-") for label in labels), separator=" ")
    return rows.with_columns(pl.when(values >= DISTINCT).then(key).alias("label vector"))


def _heard(
    rows: pl.DataFrame, workers: int, progress: Progress | None
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """``rows`` with the columns "exact audio" and "near audio", and the clips without audio."""
    paths = rows["path"].drop_nulls().unique(maintain_order=True)
    waves = prepare_all([Path(path) for path in paths], workers=workers, progress=progress)
    bad = {**waves.bad}
    unreadable = tuple(
        f"{clip}: {bad.get(path, 'no path')}"
        for clip, path in rows.select("clip", "path").iter_rows()
        if path is None or path in bad
    )
    sounding = waves.table.filter(~pl.col("silent")).unique("digest", maintain_order=True)
    cluster = _clusters(replace(waves, table=sounding), workers, progress)
    known = (
        waves.table.filter(~pl.col("silent"))
        .join(cluster, on="digest", how="left")
        .select("path", pl.col("digest").alias("exact audio"), "near audio", COMPARED)
    )
    return rows.join(known, on="path", how="left", maintain_order="left"), unreadable


def _clusters(waves: Waves, workers: int, progress: Progress | None) -> pl.DataFrame:
    """``digest`` and the number of the set of near duplicates that it belongs to; null if alone.

    Only different digests are compared, so a set is never of exact duplicates alone.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    prints = fingerprints(waves, workers=workers, progress=progress)
    pairs = near_duplicates(prints)
    size = len(waves)
    links = coo_array(
        (np.ones(len(pairs)), (pairs["a"].to_numpy(), pairs["b"].to_numpy())), shape=(size, size)
    )
    number = connected_components(links, directed=False)[1].astype(np.int64)
    several = np.bincount(number, minlength=1)[number] > 1
    near = [str(n) if many else None for n, many in zip(number, several, strict=True)]
    return pl.DataFrame(
        {
            "digest": waves.table["digest"],
            "near audio": near,
            COMPARED: prints.loud() >= MIN_FRAMES,
        },
        schema={"digest": pl.String, "near audio": pl.String, COMPARED: pl.Boolean},
    )


def _check(rows: pl.DataFrame, kind: str) -> Check:
    """Which groups of that kind stand in two or more parts."""
    known = rows.filter(pl.col(kind).is_not_null())
    groups = known.group_by(kind, maintain_order=True).agg(
        pl.col("part"), pl.len().alias("size"), pl.col("clip").first().alias("first")
    )
    shared = groups.filter(pl.col("part").list.n_unique() > 1).sort(
        "size", "first", descending=[True, False]
    )
    touched = shared.explode("part").group_by("part").len()
    clips = dict(sorted(touched.iter_rows(), key=lambda row: _order(row[0])))
    worst = [
        Group(_name(known, kind, row[kind]), _counts(row["part"]))
        for row in shared.head(WORST).iter_rows(named=True)
    ]
    told = kind in (*NAMED, "sentence", "label vector")  # of audio, null is a group of one
    blank = rows.filter(pl.col(kind).is_null()) if told else rows.clear()
    if kind == "near audio":
        blank = rows.filter(~pl.col(COMPARED).fill_null(False))
    unknown = _counts(blank["part"].to_list())
    return Check(kind, len(groups), len(shared), clips, tuple(worst), unknown)


def _name(known: pl.DataFrame, kind: str, group: str) -> str:
    """A speaker or session by its name; else one clip a part, since texts and labels stay here."""
    if kind in NAMED:
        return group
    mine = known.filter(pl.col(kind) == group).unique("part", keep="first", maintain_order=True)
    return " = ".join(mine["clip"])


def _counts(parts: Sequence[str]) -> dict[str, int]:
    """How often each part occurs."""
    counts = Counter(parts)
    return {part: counts[part] for part in sorted(counts, key=_order)}
