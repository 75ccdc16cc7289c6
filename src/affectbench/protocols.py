"""The way through: corpus folder -> clips -> waves -> features -> predictions -> scored result.

``material.py`` brings the clips as far as features; this file does the rest, and names the order.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectbench import environment, results, splits
from affectbench.audio.prepare import RATE_HZ
from affectbench.errors import BadData, MissingData, ResultConflict, listing
from affectbench.material import Material, extract_features, part_of, read
from affectbench.scoring import Result, Scoring, score_system
from affectbench.store import digest_json, digest_rows, disk_error, is_twin
from affectbench.systems import SYSTEMS
from affectbench.types import PARTS, Part, Progress, System, Task


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
        The result over all seeds. A row of ``SYSTEMS`` on the same data is served from the stored
        predictions, recognised by content, not by name. A system of your own is always fitted
        again, since its code cannot be compared.

    Raises:
        MissingData: folder, files, columns or labels that are not there.
        BadData: labels, audio or features that cannot be used; all of them in one message.
        ResultConflict: a result of other data, settings or code lies there and ``overwrite`` is
            False.
    """
    if task.protocol == "generate":
        raise BadData(
            f"{task.name} is won by generated clips, and {system.name} predicts labels. Score a "
            f"folder of wavs: affectbench score {task.name} FOLDER --labels CORPUS"
        )
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
    described = describe(task, system, mode, material, origin(Path(data)))
    done = clear_the_way(folder, described["inputs"], overwrite=overwrite)
    ours = SYSTEMS.get(system.name) is system
    missing = [seed for seed in seeds if not (ours and seed in done)]
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
        facts = {
            **environment.run_facts(),
            "read_and_extract_s": read_s,
            "fit_and_predict_s": time.time() - started,
            "audio_s": audio_s(material),
            "data": str(Path(data).resolve()),
        }
        results.write_seed(folder / f"seed{seed}", tables, result, facts, overwrite=overwrite)
    if progress:
        progress(f"training {results.label(system, mode)}", len(missing), len(missing))
    return score_system(folder, task, scoring)


def check_writable(folder: Path) -> None:
    """Find out before the work whether results can be written at all."""
    probe = folder / f".write-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise disk_error(error, folder) from error


def fit_predict(
    task: Task, system: System, mode: str, seed: int, material: Material
) -> tuple[dict[str, pl.DataFrame], dict[str, Any]]:
    """Fit one seed and predict: dev by the model that never saw dev, test after the stated refit.

    A task of several targets gets a model a target, each chosen by its part of the metric.

    Returns:
        Predictions of dev and test, and the model's own report (of several, by target).
    """
    outputs: dict[str, list[NDArray[np.float64]]] = {"dev": [], "test": []}
    reports = {}
    for single in task.single():
        train, dev = (part_of(single, material, part) for part in PARTS[:2])
        model = system.build(single, seed, mode)
        model.fit(train, dev)
        outputs["dev"].append(predict_part(single, material, "dev", model.predict))
        if system.refit:
            model.refit(train, dev)
        outputs["test"].append(predict_part(single, material, "test", model.predict))
        reports[single.target.name] = model.report()
    tables = {
        part: results.predictions(held(task, material, part)[0], task, values)
        for part, values in outputs.items()
    }
    return tables, reports if len(task.targets) > 1 else next(iter(reports.values()))


def held(task: Task, material: Material, part: str) -> tuple[pl.DataFrame, NDArray[np.float32]]:
    """The clips of a part to predict and their features; support clips are not predicted."""
    chosen = material.clips["part"] == part
    if task.protocol == "personalise" and "support" in material.clips.columns:
        chosen &= ~material.clips["support"].fill_null(False)
    return material.clips.filter(chosen), material.features[chosen.to_numpy()]


def predict_part(
    task: Task, material: Material, part: str, predict: Callable[[Part], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Outputs [N, C] for every clip of a part; NaN for clips without audio."""
    clips, features = held(task, material, part)
    readable = clips["digest"].is_not_null().to_numpy()
    ids = clips["clip"].to_numpy()[readable]
    speakers = clips["speaker"].to_numpy()[readable]
    values = np.full((len(clips), task.target.outputs), np.nan)
    seen = Part(tuple(ids), features[readable], np.empty((0,)), tuple(speakers))
    values[readable] = predict(seen)
    return values


def origin(root: Path) -> str:
    """``twin`` for a synthetic corpus, whose scores say nothing about people; else ``corpus``."""
    return "twin" if is_twin(root) else "corpus"


def audio_s(material: Material) -> float:
    """Seconds of audio that were read."""
    return float(material.clips["samples"].fill_null(0).sum() / RATE_HZ)


def describe(
    task: Task, system: System, mode: str, material: Material, origin: str
) -> dict[str, Any]:
    """All that a result says of what it was computed from; ``inputs`` is the digest of it.

    A result is served again only for the same inputs: samples, labels, split, features, settings
    and the versions of the libraries that compute.
    """
    described = {
        "schema": results.SCHEMA,
        "task": {
            "name": task.name,
            "version": task.version,
            "protocol": task.protocol,
            "targets": [asdict(target) for target in task.targets],
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
        "data": {**describe_data(task, material.clips), "origin": origin},
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


def describe_data(task: Task, clips: pl.DataFrame) -> dict[str, Any]:
    """What a result says of its data: digests of samples, labels and split, and counts."""
    return {
        "corpus": task.corpus.name,
        "clips": len(clips),
        "split": {
            "name": task.split.name,
            "version": task.split.version,
            "released": task.split.released,
            "hash": splits.split_hash(clips),
        },
        "samples": digest_rows(clips.select("clip", "digest").iter_rows()),
        "labels": label_digest(task, clips),
        "parts": {part: counts(clips.filter(pl.col("part") == part)) for part in PARTS},
    }


def label_digest(task: Task, clips: pl.DataFrame) -> str:
    """Digest of speakers and labels: what a ceiling and a score are of."""
    return digest_rows(clips.select("clip", "speaker", *task.columns).iter_rows())


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
    if task.protocol == "personalise":
        told.append("Not personalised: the labels of the support clips were not used.")
    if not task.split.released:
        told.append(
            f"The split {task.split.name}@{task.split.version} is ours: none was published."
        )
    return told


def clear_the_way(folder: Path, inputs: str, *, overwrite: bool) -> list[int]:
    """The seeds that are stored with the same inputs; others are removed if that is allowed.

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
    return done
