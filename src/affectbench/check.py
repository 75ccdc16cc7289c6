"""Is this folder the corpus, is it complete, and what is odd about it: every file opened once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import polars as pl

from affectbench import splits
from affectbench.audio.listen import listen_all
from affectbench.census import (
    ColumnCount,
    Comparison,
    PartCount,
    TargetCount,
    compare,
    count_labels,
    count_parts,
)
from affectbench.corpora import CORPORA
from affectbench.errors import BadData, MissingData, listing
from affectbench.schema import check_clips
from affectbench.store import plain
from affectbench.types import Corpus, Finding, Progress

CLIPPED: Final = 3  # samples at full scale; one or two are how a peak at full scale looks
FAINT_DBFS: Final = -60.0  # a lower peak leaves fewer than five of sixteen bits
SLACK_S: Final = 0.1  # by which a declared duration may differ: codecs pad
EMPTY: Final = re.compile(r"\(0 bytes\)|holds no samples")
CUT: Final = re.compile(r"cut short|declared")


class Likeness(NamedTuple):
    """A corpus that a folder looks like."""

    corpus: str
    folder: Path  # the folder itself, or one below it
    evidence: tuple[str, ...]  # files below ``folder`` that give the layout away


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What a folder holds, beside what was published, and what is wrong or odd about it."""

    corpus: str
    title: str
    root: str
    layout: tuple[str, ...]  # files that give the layout away
    expected: str
    parts: tuple[PartCount, ...]  # all clips first
    labels: tuple[TargetCount, ...]
    forms: dict[str, int]  # "16,000 Hz, 1 channel" -> files
    comparisons: tuple[Comparison, ...]
    findings: tuple[Finding, ...]  # fatal: wrong; else odd
    listened: bool  # False: no audio file was opened

    @property
    def wrong(self) -> bool:
        """Whether something is wrong: missing, unreadable, or shared between parts."""
        return any(finding.fatal for finding in self.findings)

    @property
    def odd(self) -> bool:
        """Whether a count is not the published one, or something else must be known."""
        return bool(self.findings) or any(c.verdict == "odd" for c in self.comparisons)

    def json(self) -> dict[str, Any]:
        """All of it as JSON holds it, with the verdict."""
        verdict = "wrong" if self.wrong else "odd" if self.odd else "fine"
        told: dict[str, Any] = plain({"verdict": verdict, **asdict(self)})
        return told

    def lines(self) -> list[str]:
        """For the terminal."""
        return list(_lines(self))


