"""Stored results on the board: what is wrong is named, what cannot be trusted has no value."""

from __future__ import annotations

import json
import re
import shutil

import polars as pl
import pytest

from affectbench.board import of_task
from affectbench.errors import MissingData
from board_cases import FEW, TASK, change, group, own, store, truth


def board(out):
    """The board of the small task with results."""
    return of_task(TASK, results=out, scoring=FEW)


def break_summary(folder):
    (folder / "summary.json").write_text('{"schema": 1,')


def tamper(folder):
    summary = json.loads((folder / "summary.json").read_text())
    summary["scores"]["test"]["uar.truth"]["value"] += 0.01
    (folder / "summary.json").write_text(json.dumps(summary))


def add_labels(folder):
    """Labels of a blind test, not scored yet."""
    path = folder / "seed0/test.parquet"
    pl.read_parquet(path).with_columns(
        truth("test")["Voc_Type"].alias("truth.Voc_Type")
    ).write_parquet(path)


def other_predictions(folder):
    path = folder / "seed0/test.parquet"
    table = pl.read_parquet(path)
    table.with_columns(pl.col("prediction.Voc_Type").reverse()).write_parquet(path)


def drop_column(folder):
    path = folder / "seed0/dev.parquet"
    pl.read_parquet(path).drop("truth.Voc_Type").write_parquet(path)


BROKEN = {
    "no summary": (lambda f: (f / "summary.json").unlink(), "Score it: affectbench score"),
    "half a summary": (break_summary, "Score it again: affectbench score"),
    "summary of other seeds": (lambda f: change(f / "summary.json", seeds=[0]), "other seeds"),
    "summary of another run": (lambda f: change(f / "summary.json", inputs="x"), "other seeds"),
    "summary of another task": (lambda f: change(f / "summary.json", task="x"), "other seeds"),
    "an empty summary": (lambda f: (f / "summary.json").write_text("{}"), "lacks fields"),
    "no notes": (lambda f: change(f / "summary.json", notes=None), "lacks fields"),
    "a list of scores": (lambda f: change(f / "summary.json", scores=[]), "lacks fields"),
    "a score in words": (
        lambda f: change(f / "summary.json", scores={"test": {"uar.truth": {"value": "high"}}}),
        "lacks fields",
    ),
    "no parts": (lambda f: change(f / "seed0/result.json", data={}), "fields"),
    "another score": (tamper, "is not that of its predictions"),
    "other predictions": (other_predictions, "were changed after the run"),
    "no column": (drop_column, "without truth.Voc_Type"),
    "newer schema": (lambda f: change(f / "seed0/result.json", schema=2), "another version"),
    "no inputs": (lambda f: (f / "seed0/result.json").write_text('{"schema": 1}'), "version"),
    "half a result": (lambda f: (f / "seed0/result.json").write_text("{"), "cannot be read"),
    "a list": (lambda f: (f / "seed0/result.json").write_text("[]"), "no JSON object"),
    "other fields": (lambda f: change(f / "seed0/result.json", task="avb-type"), "fields"),
    "no table": (lambda f: (f / "seed0/dev.parquet").unlink(), "no complete result"),
    "a seed twice": (lambda f: shutil.copytree(f / "seed0", f / "seed2"), "claims to be seed 0"),
    "a backup": (lambda f: shutil.copytree(f / "seed0", f / "seed0.bak"), "holds seed0.bak"),
    "two runs": (
        lambda f: change(f / "seed1/result.json", inputs="x"),
        "different data or settings",
    ),
    "an older task": (
        lambda f: change(
            f / "seed0/result.json", task={"name": "avb-type", "version": 0, "targets": [{}]}
        ),
        "of version 0 of avb-type; this is version 1",
    ),
}


