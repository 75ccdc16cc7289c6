"""The way through: corpus folder -> clips -> waves -> features -> predictions -> scored result.

The only file that knows every stage.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectbench import environment, results, splits
from affectbench.audio import Waves, prepare_all
from affectbench.errors import BadData, MissingData, ResultConflict, listing
from affectbench.features import extract
from affectbench.results import Result, Scoring
from affectbench.schema import check_clips
from affectbench.store import digest_json, digest_rows, disk_error
from affectbench.types import PARTS, FeatureSet, Finding, Part, System, Task

Progress = Callable[[str, int, int], None]  # stage, done, total


@dataclass(frozen=True, slots=True)
class Material:
    """What a system learns from: clips with parts and labels, their features, what was found."""

    clips: pl.DataFrame  # schema.CLIPS, part by the split, digest and silent of the samples
    features: NDArray[np.float32]  # [N, D]; rows of clips that could not be read are NaN
    findings: tuple[Finding, ...]


def run(  # noqa: PLR0913 - the flags of the command line, each with its default
    task: Task,
    system: System,
    *,
    data: str | Path,
    out: str | Path = "results",
    mode: str | None = None,
    seeds: Sequence[int] | None = None,
    scoring: Scoring | None = None,
    workers: int | None = None,
    keep_going: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Result:
    """Run a system on a task: fit on train, choose on dev, predict dev and test, score, store.

    Args:
        task: a row of ``TASKS``, or your own.
        system: a row of ``SYSTEMS``, or your own (``from_sklearn``).
        data: root of the corpus folder, in its released layout.
        out: folder of results; ``<task>/<system>/seed<k>`` is written below it.
        mode: ``sound`` or ``official``, where the system has both; None is its default.
        seeds: None is the system's own.
        scoring: draws, level and seed of the intervals, and what is resampled.
        workers: processes for audio and features; None is one a core.
        keep_going: go on although clips cannot be read or do not match. They stay in the
            predictions without a value, and their number stays in the result.
        overwrite: replace a result of other data or settings.
        progress: called with the stage, what is done and what there is in all.

    Returns:
        The result over all seeds. The same call on the same data is served from the stored
        predictions; it is recognised by content, not by name.

    Raises:
        MissingData: folder, files, columns or labels that are not there.
        BadData: labels, audio or features that cannot be used; all of them in one message.
        ResultConflict: a result of other data or settings lies there and ``overwrite`` is False.
    """
    mode = mode or system.modes[0]
    if mode not in system.modes:
        raise BadData(f"{system.name} has no mode '{mode}'. It has: {', '.join(system.modes)}.")
    seeds = tuple(system.seeds if seeds is None else seeds)
    scoring = scoring or Scoring()
    folder = Path(out) / task.name / results.label(system, mode)
    check_writable(folder)
    started = time.time()
    clips, findings = read(task, Path(data), keep_going=keep_going)
    material = extract_features(
        task,
        clips,
        findings,
        system.features,
        workers=workers,
        keep_going=keep_going,
        progress=progress,
    )
    described = describe(task, system, mode, material)
    missing = clear_the_way(folder, seeds, described["inputs"], overwrite=overwrite)
    read_s = time.time() - started
    for number, seed in enumerate(missing):
        if progress:
            progress(f"training {results.label(system, mode)}", number, len(missing))
        started = time.time()
        tables, report = fit_predict(task, system, mode, seed, material)
        result = {
            **described,
            "seed": seed,
            "model": report,
            "predictions": {part: results.content(table) for part, table in tables.items()},
        }
        cost = {"read_and_extract_s": read_s, "fit_and_predict_s": time.time() - started}
        results.write_seed(
            folder / f"seed{seed}", tables, result, {**environment.run_facts(), **cost}
        )
    if progress:
        progress(f"training {results.label(system, mode)}", len(missing), len(missing))
    return results.score_system(folder, task, scoring)


def check_writable(folder: Path) -> None:
    """Find out before the work whether results can be written at all."""
    probe = folder / f".write-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise disk_error(error, folder) from error


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
    absent = [column for column in task.target.columns if column not in clips.columns]
    if absent:
        raise MissingData(
            f"{task.name} needs the label columns {listing(absent)}, and no label file in "
            f"{root} has them. Expected: {task.corpus.layout}."
        )
    clips = splits.apply(task.split, clips)
    findings = [*reading.findings, *splits.audit(task.split, clips)]
    gate(findings, keep_going=keep_going)
    check_labels(task, clips)
    return clips, findings


def check_labels(task: Task, clips: pl.DataFrame) -> None:
    """Train and dev must be labelled, and each class must be in train.

    Raises:
        BadData: a label is blank where it must not be, or a class has no train clip.
    """
    target = task.target
    seen = clips.filter(pl.col("part") != "test")
    blank = pl.any_horizontal(pl.col(target.columns).is_null())
    if target.nan_ok:
        blank = pl.all_horizontal(pl.col(target.columns).is_null())
    without = seen.filter(blank)["clip"].to_list()
    if without:
        raise BadData(
            f"{task.name}: {len(without):,} train or dev clips have no label: {listing(without)}."
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
    """Decode every clip, stop at the ones that cannot be read, extract the features of the rest."""
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
    extraction = extract(features, waves, workers=workers, progress=progress)
    values = np.full((len(clips), features.dim), np.nan, dtype=np.float32)
    rows = clips["row"].to_numpy()
    known = clips["row"].is_not_null().to_numpy()
    values[known] = extraction.values[rows[known].astype(np.intp)]
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
    return Material(clips.drop("row"), values, (*findings, *heard, *doubled))


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


def part_of(task: Task, material: Material, part: str) -> Part:
    """One part as systems see it: readable clips only, labels of train and dev alone."""
    held = (material.clips["part"] == part).to_numpy()
    if part != "test":
        held &= material.clips["digest"].is_not_null().to_numpy()
    rows = np.flatnonzero(held)
    clips = material.clips[rows]
    labels: NDArray[Any]
    if part == "test":
        labels = np.empty((0,))
    elif task.target.kind == "classification":
        codes = {name: code for code, name in enumerate(task.target.classes)}
        labels = (
            clips[task.target.columns[0]].replace_strict(codes, return_dtype=pl.Int64).to_numpy()
        )
    else:
        columns = pl.col(task.target.columns).fill_null(np.nan)
        labels = clips.select(columns).to_numpy().astype(np.float64)
    return Part(tuple(clips["clip"]), material.features[rows], labels, tuple(clips["speaker"]))


def fit_predict(
    task: Task, system: System, mode: str, seed: int, material: Material
) -> tuple[dict[str, pl.DataFrame], dict[str, Any]]:
    """Fit one seed and predict: dev by the model that never saw dev, test after the stated refit.

    Returns:
        Predictions of dev and test, and the model's own report.
    """
    train, dev = (part_of(task, material, part) for part in PARTS[:2])
    model = system.build(task, seed, mode)
    model.fit(train, dev)
    tables = {"dev": predict_part(task, material, "dev", model.predict)}
    if system.refit:
        model.refit(train, dev)
    tables["test"] = predict_part(task, material, "test", model.predict)
    return tables, model.report()


def predict_part(
    task: Task, material: Material, part: str, predict: Callable[[Part], NDArray[np.float64]]
) -> pl.DataFrame:
    """Predictions for every clip of a part; clips without audio get none, and stay in the table."""
    held = material.clips.filter(pl.col("part") == part)
    readable = held["digest"].is_not_null().to_numpy()
    features = material.features[(material.clips["part"] == part).to_numpy()]
    ids = held["clip"].to_numpy()[readable]
    speakers = held["speaker"].to_numpy()[readable]
    values = np.full((len(held), task.target.outputs), np.nan)
    seen = Part(tuple(ids), features[readable], np.empty((0,)), tuple(speakers))
    values[readable] = predict(seen)
    return results.predictions(held, task.target, values)


def describe(task: Task, system: System, mode: str, material: Material) -> dict[str, Any]:
    """All that a result says of what it was computed from; ``inputs`` is the digest of it.

    A result is served again only for the same inputs: samples, labels, split, features, settings
    and the versions of the libraries that compute.
    """
    clips = material.clips
    label_columns = list(task.target.columns)
    data = {
        "corpus": task.corpus.name,
        "clips": len(clips),
        "split": {
            "name": task.split.name,
            "version": task.split.version,
            "released": task.split.released,
            "hash": splits.split_hash(clips),
        },
        "samples": digest_rows(clips.select("clip", "digest").iter_rows()),
        "labels": digest_rows(clips.select("clip", "speaker", *label_columns).iter_rows()),
        "parts": {part: counts(clips.filter(pl.col("part") == part)) for part in PARTS},
    }
    described = {
        "schema": results.SCHEMA,
        "task": {
            "name": task.name,
            "version": task.version,
            "protocol": task.protocol,
            "target": asdict(task.target),
            "metric": task.metric.key,
            "also": [metric.key for metric in task.also],
            "source": task.source,
        },
        "system": {
            "label": results.label(system, mode),
            "name": system.name,
            "mode": mode,
            "refit": system.refit,
            "settings": dict(system.settings),
            "source": system.source,
        },
        "features": {
            "name": system.features.name,
            "dim": system.features.dim,
            "identity": dict(system.features.identity()),
        },
        "data": data,
        "versions": environment.versions(system.extra),
    }
    inputs = digest_json({key: value for key, value in described.items() if key != "schema"})
    findings = [
        {"kind": f.kind, "count": len(f.items), "items": list(f.items[:20]), "advice": f.advice}
        for f in material.findings
    ]
    return {
        **described,
        "inputs": inputs,
        "findings": findings,
        "notes": notes(task, material),
        "code": environment.commit(),
    }


def counts(clips: pl.DataFrame) -> Mapping[str, int | None]:
    """Clips, readable clips and speakers of a part; speakers None where they are unknown."""
    unknown = clips["speaker"].null_count() > 0
    return {
        "clips": len(clips),
        "readable": int(clips["digest"].is_not_null().sum()),
        "speakers": None if unknown else clips["speaker"].n_unique(),
    }


def notes(task: Task, material: Material) -> list[str]:
    """Plain sentences that belong beside the score."""
    told = [
        f"{f.kind}: {len(f.items):,}. {f.advice}" if f.items else f.advice
        for f in material.findings
    ]
    if not task.split.released:
        told.append(
            f"The split {task.split.name}@{task.split.version} is ours: none was published."
        )
    return told


def clear_the_way(folder: Path, seeds: Sequence[int], inputs: str, *, overwrite: bool) -> list[int]:
    """The seeds that have to be computed; stored ones of the same inputs are kept.

    Raises:
        ResultConflict: a stored seed is of other inputs, or damaged, and ``overwrite`` is False.
    """
    done = []
    conflicts = []
    for path in results.seed_folders(folder):
        try:
            result, _ = results.read_seed(path)
            same = result["inputs"] == inputs
        except (MissingData, ResultConflict):
            same = False
        if same:
            done.append(int(path.name.removeprefix("seed")))
        else:
            conflicts.append(path)
    if conflicts and not overwrite:
        raise ResultConflict(
            f"{listing(conflicts)}: a result of other data, labels, split, settings or versions "
            "lies there. Nothing was changed. Choose another --out, or replace it with --overwrite."
        )
    for path in conflicts:
        results.remove(path)
    return [seed for seed in seeds if seed not in done]
