"""Where predictions and the ids of a test part come from besides a file that was handed in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from affectbench import splits
from affectbench.corpora import labels as label_files
from affectbench.errors import BadData, MissingData, ResultConflict, listing
from affectbench.results import read_seed, seed_folders
from affectbench.submission.names import form_of
from affectbench.submission.reading import UNCHECKED, Handed
from affectbench.submission.writing import check
from affectbench.types import Target, Task


def from_result(folder: Path, task: Task, *, expected: Sequence[str] | None = None) -> Handed:
    """The test predictions of a stored result, one row a clip.

    Numbers are the mean over the seeds; a class is the one of the highest mean score, the first of
    equals, where the scores were stored, and that of the first seed otherwise. The notes say so.

    Args:
        folder: of a system (``<out>/<task>/<system>``), or of one of its seeds.
        task: what was run.
        expected: ids of the test part; None where they are not known, which is noted.

    Raises:
        MissingData: there is no result, or it holds no test part.
        ResultConflict: it is of another task or version, or its seeds are of different data.
        BadData: clips without a prediction, or not those of the test part.
    """
    single = (folder / "result.json").is_file()
    places = [folder] if single else seed_folders(folder)
    seeds = [read_seed(place) for place in places]
    if not seeds:
        raise MissingData(f"{folder} holds no result. Expected seed<k>/result.json in it.")
    _same(folder, task, [result for result, _ in seeds])
    tables = [tables["test"].sort("clip") for _, tables in seeds if "test" in tables]
    if len(tables) < len(seeds) or not len(tables[0]):
        raise MissingData(f"{folder} holds no predictions for test. Run the system again.")
    clips = tables[0]["clip"]
    if any(not table["clip"].equals(clips) for table in tables):
        raise BadData(f"{folder}: its seeds predict different clips. Run all of them again.")
    notes: list[str] = []
    columns = {"clip": clips}
    for target in task.targets:
        columns |= _mean(tables, target, notes)
    table = pl.DataFrame(columns)
    check(table, task)
    if expected is None:
        notes.append(UNCHECKED)
    else:
        _same_clips(folder, clips, expected)
    return Handed(table, (), tuple(notes), expected is not None)


def _same(folder: Path, task: Task, found: list[dict[str, Any]]) -> None:
    """All seeds must be of this task and version, and of one set of data and settings."""
    for result in found:
        name, version = result["task"]["name"], result["task"]["version"]
        if (name, version) != (task.name, task.version):
            raise ResultConflict(
                f"{folder} holds a result of {name}, version {version}. Expected {task.name}, "
                f"version {task.version}."
            )
    if any(result["inputs"] != found[0]["inputs"] for result in found):
        raise ResultConflict(
            f"{folder}: its seeds were computed from different data or settings. Run all of them "
            "again with --overwrite, or name the folder of one seed."
        )


def _mean(tables: list[pl.DataFrame], target: Target, notes: list[str]) -> dict[str, pl.Series]:
    """Columns of one target, over the seeds."""
    many = f"{len(tables)} seeds" if len(tables) > 1 else "the one seed"
    if target.kind == "regression":
        names = [f"prediction.{column}" for column in target.columns]
        notes.append(f"{target.name}: the mean over {many}.")
        return {name: _average([table[name] for table in tables]) for name in names}
    name = f"prediction.{target.columns[0]}"
    scores = [f"score.{own}" for own in target.classes]
    if any(set(scores) - set(table.columns) for table in tables):
        notes.append(f"{target.name}: the class of the first seed, scores were not stored.")
        return {name: tables[0][name]}
    notes.append(f"{target.name}: the class of the highest mean score of {many}.")
    mean = np.stack([_average([table[s] for table in tables]).to_numpy() for s in scores], axis=1)
    unknown = np.isnan(mean).any(axis=1)
    best = np.where(unknown, 0, mean.argmax(axis=1))
    found = pl.Series([target.classes[i] for i in best], dtype=pl.String)
    return {name: pl.select(pl.when(~pl.Series(unknown)).then(found)).to_series()}


def _average(columns: list[pl.Series]) -> pl.Series:
    """[N] means; null where a seed has none."""
    if len(columns) == 1:
        return columns[0].cast(pl.Float64)
    values = np.stack([column.cast(pl.Float64).to_numpy() for column in columns])
    return pl.Series(values.mean(axis=0)).fill_nan(None)


def _same_clips(folder: Path, clips: pl.Series, expected: Sequence[str]) -> None:
    """The clips predicted must be the test part."""
    lacking = sorted(set(expected) - set(clips))
    beyond = sorted(set(clips) - set(expected))
    if lacking or beyond:
        raise BadData(
            f"{folder} and the labels are not of one test part: {len(lacking):,} of its clips have "
            f"no prediction ({listing(lacking)}), {len(beyond):,} predicted clips are not of it "
            f"({listing(beyond)})."
        )


def expected_ids(
    task: Task, *, labels: Path | None = None, data: Path | None = None
) -> tuple[str, ...] | None:
    """Ids of the test part, sorted; None if neither source is given.

    Args:
        task: whose test part; support clips of the few-shot task are not of it.
        labels: a folder of label files as released, or one table with a column of ids and, unless
            all of them are test clips, a column ``Split`` or ``part``.
        data: the corpus folder as released.

    Raises:
        MissingData: a file, column or part is not there.
        BadData: it cannot be read; see the corpus's ``read``.
    """
    if labels is not None and labels.is_file():
        return _from_file(task, labels)
    if labels is not None and task.corpus.read_labels is not None:
        clips = task.corpus.read_labels(labels)
    elif labels is not None or data is not None:
        clips = task.corpus.read(labels or data or Path()).clips
    else:
        return None
    test = splits.apply(task.split, clips) if not task.split.released else clips
    test = test.filter(pl.col("part") == "test")
    if task.protocol == "personalise" and "support" in test.columns:
        test = test.filter(~pl.col("support").fill_null(False))
    return _ids(test["clip"], labels or data)


def _from_file(task: Task, path: Path) -> tuple[str, ...]:
    """Ids of one table of labels."""
    form = form_of(task)
    table = label_files.read_csv(path, [])
    key = next((name for name in (form.key, "File_ID", "filename", "clip") if name in table), "")
    if not key:
        raise MissingData(
            f"{path} has no column {form.key}. Found: {listing(table.columns[1:], 50)}."
        )
    parts = [name for name in ("Split", "part", "split") if name in table.columns]
    if parts:
        table = table.filter(pl.col(parts[0]).str.to_lowercase() == "test")
    ids = table[key].drop_nulls()
    return _ids(ids.str.strip_chars("[]") if form.bracketed else ids, path)


def _ids(clips: pl.Series, source: Path | None) -> tuple[str, ...]:
    """Sorted, each once."""
    if not len(clips):
        raise MissingData(f"{source} names no test clip.")
    return tuple(sorted(set(clips)))