def check(
    corpus: Corpus,
    root: Path,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    audio: bool = True,
) -> Check:
    """Read a folder, open every audio file once, count, and compare with what was published.

    Args:
        corpus: What the folder should be.
        root: The folder.
        workers: Processes; one a core by default.
        progress: Told the stage "listen", files done, files in all.
        audio: False leaves the audio files closed: labels and counts alone.

    Returns:
        A ``Check``; ``wrong`` where audio is missing, unreadable, empty or shared between parts,
        where a speaker is in two parts, or where the label files cannot be used.

    Raises:
        MissingData: it is not that corpus; says which files tell so, and what it looks like.
        AffectBenchError: a worker died.
    """
    clips, findings = _read(corpus, root)
    heard = None
    if audio and clips is not None:
        paths = clips["path"].drop_nulls()
        heard = listen_all(paths, workers=workers or os.cpu_count() or 1, progress=progress)
    parts: tuple[PartCount, ...] = ()
    labels: tuple[TargetCount, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    if clips is not None:
        timed = _timed(clips, heard)
        parts, labels = count_parts(timed), count_labels(corpus, timed)
        comparisons = compare(corpus, timed)
        findings += [*_leaks(clips), *_label_findings(corpus, labels)]
        if heard is not None:
            findings += _audio_findings(clips, heard)
    return Check(
        corpus=corpus.name,
        title=corpus.title,
        root=str(root),
        layout=_evidence(corpus, root),
        expected=corpus.layout,
        parts=parts,
        labels=labels,
        forms={} if heard is None else _forms(heard),
        comparisons=comparisons,
        findings=tuple(findings),
        listened=heard is not None,
    )


def looks_like(root: Path) -> list[Likeness]:
    """Corpora whose telling files are in ``root``, else in a folder right below; best first.

    Raises:
        MissingData: there is no such folder.
    """
    if not root.is_dir():
        raise MissingData(f"{root} is not a folder. Expected the folder of a corpus.")
    for folders in ([root], sorted(path for path in root.iterdir() if path.is_dir())):
        found = [
            Likeness(corpus.name, folder, evidence)
            for folder in folders
            for corpus in CORPORA.values()
            if (evidence := _evidence(corpus, folder))
        ]
        if found:
            return sorted(found, key=lambda like: -len(like.evidence))
    return []


def _evidence(corpus: Corpus, root: Path) -> tuple[str, ...]:
    """The first file of each mark of the corpus, relative to ``root``."""
    firsts = (min(root.glob(mark), default=None) for mark in corpus.marks)
    return tuple(dict.fromkeys(str(p.relative_to(root)) for p in firsts if p is not None))


def _read(corpus: Corpus, root: Path) -> tuple[pl.DataFrame | None, list[Finding]]:
    """Clips and findings; no clips, and the reason as a finding, where labels cannot be used."""
    likely = looks_like(root)
    try:
        reading = corpus.read(root)
        return check_clips(reading.clips), list(reading.findings)
    except MissingData as error:
        if not any(like.corpus == corpus.name and like.folder == root for like in likely):
            raise MissingData(f"{error}{_hint(corpus, likely)}") from error
        kind, reason = "folder not complete", str(error)
    except BadData as error:
        kind, reason = "label files cannot be used", str(error)
    advice = "Nothing could be counted. Put this right, then check again."
    return None, [Finding(kind=kind, items=(reason,), fatal=True, advice=advice)]


def _hint(corpus: Corpus, likely: Sequence[Likeness]) -> str:
    """What the folder looks like instead."""
    if not likely:
        return " No file in it tells of any other corpus."
    like = likely[0]
    return (
        f" {like.folder} looks like {CORPORA[like.corpus].title}, which has "
        f"{listing(like.evidence)}: affectbench check {like.corpus} --data {like.folder}"
    )


def _timed(clips: pl.DataFrame, heard: pl.DataFrame | None) -> pl.DataFrame:
    """Add ``seconds``: of the decoded file, or of the stretch of it that is the clip."""
    if heard is None:
        return clips
    seconds = heard.select("path", seconds="duration_s")
    clips = clips.join(seconds, on="path", how="left", maintain_order="left")
    if {"start_s", "end_s"} <= set(clips.columns):
        length = pl.col("end_s") - pl.col("start_s")
        clips = clips.with_columns(seconds=pl.coalesce(length, "seconds"))
    return clips


def _leaks(clips: pl.DataFrame) -> list[Finding]:
    """Speakers that are in more than one part of the released split."""
    leaks = splits.shared(clips.drop_nulls("part"), "speaker")
    if not leaks:
        return []
    advice = "No speaker may be in two parts: a score would be too good. Check the label files."
    return [Finding(kind="speaker in two parts", items=tuple(leaks), fatal=True, advice=advice)]


def _label_findings(corpus: Corpus, labels: Sequence[TargetCount]) -> list[Finding]:
    """Columns with impossible labels, columns of the release that are absent, empty classes."""
    found = []
    outside = [f"{c.column} ({c.outside:,})" for t in labels for c in t.columns if c.outside]
    if outside:
        advice = "Labels out of the documented range or classes. Download the label files again."
        found.append(Finding(kind="label outside", items=tuple(outside), fatal=True, advice=advice))
    absent = sorted({t.name for t in corpus.targets} - {t.target for t in labels})
    if absent:
        advice = "The folder has no columns for these: tasks that need them cannot be run."
        found.append(Finding(kind="no labels", items=tuple(absent), fatal=False, advice=advice))
    empty = [
        f"{target.target} {name}"
        for target in labels
        for name, counts in target.classes.items()
        if target.complete and not counts["all"]
    ]
    if empty:
        advice = "No clip is of these classes. Is the folder complete?"
        found.append(Finding(kind="class empty", items=tuple(empty), fatal=False, advice=advice))
    return found


def _audio_findings(clips: pl.DataFrame, heard: pl.DataFrame) -> list[Finding]:
    """Files that cannot be used, and what is odd about the others."""
    first = clips.drop_nulls("path").unique("path", keep="first", maintain_order=True)
    files = first.join(
        heard.rename({"duration_s": "decoded_s"}), on="path", how="left", maintain_order="left"
    )
    found = _unusable(files)

    def tell(kind: str, chosen: pl.DataFrame, advice: str, detail: str = "") -> None:
        if len(chosen):
            shown = pl.col("clip") + (": " + pl.col(detail) if detail else "")
            items = tuple(chosen.select(shown).to_series())
            found.append(Finding(kind=kind, items=items, fatal=False, advice=advice))

    tell("silent", files.filter("silent"), "Every sample is zero. They are used as they are.")
    faint = (pl.col("peak") < 10 ** (FAINT_DBFS / 20)) & ~pl.col("silent")
    tell("nearly silent", files.filter(faint), f"The peak lies below {FAINT_DBFS:g} dBFS.")
    tell(
        "clipped",
        files.filter(pl.col("clipped") >= CLIPPED),
        f"{CLIPPED} samples or more lie at full scale. They are used as they are.",
    )
    tell(
        "length not as its header declares",
        files.drop_nulls("header"),
        "All that is declared was decoded; the header was written by a program that did not "
        "finish, or bytes were added.",
        "header",
    )
    if "duration_s" in files.columns:
        apart = pl.format("{} s decoded, {} s declared", "decoded_s", "duration_s")
        differ = (pl.col("decoded_s") - pl.col("duration_s")).abs() > SLACK_S
        tell(
            "length not as the table declares",
            files.filter(differ).with_columns(apart=apart),
            f"They differ by more than {SLACK_S:g} s. Is the file the one that the row means?",
            "apart",
        )
    return [*found, *splits.duplicates(files)]


def _unusable(files: pl.DataFrame) -> list[Finding]:
    """Unreadable files, those without samples and those that are cut set apart."""
    bad = files.drop_nulls("why")
    empty, cut = (bad["why"].str.contains(kind.pattern) for kind in (EMPTY, CUT))
    kinds = {
        "zero length": empty,
        "shorter than declared": cut & ~empty,
        "unreadable audio": ~cut & ~empty,
    }
    return [
        Finding(
            kind=kind,
            items=tuple(bad.filter(chosen).select(pl.format("{}: {}", "clip", "why")).to_series()),
            fatal=True,
            advice="Copy these files again from their source.",
        )
        for kind, chosen in kinds.items()
        if chosen.any()
    ]


def _forms(heard: pl.DataFrame) -> dict[str, int]:
    """Files by rate and channels, the most frequent first."""
    counts = heard.filter(pl.col("why").is_null()).group_by("rate_hz", "channels").len()
    ordered = counts.sort("len", "rate_hz", "channels", descending=[True, False, False])
    return {
        f"{rate:,} Hz, {channels} channel{'s' if channels > 1 else ''}": files
        for rate, channels, files in ordered.iter_rows()
    }


def _lines(check: Check) -> Iterator[str]:
    """``Check`` for the terminal."""
    yield f"{check.title} in {check.root}"
    yield f"  layout  {listing(check.layout) if check.layout else check.expected}"
    if check.forms:
        yield f"  audio   {', '.join(f'{n:,} at {form}' for form, n in check.forms.items())}"
    elif not check.listened:
        yield "  audio   not opened"
    yield from _part_lines(check.parts)
    yield from _label_lines(check.labels)
    if check.comparisons:
        yield "\nbeside what was published"
    for comparison in check.comparisons:
        yield f"  {comparison.line}"
        if comparison.verdict == "odd":
            yield from (f"    {fact.note}" for fact in comparison.published if fact.note)
    for word, fatal in (("wrong", True), ("odd", False)):
        chosen = [finding for finding in check.findings if finding.fatal == fatal]
        if chosen:
            yield f"\n{word}"
        for finding in chosen:
            items = f": {len(finding.items):,} ({listing(finding.items)})" if finding.items else ""
            yield f"  {finding.kind}{items}. {finding.advice}"
    yield "\n" + (
        "Something is wrong with this folder."
        if check.wrong
        else "Nothing is wrong; see above for what is odd."
        if check.odd
        else "Fine."
    )


def _part_lines(parts: Sequence[PartCount]) -> Iterator[str]:
    for part in parts:
        told = [f"{part.clips:,} clips"]
        told.append("speakers unknown" if part.speakers is None else f"{part.speakers:,} speakers")
        if part.sexes:
            told[-1] += " (" + ", ".join(f"{n:,} {sex}" for sex, n in part.sexes.items()) + ")"
        if part.duration_s is not None:
            told.append(
                f"{part.duration_s / 3600:.2f} h (mean {part.mean_s:.2f} s, "
                f"{part.min_s:.2f} to {part.max_s:.2f} s)"
            )
        yield f"  {part.part:<6}  {'; '.join(told)}"


def _label_lines(labels: Sequence[TargetCount]) -> Iterator[str]:
    for target in labels:
        yield f"\nlabels: {target.target}, {target.complete:,} rows complete"
        if target.maximum_is_one is not None:
            share = f"{target.maximum_is_one:.1%}".replace("%", " %")
            yield f"  highest label exactly 1 in {share} of them"
        alike: dict[tuple[int, int, int], list[ColumnCount]] = {}
        for column in target.columns:
            key = (column.labelled, column.blank, column.blank_outside_test)
            alike.setdefault(key, []).append(column)
        for (labelled, blank, outside), columns in alike.items():
            lows = [column.low for column in columns if column.low is not None]
            highs = [column.high for column in columns if column.high is not None]
            span = f", {min(lows):g} to {max(highs):g}" if lows and highs else ""
            yield (
                f"  {listing([column.column for column in columns])}: {labelled:,} labelled{span}, "
                f"{blank:,} blank ({outside:,} outside test)"
            )
        for name, counts in target.classes.items():
            yield f"  {name}: " + ", ".join(f"{part} {n:,}" for part, n in counts.items())
