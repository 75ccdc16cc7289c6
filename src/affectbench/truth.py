"""Labels to score against: the released files of a corpus, or any CSV with an id and the labels.

A table of truth has one row a clip: ``clip``, ``part``, ``speaker`` and more of ``schema.GROUPS``
(null where unknown), the label columns of the task (null where blank), and ``support`` where the
support clips of a few-shot task are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import polars as pl

from affectbench import splits
from affectbench.corpora import labels
from affectbench.errors import BadData, MissingData, listing
from affectbench.schema import GROUPS
from affectbench.tables import PARTS, ROLES
from affectbench.types import Submission, Task

IDS: Final = ("clip", "file_id", "filename", "file", "id", "name")
NAMES: Final = {
    "speaker": ROLES["speaker"],
    "part": ROLES["part"],
    "sex": ("sex", "gender"),
    "age": ("age",),
    "country": ("country", "culture"),
    "role": ("role",),
    "seed": ("seed", "seed_id"),
}  # group -> what its column may be called, in small letters


def read_truth(
    path: Path, task: Task, *, groups: Path | None = None, support: Path | None = None
) -> pl.DataFrame:
    """The labels of a task.

    Args:
        path: a folder in the layout of the corpus (audio is not needed where its label files are
            read alone), or a CSV with an id and the label columns under their official names.
        task: whose labels.
        groups: a CSV that tells speakers, countries, ... of clips (by id) or of speakers.
        support: a CSV whose labelled test clips are the support clips of a few-shot task, such as
            the ``data_info.csv`` that participants have; or one that lists their ids alone.

    Raises:
        MissingData: a file or a column is not there.
        BadData: a cell is no number, out of range or no class; ids that are double.
    """
    if task.protocol == "generate":
        raise BadData(f"{task.name} has no labels to score against: its clips are generated.")
    table = _of_folder(path, task) if path.is_dir() else _of_file(path, task)
    if groups is not None:
        table = _with_groups(table, groups, task)
    if support is not None:
        given = _support_ids(support, task)
        table = table.with_columns(pl.col("clip").is_in(given).alias("support"))
    absent = [name for name in ("speaker", "part") if name not in table.columns]
    return table.with_columns(pl.lit(None, pl.String).alias(name) for name in absent)


def scored(truth: pl.DataFrame, task: Task, part: str | None) -> pl.DataFrame:
    """The clips of a part (None: of all) that have labels and are to be scored, in order of id.

    Support clips of a few-shot task are left out.

    Raises:
        BadData: no clip is left, or it is not known which test clips are support.
    """
    rows = truth if part is None else truth.filter(pl.col("part") == part)
    given = [pl.any_horizontal(pl.col(t.columns).is_not_null()) for t in task.targets]
    labelled = rows.filter(pl.all_horizontal(given))
    if not len(labelled):
        parts = listing(sorted(truth["part"].drop_nulls().unique()))
        raise BadData(
            f"No clip of {part or 'any part'} has labels of {task.name}. Parts found: "
            f"{parts or 'none'}. Is this the label file with the labels filled in?"
        )
    if task.protocol == "personalise":
        if "support" in labelled.columns:
            labelled = labelled.filter(~pl.col("support").fill_null(False))
        elif part in (None, "test"):
            raise BadData(
                f"{task.name}: it is not known which test clips are support, and those must not "
                "be scored. Name them: --support data_info.csv, as participants have it."
            )
        if not len(labelled):
            raise BadData(
                f"{task.name}: every labelled test clip is named as support, so none is left to "
                "score. Expected the file that participants have, where all other labels are blank."
            )
    return labelled.sort("clip")


def predicted_parts(truth: pl.DataFrame, clips: Sequence[str]) -> list[str | None]:
    """The parts that some of these clips belong to, train aside if others do; None: no part."""
    found = truth.filter(pl.col("clip").is_in(list(clips)))["part"].unique().to_list()
    return [part for part in found if part != "train"] or found


def with_truth(predictions: pl.DataFrame, truth: pl.DataFrame, task: Task) -> pl.DataFrame:
    """The table of ``schema.PREDICTIONS`` for the clips of ``truth``, in its order.

    A clip without a prediction stays, with nulls.
    """
    groups = [name for name in GROUPS if name in truth.columns]
    rows = truth.select(
        "clip", *groups, *(pl.col(column).alias(f"truth.{column}") for column in task.columns)
    )
    told = predictions.select("clip", pl.col(r"^(prediction|score)\..*$"))
    return rows.join(told, on="clip", how="left", maintain_order="left")


def bare_ids(table: pl.DataFrame, column: str) -> pl.DataFrame:
    """``table`` with ``clip``: the id of ``column`` without brackets."""
    return table.with_columns(pl.col(column).str.strip_chars("[]").alias("clip"))


def _of_folder(folder: Path, task: Task) -> pl.DataFrame:
    """Truth from the corpus's own label files."""
    corpus = task.corpus
    clips = corpus.read_labels(folder) if corpus.read_labels else corpus.read(folder).clips
    absent = [name for name in task.columns if name not in clips.columns]
    if absent:
        raise MissingData(
            f"{folder} has no label file with {listing(absent)}, which {task.name} needs. "
            f"Expected: {corpus.layout}."
        )
    if not task.split.released:
        clips = splits.apply(task.split, clips)
    if task.split.folds:  # each clip is once in test
        clips = clips.with_columns(part=pl.lit("test"))
    kept = [name for name in (*GROUPS, "support") if name in clips.columns]
    return clips.select("clip", "part", *dict.fromkeys((*kept, *task.columns)))