@pytest.mark.parametrize(("broken", "why"), BROKEN.values(), ids=BROKEN)
def test_a_result_that_cannot_be_trusted_is_set_apart_with_its_reason(tmp_path, broken, why):
    folder = store(tmp_path, "mine", seeds=(0, 1))
    store(tmp_path, "sound", right=0.7)
    broken(folder)
    found = board(tmp_path)
    (row,) = [row for row in found.rows if row.status == "unusable"]
    assert (row.value, row.place, row.apart) == (None, None, "unusable")
    assert why in row.note
    assert row.folder == folder
    assert re.search(r"[Rr]un .*again|Score it|Score again|[Rr]emove", row.note)
    assert [r.system for r in own(group(found, "Test"))] == ["sound"]


def test_labels_that_are_not_scored_yet(tmp_path):
    folder = store(tmp_path, "mine", blind=True)
    add_labels(folder)
    (row,) = [row for row in board(tmp_path).rows if row.status == "unusable"]
    assert "before labels were added. Score again: affectbench score" in row.note


def test_seeds_of_other_clips(tmp_path):
    folder = store(tmp_path, "mine")
    other = store(tmp_path / "other", "mine", seeds=(1,), clips=40)
    shutil.copytree(other / "seed1", folder / "seed1")
    change(folder / "summary.json", seeds=[0, 1])
    (row,) = [row for row in board(tmp_path / "avb-type").rows if row.status == "unusable"]
    assert "predict different clips" in row.note


def test_scores_of_an_older_version_are_read_and_told(tmp_path):
    folder = store(tmp_path, "mine")
    summary = json.loads((folder / "summary.json").read_text())
    del summary["scores"]["test"]["uar.truth"]["method"]
    (folder / "summary.json").write_text(json.dumps(summary))
    test = group(board(tmp_path), "Test")
    assert own(test)
    assert any("older version (affectbench score brings them" in text for text in test.remarks)


def test_a_copy_is_counted_once(tmp_path):
    folder = store(tmp_path / "a", "mine", seeds=(0, 1))
    shutil.copytree(folder, tmp_path / "b/copy")
    store(tmp_path / "c", "mine", seeds=(1,))  # the same run of one of the seeds
    found = board(tmp_path)
    assert len(own(group(found, "Test"))) == 1
    assert own(group(found, "Test"))[0].folder == folder
    told = [text for text in found.remarks if "counted once" in text]
    assert [str(tmp_path / "b/copy") in text or str(tmp_path / "c") in text for text in told] == [
        True,
        True,
    ]


def test_two_results_that_claim_the_same_run_are_both_refused(tmp_path):
    first = store(tmp_path / "a", "mine", right=0.6)
    second = store(tmp_path / "b", "mine", right=0.7)
    found = board(tmp_path)
    assert not own(group(found, "Test"))
    rows = [row for row in found.rows if row.status == "unusable"]
    assert {row.folder for row in rows} == {first, second}
    assert all("claim the same run" in row.note for row in rows)


def test_two_runs_that_overlap_are_both_refused(tmp_path):
    store(tmp_path / "a", "mine", seeds=(0, 1))
    store(tmp_path / "b", "mine", seeds=(1, 2))
    assert [r.status for r in own(board(tmp_path))] == ["unusable", "unusable"]


def test_one_name_with_other_settings_is_told_apart_by_its_folder(tmp_path):
    first = store(tmp_path / "a", "mine", inputs="one")
    second = store(tmp_path / "b", "mine", inputs="two", right=0.7)
    names = {row.system for row in own(group(board(tmp_path), "Test"))}
    assert names == {f"mine ({first})", f"mine ({second})"}


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(MissingData, match="is not a folder"):
        board(tmp_path / "nowhere")


def test_a_backup_beside_the_seeds_is_told_by_every_verb(call, tmp_path):
    folder = store(tmp_path, "mine")
    shutil.copytree(folder / "seed0", folder / "seed0.bak")
    for verb in ("score", "compare"):
        code, _, err = call(verb, tmp_path)
        assert code == 2
        assert "holds seed0.bak. Expected seed<number> alone" in err
