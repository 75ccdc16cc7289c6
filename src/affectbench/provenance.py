"""What a result says of what it was computed from: data, task, system, features, versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from affectbench import environment, results, splits
from affectbench.audio.prepare import RATE_HZ
from affectbench.material import Material
from affectbench.store import digest_json, digest_rows, is_twin
from affectbench.systems import RECIPES
from affectbench.types import PARTS, System, Task


def origin(root: Path) -> str:
    """``twin`` for a synthetic corpus, whose scores say nothing about people; else ``corpus``."""
    return "twin" if is_twin(root) else "corpus"


def audio_s(material: Material) -> float:
    """Seconds of audio that were read."""
    return float(material.clips["samples"].fill_null(0).sum() / RATE_HZ)


def describe(
    task: Task,
    system: System,
    mode: str,
    material: Material,
    origin: str,
    shots: int | None = None,
) -> dict[str, Any]:
    """All that a result says of what it was computed from; ``inputs`` is the digest of it.

    A result is served again only for the same inputs: samples, labels, split, features, settings
    and the versions of the libraries that compute.
    """
    features = material.of
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
            "label": label_of(system, mode, shots),
            "name": system.name,
            "recipe": recipe_of(system),
            "mode": mode,
            "refit": system.refit,
            **({} if shots is None else {"shots": shots}),
            "settings": dict(system.settings),
            "source": system.source,
        },
        "features": {
            "name": features.name,
            "dim": features.dim,
            "identity": dict(features.identity()),
            "facts": dict(features.facts),
        },
        "data": {**describe_data(task, material.clips), "origin": origin},
        "versions": environment.versions(system.extra, features.extra),
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
        "notes": notes(task, material, shots or 0),
        "code": environment.commit(),
    }


def label_of(system: System, mode: str, shots: int | None = None) -> str:
    """Name of the folder of results; fewer support clips than the task gives are told in it."""
    label = results.label(system, mode)
    return label if shots is None or shots == splits.SUPPORT else f"{label}-k{shots}"


def recipe_of(system: System) -> str | None:
    """Name of the recipe that a system is made by; None for one of the user's own."""
    return next((name for name, row in RECIPES.items() if row.build is system.build), None)


def describe_data(task: Task, clips: pl.DataFrame) -> dict[str, Any]:
    """What a result says of its data: digests of samples, labels and split, and counts."""
    return {
        "corpus": task.corpus.name,
        "clips": len(clips),
        "split": {
            "name": task.split.name,
            "version": task.split.version,
            "released": task.split.released,
            "hash": _split_hash(task, clips),
        },
        "samples": digest_rows(clips.select("clip", "digest").iter_rows()),
        "labels": label_digest(task, clips),
        "parts": {part: counts(_held(task, clips, part)) for part in PARTS},
    }


def _split_hash(task: Task, clips: pl.DataFrame) -> str:
    """Hash of the parts of all clips, in every fold."""
    folds = task.split.folds
    if not folds:
        return splits.split_hash(clips)
    return digest_json([splits.split_hash(splits.apply(fold, clips)) for fold in folds])


def _held(task: Task, clips: pl.DataFrame, part: str) -> pl.DataFrame:
    """Clips of a part; of folds all clips, since each is once in dev and once in test."""
    return clips if task.split.folds else clips.filter(pl.col("part") == part)


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


def notes(task: Task, material: Material, shots: int = 0) -> list[str]:
    """Plain sentences that belong beside the score."""
    told = [
        f"{f.kind}: {len(f.items):,}. {f.advice}" if f.items else f.advice
        for f in material.findings
    ]
    if task.protocol == "personalise" and not shots:
        told.append("Not personalised: the labels of the support clips were not used.")
    if task.protocol == "personalise" and shots:
        told.append(f"Personalised to {shots} support clip{'s' * (shots > 1)} of each speaker.")
    if task.split.folds:
        told.append(
            f"Cross-validation: predictions of {len(task.split.folds)} folds are pooled, each clip "
            "by the model that has seen neither it nor its speaker."
        )
    if not task.split.released:
        told.append(
            f"The split {task.split.name}@{task.split.version} is ours: none was published."
        )
    return told
