"""Results as a run leaves them, made without one: a task of 60 clips a part."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from affectbench import TASKS, results
from affectbench.corpora.hume_vocalburst import TYPE
from affectbench.scoring import Scoring, score_system

CLIPS = 60
FEW = Scoring(draws=500)
TASK = replace(
    TASKS["avb-type"],
    corpus=replace(
        TASKS["avb-type"].corpus,
        published={"clips": 3 * CLIPS, "train": CLIPS, "dev": CLIPS, "test": CLIPS},
    ),
)


def truth(part: str, *, clips: int = CLIPS, seed: int = 0) -> pl.DataFrame:
    """Clips with their type, by 12 speakers."""
    rng = np.random.default_rng([seed, len(part)])
    return pl.DataFrame(
        {
            "clip": [f"{part}{number:03d}" for number in range(clips)],
            "speaker": [f"{part}{number % 12}" for number in range(clips)],
            "Voc_Type": rng.choice(TYPE.classes, clips),
        }
    )


def predicted(clips: pl.DataFrame, right: float, seed: int) -> pl.DataFrame:
    """Predictions of which that share is right."""
    rng = np.random.default_rng(seed)
    codes = {name: code for code, name in enumerate(TYPE.classes)}
    true = np.array([codes[name] for name in clips["Voc_Type"]])
    guess = np.where(rng.random(len(true)) < right, true, rng.integers(len(codes), size=len(true)))
    return results.predictions(clips, TASK, [np.eye(len(codes))[guess]])


def store(
    out: Path,
    name: str = "mine",
    *,
    right: float = 0.6,
    seeds: tuple[int, ...] = (0,),
    origin: str | None = "corpus",
    labels: str = "labels",
    inputs: str = "",
    clips: int = CLIPS,
    blind: bool = False,
    task_name: str = "avb-type",
    scored: bool = True,
    **run: object,
) -> Path:
    """A scored system in ``out``; its folder."""
    folder = out / task_name / name
    for seed in seeds:
        tables = {
            part: predicted(truth(part, clips=clips), right, seed + 1000 * int(100 * right))
            for part in ("dev", "test")
        }
        if blind:
            tables["test"] = tables["test"].with_columns(
                pl.lit(None, pl.String).alias("truth.Voc_Type")
            )
        result = {
            "schema": results.SCHEMA,
            "task": {"name": task_name, "version": 1, "targets": [{}]},
            "system": {"label": name, "name": name, "mode": "sound"},
            "data": {
                "corpus": "hume-vocalburst",
                "clips": 3 * clips,
                "samples": "samples",
                "labels": labels,
                "split": {"hash": "split"},
                "parts": {part: {"clips": clips} for part in ("train", "dev", "test")},
                **({"origin": origin} if origin else {}),
            },
            "inputs": inputs or f"{name} {labels}",
            "notes": ["A note of the run."],
            "seed": seed,
            "model": {"parameters": 1_000 + seed},
            "predictions": {part: results.content(table) for part, table in tables.items()},
        }
        results.write_seed(folder / f"seed{seed}", tables, result, run, overwrite=False)
    if scored:
        score_system(folder, replace(TASK, name=task_name), Scoring(draws=200))
    return folder


def change(path: Path, **fields: object) -> None:
    """Set fields of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def group(found, title):
    """The one group of a board with that title."""
    (one,) = [group for group in found.groups if group.title == title]
    return one


def own(found):
    """The own rows of a group or board."""
    return [row for row in found.rows if row.kind == "own"]
