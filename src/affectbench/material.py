"""What a system learns from: clips with parts, labels, features, and what was found on the way."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectbench import splits
from affectbench.audio import Heard, Waves, prepare_all
from affectbench.errors import BadData, MissingData, listing
from affectbench.features import extract
from affectbench.schema import check_clips
from affectbench.store import digest
from affectbench.types import FeatureSet, Finding, Part, Progress, Target, Task


@dataclass(frozen=True, slots=True)
class Material:
    """What a system learns from: clips with parts and labels, their features, what was found."""

    clips: pl.DataFrame  # schema.CLIPS, part by the split, digest and silent of the samples
    features: NDArray[np.float32]  # [N, D]; rows of clips that could not be read are NaN
    findings: tuple[Finding, ...]
    of: FeatureSet  # what the features are; of a set that is learnt, what was learnt
    heard: Heard | None = None  # waves of the readable clips, for who hears waves


def gate(findings: Sequence[Finding], *, keep_going: bool) -> None:
    """Stop at findings that make a number untrustworthy, all of them in one message."""
    fatal = [finding for finding in findings if finding.fatal]
    if fatal and not keep_going:
        lines = [f"{f.kind}: {len(f.items):,} ({listing(f.items)}). {f.advice}" for f in fatal]
        raise BadData(
            "\n".join(lines)
            + "\nWith --keep-going the run goes on without them and says so in the result."
        )


def read(task: Task, root: Path, *, keep_going: bool = False) -> tuple[pl.DataFrame, list[Finding]]:
    """Clips of a task with their parts, and what was found; labels are checked.

    Raises:
        MissingData, BadData: see ``run``.
    """
    if not root.is_dir():
        raise MissingData(
            f"{root} is not a folder. Expected {task.corpus.title} as released: "
            f"{task.corpus.layout}."
        )
    reading = task.corpus.read(root)
    clips = check_clips(reading.clips)
    absent = [column for column in task.columns if column not in clips.columns]
    if absent:
        raise MissingData(
            f"{task.name} needs the label columns {listing(absent)}, and no label file in "
            f"{root} has them. Expected: {task.corpus.layout}."
        )
    before, clips = clips, splits.apply(task.split, clips)
    findings = [
        *reading.findings,
        *splits.unused(task.split, before, clips),
        *splits.audit(task.split, clips),
    ]
    gate(findings, keep_going=keep_going)
    check_labels(task, clips)
    return clips, findings


def check_labels(task: Task, clips: pl.DataFrame) -> None:
    """Train and dev must be labelled, each class must be in train, support clips must be known.

    Raises:
        BadData: a label is blank where it must not be, a class has no train clip, or a few-shot
            task has no support clips: they could be scored later.
    """
    released = task.protocol == "personalise" and task.split.released
    if released and "support" not in clips.columns:
        raise BadData(
            f"{task.name}: no support clips are known, and those must not be scored. Expected a "
            "data_info.csv as participants have it, where of Test only the support clips have "
            "emotion labels."
        )
    seen = clips.filter(pl.col("part") != "test")
    for target in task.targets:
        given = pl.col(target.columns).is_not_null()
        complete = pl.any_horizontal(given) if target.nan_ok else pl.all_horizontal(given)
        without = seen.filter(~complete)["clip"].to_list()
        if without:
            raise BadData(
                f"{task.name}: {len(without):,} train or dev clips have no label of "
                f"{target.name}: {listing(without)}."
            )
        if target.kind == "classification":
            there = set(clips.filter(pl.col("part") == "train")[target.columns[0]])
            lacking = [name for name in target.classes if name not in there]
            if lacking:
                raise BadData(
                    f"{task.name}: no train clip is of class {listing(lacking)}. "
                    "Is the folder complete?"
                )


def extract_features(
    task: Task,
    clips: pl.DataFrame,
    findings: Sequence[Finding],
    features: FeatureSet,
    *,
    workers: int | None = None,
    keep_going: bool = False,
    progress: Progress | None = None,
) -> Material:
    """Decode every clip, stop at the ones that cannot be read, extract the features of the rest.

    A feature set by clip (``of_clips``) reads no audio: then nothing is known of unreadable,
    silent or doubled files, and a finding says so.
    """
    if features.of_clips is not None:
        return _of_clips(task, clips, findings, features)
    workers = workers or os.cpu_count() or 1
    shared = clips["path"].drop_nulls()
    if shared.is_duplicated().any():
        raise BadData(
            f"{task.corpus.name}: {len(shared):,} clips lie in {shared.n_unique():,} recordings. "
            f"Expected a file a clip: affectbench cut {task.corpus.name} --data DIR --out CUT, "
            "then --data CUT."
        )
    there = clips.filter(pl.col("path").is_not_null())
    paths = [Path(path) for path in there["path"]]
    waves = prepare_all(paths, workers=workers, progress=progress)
    heard = audio_findings(there, waves)
    gate(heard, keep_going=keep_going)
    facts = waves.table.select(
        "path", "digest", "samples", "silent", row=pl.int_range(pl.len(), dtype=pl.Int64)
    ).unique("path", maintain_order=True)
    clips = clips.join(facts, on="path", how="left", maintain_order="left")
    doubled = splits.duplicates(clips)
    gate(doubled, keep_going=keep_going)
    known = clips["row"].is_not_null().to_numpy()
    rows = clips["row"].drop_nulls().to_numpy().astype(np.intp)
    values = np.full((len(clips), features.dim), np.nan, dtype=np.float32)
    if not features.waves:
        extraction = extract(features, waves, workers=workers, progress=progress)
        features = extraction.features
        values[known] = extraction.values[rows]
    short = clips.filter(pl.col("samples") < features.min_samples)["clip"]
    if len(short):
        heard.append(
            Finding(
                kind="shorter than the features need",
                items=tuple(short),
                fatal=False,
                advice=f"Padded with zeros to {features.min_samples / features.rate_hz:g} s.",
            )
        )
    found = (*findings, *heard, *doubled)
    sound = Heard(waves, rows.tolist()) if features.waves else None
    return _supported(task, Material(clips.drop("row"), values, found, features, sound))


def _of_clips(
    task: Task, clips: pl.DataFrame, findings: Sequence[Finding], features: FeatureSet
) -> Material:
    """Features that are known by clip: the digest of a clip is that of its row."""
    if features.of_clips is None:
        raise ValueError(f"{features.name} is not known by clip")
    values = np.ascontiguousarray(features.of_clips(clips), np.float32)
    if values.shape != (len(clips), features.dim):
        raise BadData(
            f"{features.name} gave numbers of shape {values.shape} for {len(clips):,} clips; "
            f"expected {(len(clips), features.dim)}."
        )
    told = Finding(
        kind="audio not read",
        items=(),
        fatal=False,
        advice=f"The features '{features.name}' are known by clip, so no audio was read: "
        "unreadable, silent and doubled files were not looked for.",
    )
    clips = clips.with_columns(
        pl.Series(
            "digest",
            [digest(clip, row.tobytes()) for clip, row in zip(clips["clip"], values, strict=True)],
            dtype=pl.String,
        ),
        pl.lit(None, pl.Int64).alias("samples"),
        pl.lit(None, pl.Boolean).alias("silent"),
    )
    return _supported(task, Material(clips, values, (*findings, told), features))


def _supported(task: Task, material: Material) -> Material:
    """With the support clips of a few-shot task marked in dev and test."""
    if task.protocol != "personalise":
        return material
    clips, found = splits.with_support(material.clips)
    return replace(material, clips=clips, findings=(*material.findings, *found))


def audio_findings(clips: pl.DataFrame, waves: Waves) -> list[Finding]:
    """Files that cannot be read, and silent ones."""
    names = dict(clips.select("path", "clip").iter_rows())
    found = []
    if waves.bad:
        found.append(
            Finding(
                kind="unreadable audio",
                items=tuple(f"{names[str(path)]}: {why}" for path, why in waves.bad.items()),
                fatal=True,
                advice="Copy these files again from their source.",
            )
        )
    silent = waves.table.filter(pl.col("silent"))["path"].to_list()
    if silent:
        found.append(
            Finding(
                kind="silent",
                items=tuple(names[path] for path in silent),
                fatal=False,
                advice="Every sample is zero. They are used as they are.",
            )
        )
    return found


def part_of(
    task: Task,
    material: Material,
    chosen: NDArray[np.bool_],
    *,
    labelled: bool = True,
    joint: bool = False,
) -> Part:
    """Some clips as systems see them: the readable ones of those chosen.

    Args:
        task: its target is the labels.
        material: clips, features, waves.
        chosen: [N] which of the clips.
        labelled: False leaves the labels out, as of a part to be predicted. Labels of released
            support clips (columns ``support.*``) count as theirs.
        joint: labels are a tuple, one array a target.
    """
    readable = material.clips["digest"].is_not_null().to_numpy()
    rows = np.flatnonzero(chosen & readable)
    clips = material.clips[rows]
    labels: Any = np.empty((0,))
    if labelled:
        given = tuple(labels_of(target, clips) for target in task.targets)
        labels = given if joint else given[0]
    waves: Sequence[NDArray[np.int16]] = ()
    if material.heard is not None:
        place = np.cumsum(readable) - 1
        waves = material.heard.take(place[rows].tolist())
    return Part(
        tuple(clips["clip"]), material.features[rows], labels, tuple(clips["speaker"]), waves
    )


def labels_of(target: Target, clips: pl.DataFrame) -> NDArray[Any]:
    """Labels of one target: [N, C] floats, NaN where blank; or [N] class indices."""
    released = [f"support.{column}" for column in target.columns]
    if set(released) <= set(clips.columns):
        clips = clips.with_columns(
            pl.coalesce(column, f"support.{column}") for column in target.columns
        )
    if target.kind == "classification":
        codes = {name: code for code, name in enumerate(target.classes)}
        names = clips[target.columns[0]]
        return names.replace_strict(codes, return_dtype=pl.Int64).to_numpy()
    columns = pl.col(target.columns).fill_null(np.nan)
    return clips.select(columns).to_numpy().astype(np.float64)


def in_part(material: Material, part: str) -> NDArray[np.bool_]:
    """[N]: which clips are in a part of the split."""
    found: NDArray[np.bool_] = (material.clips["part"] == part).to_numpy()
    return found


def to_predict(task: Task, material: Material, part: str) -> NDArray[np.bool_]:
    """[N]: which clips of a part are to be predicted; support clips are not."""
    chosen = in_part(material, part)
    if task.protocol == "personalise":
        chosen = chosen & ~material.clips["support"].to_numpy()
    return chosen
