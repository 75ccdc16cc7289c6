"""Results on disk: predictions are the artefact, scores are functions of them.

    <out>/<task>/<system>/seed<k>/dev.parquet, test.parquet    schema.PREDICTIONS
    <out>/<task>/<system>/seed<k>/result.json                  what was computed from what, scores
    <out>/<task>/<system>/seed<k>/run.json                     when, how long, how much memory
    <out>/<task>/<system>/summary.json                         scores over all seeds

``result.json``, ``summary.json`` and the Parquet files depend on data and settings alone: the same
run gives the same bytes. What differs from run to run stands in ``run.json``.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectbench.errors import BadData, MissingData, ResultConflict, listing
from affectbench.schema import GROUPS
from affectbench.store import digest, disk_error, write_atomic, write_json
from affectbench.types import System, Target, Task

SCHEMA: Final = 1
SEED_FOLDER: Final = re.compile(r"seed\d+", re.ASCII)


def label(system: System, mode: str) -> str:
    """Folder name of a system in a mode: the default mode goes without saying."""
    return system.name if mode == system.modes[0] else f"{system.name}-{mode}"


def label_without_shots(label: str) -> str:
    """``fewshot-zscore`` of ``fewshot-zscore-k0``: the system without the support clips."""
    return re.sub(r"-k\d+$", "", label)


def predictions(
    clips: pl.DataFrame, task: Task, values: Sequence[NDArray[np.float64]]
) -> pl.DataFrame:
    """The table of ``schema.PREDICTIONS`` from clips with labels and outputs [N, C] a target.

    A clip whose outputs are all NaN has no prediction: null.
    """
    known = [name for name in GROUPS if name in clips.columns and clips[name].is_not_null().any()]
    table = clips.select(
        "clip",
        "speaker",
        *(name for name in known if name != "speaker"),
        *(pl.col(column).alias(f"truth.{column}") for column in task.columns),
    )
    for target, outputs in zip(task.targets, values, strict=True):
        table = table.with_columns(predicted(target, outputs))
    return table


def predicted(target: Target, values: NDArray[np.float64]) -> list[pl.Series]:
    """The columns that hold the outputs [N, C] of one target; a row of NaN has no prediction."""
    if target.kind == "regression":
        return [
            pl.Series(f"prediction.{column}", values[:, i]).fill_nan(None)
            for i, column in enumerate(target.columns)
        ]
    missing = np.asarray(np.isnan(values).all(axis=1))
    best = np.where(missing, 0, np.nan_to_num(values, nan=-np.inf).argmax(axis=1))
    names = [
        None if gone else target.classes[i]
        for i, gone in zip(best.tolist(), missing.tolist(), strict=True)
    ]
    return [
        pl.Series(f"prediction.{target.columns[0]}", names, dtype=pl.String),
        *(
            pl.Series(f"score.{name}", values[:, i]).fill_nan(None)
            for i, name in enumerate(target.classes)
        ),
    ]


def content(table: pl.DataFrame) -> str:
    """Digest of a predictions table: the clips and what was predicted, not truth or speakers."""
    kept = table.select("clip", pl.col(r"^(prediction|score)\..*$"))
    return digest(*(json.dumps(row) for row in kept.iter_rows()), *kept.columns)


def write_seed(
    folder: Path,
    tables: Mapping[str, pl.DataFrame],
    result: Mapping[str, Any],
    run: Mapping[str, Any],
    *,
    overwrite: bool,
) -> None:
    """Write one seed's folder: filled beside its place and renamed, so it is whole or not there.

    A folder that is there already is kept if it holds the same predictions.

    Raises:
        ResultConflict: it holds others, of the same data and settings, and ``overwrite`` is False.
        AffectBenchError: the disk is full or not writable; nothing is left behind.
    """
    if folder.exists():
        if read_seed(folder)[0]["predictions"] == result["predictions"]:
            return
        if not overwrite:
            raise ResultConflict(
                f"{folder} holds other predictions for the same data and settings: the system's "
                "code has changed. Replace them with --overwrite, or choose another --out."
            )
        remove(folder)
    beside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        beside.mkdir(parents=True)
        for part, table in tables.items():
            write_table(beside / f"{part}.parquet", table)
        write_json(beside / "result.json", result)
        write_json(beside / "run.json", run)
        beside.rename(folder)
    except OSError as error:
        raise disk_error(error, folder) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def remove(folder: Path) -> None:
    """Take a result away: renamed first, so that a killed run leaves no half of it."""
    gone = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.old")
    try:
        folder.rename(gone)
        shutil.rmtree(gone)
    except OSError as error:
        raise disk_error(error, folder) from error


def write_table(path: Path, table: pl.DataFrame) -> None:
    """Write Parquet atomically; made in memory, so that a full disk is told as one."""
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    write_atomic(path, lambda file: file.write(buffer.getbuffer()))


def read_seed(folder: Path) -> tuple[dict[str, Any], dict[str, pl.DataFrame]]:
    """``result.json`` and the predictions of one seed.

    Raises:
        MissingData: a file is not there or cannot be read.
        ResultConflict: the predictions are not the ones that ``result.json`` describes.
    """
    try:
        result = json.loads((folder / "result.json").read_text())
        tables = {
            part: pl.read_parquet(folder / f"{part}.parquet") for part in result["predictions"]
        }
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
        raise MissingData(
            f"{folder} holds no complete result ({error}). Expected result.json, dev.parquet and "
            "test.parquet. Remove the folder and run again."
        ) from error
    changed = [
        part for part, table in tables.items() if content(table) != result["predictions"][part]
    ]
    if changed:
        raise ResultConflict(
            f"{folder}: the predictions for {listing(changed)} were changed after the run. "
            "Run again with --overwrite, or restore the files."
        )
    return result, tables


def run_of(folder: Path) -> dict[str, Any]:
    """``run.json`` of the first seed of a system's folder; empty where it is not there."""
    for seed in seed_folders(folder):
        if (seed / "run.json").is_file():
            told: dict[str, Any] = json.loads((seed / "run.json").read_text())
            return told
    return {}