def _of_file(path: Path, task: Task) -> pl.DataFrame:
    """Truth from one CSV: the id, the official columns, and of the groups what it holds."""
    form = task.submission
    table = _with_id(path, labels.read_csv(path, []), form)
    headers = form.columns if form else {column: column for column in task.columns}
    absent = [header for header in headers if header not in table.columns]
    if absent:
        labels.read_csv(path, absent)  # says what was found
    chosen = table.select(
        "clip",
        labels.ROW,
        *(pl.col(h).alias(c) for h, c in headers.items()),
        *_group_columns(table, task, taken=task.columns),
    )
    for target in task.targets:
        if target.kind == "regression":
            chosen = labels.numbers(path, chosen, target.columns, target.low, target.high)
        else:
            chosen = _classes(path, chosen, target.columns[0], target.classes)
    chosen = chosen.drop(labels.ROW)
    if task.group == "seed" and "seed" not in chosen.columns:
        chosen = labels.with_seeds(chosen, task.columns)
    return chosen


def _with_id(path: Path, table: pl.DataFrame, form: Submission | None) -> pl.DataFrame:
    """``table`` with ``clip``, one row each; ``?`` is a blank."""
    wanted = (form.key.lower(), *IDS) if form else IDS
    plain = {name.strip().lower(): name for name in reversed(table.columns)}
    key = next((plain[name] for name in wanted if name in plain), None)
    if key is None:
        raise MissingData(
            f"{path}: no column names the clips. Found: {listing(table.columns[1:], 50)}; expected "
            f"{form.key if form else 'clip'}."
        )
    table = table.with_columns(pl.col(pl.String).replace("?", None))
    blank = table.filter(pl.col(key).is_null())
    labels.refuse(path, labels.bad_cells(path, blank, key, "the id of a clip"))
    table = bare_ids(table, key)
    labels.one_row_each(path, table, "clip")
    return table


def _group_columns(table: pl.DataFrame, task: Task, taken: Sequence[str] = ()) -> list[pl.Expr]:
    """What the file says of speakers and parts, under our names but those that are ``taken``."""
    plain = {name.strip().lower(): name for name in reversed(table.columns)}
    classes = {t.columns[0]: t.classes for t in task.corpus.targets if t.classes}
    found: list[pl.Expr] = []
    for group, names in NAMES.items():
        if group in taken:
            continue
        source = next((plain[name] for name in names if name in plain), None)
        if source is None or source == "clip":
            continue
        value = pl.col(source)
        if group == "part":
            lower = value.str.to_lowercase()
            value = lower.replace_strict(PARTS, default=lower)
        elif group == "age":
            value = value.cast(pl.Float64, strict=False)
        elif group == "sex":
            value = value.str.to_lowercase()
        elif group in classes:
            value = value.replace(_codes(classes[group]))
        found.append(value.alias(group))
    return found


def _classes(path: Path, table: pl.DataFrame, column: str, classes: Sequence[str]) -> pl.DataFrame:
    """``table`` with class names, also where the file has their codes 0, 1, ..."""
    table = table.with_columns(pl.col(column).replace(_codes(classes)))
    labels.choices(path, table, column, classes, blank_ok=True)
    return table


def _codes(classes: Sequence[str]) -> dict[str, str]:
    """Class names by code, as ``1`` and as the ``1.0`` of a column with blanks."""
    return {text: name for i, name in enumerate(classes) for text in (str(i), f"{i}.0")}


def _with_groups(table: pl.DataFrame, path: Path, task: Task) -> pl.DataFrame:
    """``table`` with the groups of another CSV, joined by clip, or by speaker without an id."""
    other = labels.read_csv(path, [])
    plain = {name.strip().lower() for name in other.columns}
    key = "clip" if plain & {*IDS} else "speaker"
    if key == "clip":
        other = _with_id(path, other, task.submission)
    known = other.select(*(["clip"] if key == "clip" else []), *_group_columns(other, task))
    if key not in known.columns or key not in table.columns:
        raise MissingData(
            f"{path} names neither clips nor speakers that the labels name. Found: "
            f"{listing(other.columns[1:], 50)}; expected an id, or a speaker."
        )
    known = known.drop("part", strict=False).unique(key, keep="first", maintain_order=True)
    fresh = [n for n in known.columns if n == key or n not in task.columns]
    kept = table.drop(*(n for n in fresh if n != key), strict=False)
    return kept.join(known.select(fresh), on=key, how="left", maintain_order="left")


def _support_ids(path: Path, task: Task) -> list[str]:
    """Ids of the support clips that a file names."""
    if path.is_dir():
        raise BadData(f"{path} is a folder. Expected a CSV such as data_info.csv.")
    table = _with_id(path, labels.read_csv(path, []), task.submission)
    if set(task.columns) <= set(table.columns):
        table = table.with_columns(_group_columns(table, task))
        if "part" in table.columns:
            table = table.filter(pl.col("part") == "test")
        table = table.drop_nulls(list(task.columns))
    return table["clip"].to_list()