def seed_folders(folder: Path) -> list[Path]:
    """Seed folders of a system's folder, by seed.

    Raises:
        BadData: a result lies in ``seed0.bak`` or the like, and would be counted or passed over.
    """
    found = [path for path in folder.glob("seed*") if (path / "result.json").is_file()]
    odd = sorted(path.name for path in found if not SEED_FOLDER.fullmatch(path.name))
    if odd:
        raise BadData(
            f"{folder} holds {listing(odd)}. Expected seed<number> alone; rename or remove it."
        )
    return sorted(found, key=lambda path: int(path.name.removeprefix("seed")))


def system_folders(out: Path) -> list[Path]:
    """Folders of systems at or below ``out``: those that hold seed folders."""
    found = {path.parent.parent for path in out.glob("**/seed*/result.json")}
    if (out / "result.json").is_file():
        found.add(out.parent)
    return sorted(found)


def task_name(folder: Path) -> str:
    """Name of the task that a system's folder holds results of."""
    for seed in seed_folders(folder):
        name: str = read_seed(seed)[0]["task"]["name"]
        return name
    raise MissingData(f"{folder} holds no result. Expected seed<k>/result.json in it.")


def unblind(folder: Path, task: Task, labels: Path) -> None:
    """Write the truth of test, read from released label files, into stored predictions.

    Raises:
        MissingData: the corpus has no label files, or they do not label every test clip.
    """
    if task.corpus.read_labels is None:
        raise MissingData(f"{task.corpus.name} has no blind labels: there is nothing to add.")
    told = task.corpus.read_labels(labels)
    columns = [pl.col(column).alias(f"truth.{column}") for column in task.columns]
    known = [name for name in GROUPS if name in told.columns]
    truth = told.select("clip", *known, *columns)
    for seed in seed_folders(folder):
        test = read_seed(seed)[1]["test"]
        joined = test.select("clip").join(truth, on="clip", how="left", maintain_order="left")
        blank = pl.all_horizontal(pl.col(f"truth.{c}").is_null() for c in task.columns)
        unknown = joined.filter(blank)["clip"].to_list()
        if unknown:
            raise MissingData(
                f"{labels} has no label for {len(unknown):,} of {len(joined):,} test clips: "
                f"{listing(unknown)}. Expected the label files with the test labels filled in."
            )
        names = [name for name in joined.columns if name != "clip"]
        write_table(seed / "test.parquet", test.with_columns(joined[name] for name in names))


def data_digest(data: Mapping[str, Any]) -> str:
    """What two results must share to be compared: samples, labels and split."""
    return digest(data["samples"], data["labels"], data["split"]["hash"])
