"""Which rows of the paper can be run: all are there, with the system that is the recipe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from affectbench import CORPORA, SYSTEMS, TASKS, reproduction
from affectbench.errors import MissingData
from affectbench.published import PUBLISHED
from affectbench.reproduction import MARKERS, PAPER, RECIPES, STATES, between, coverage, put_into

README = Path(__file__).parents[1] / "README.md"
BLIND = "blind (needs the organiser)"


def row_of(table, task, system, rows=None):
    (row,) = [
        row
        for row in rows or coverage()
        if (row.table, row.task, row.system) == (table, task, system)
    ]
    return row


def test_every_cell_of_the_tables_is_in_a_row():
    rows = {(row.table, row.task, row.system, row.team): row for row in coverage()}
    cells = [cell for cell in PUBLISHED if cell.source == PAPER]
    assert {(c.table, c.task, c.system, c.team) for c in cells} == set(rows)
    assert [row.table for row in rows.values()] == sorted(
        (row.table for row in rows.values()), key=lambda name: (int(name[6:].rstrip("abc")), name)
    )
    for cell in cells:
        row = rows[cell.table, cell.task, cell.system, cell.team]
        assert (row.dev if cell.split == "dev" else row.test) in STATES
    for key, row in rows.items():
        parts = {cell.split for cell in cells if key[:3] == (cell.table, cell.task, cell.system)}
        assert (row.dev is None) == ("dev" not in parts)
        assert (row.test is None) == ("test" not in parts)


def test_recipes_are_rows_of_both_tables():
    printed = {(cell.table, cell.system) for cell in PUBLISHED if cell.source == PAPER}
    assert set(RECIPES) <= printed
    for name, mode in RECIPES.values():
        assert mode in SYSTEMS[name].modes


def test_a_row_without_a_recipe_is_not_there_yet():
    row = row_of("Table 9", "avb-high", "task attention, uncertainty weights")
    assert (row.dev, row.test, row.recipe, row.command) == (None, "not yet", "", "")


def test_a_recipe_waits_for_data_and_its_test_for_the_organiser():
    row = row_of("Table 7", "avb-high", "ComParE + MLP")
    assert (row.dev, row.test) == ("runs when data is there", BLIND)
    assert row.command == "affectbench run avb-high --system compare-mlp --mode official --data DIR"
    rows = coverage(["hume-vocalburst"])
    assert row_of("Table 7", "avb-high", "ComParE + MLP", rows).dev == "runs"
    assert row_of("Table 7", "avb-high", "ComParE + MLP", rows).test == BLIND


def test_a_test_whose_labels_were_released_runs(monkeypatch):
    key = ("Table 10", "HuBERT + logistic regression")
    monkeypatch.setitem(RECIPES, key, ("egemaps-svm", "sound"))
    row = row_of(key[0], "sonata-emotion", key[1], coverage(["modulate-sonata"]))
    assert (row.dev, row.test) == ("runs", "runs")
    assert row.command == "affectbench run sonata-emotion --system egemaps-svm --data DIR"
    assert CORPORA["modulate-sonata"].read_labels is None


def test_data_is_found_and_twins_are_not_data(tmp_path):
    assert reproduction.found(None) == ()
    assert reproduction.found(tmp_path) == ()
    for name in ("hume-prosody", "hume-vocalburst", "no-corpus"):
        (tmp_path / name).mkdir()
    (tmp_path / "hume-prosody/TWIN.md").touch()
    assert reproduction.found(tmp_path) == ("hume-vocalburst",)


def test_the_markdown_has_a_line_a_row():
    lines = reproduction.markdown().splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + len(coverage())
    assert {line.count("|") for line in table} == {7}
    told = {name for line in table for name in TASKS if f"`{name}`" in line}
    assert told == {row.task for row in coverage()}
    for state in {state for row in coverage() for state in (row.dev, row.test) if state}:
        assert f"- {state}: {STATES[state]}." in lines


def test_the_readme_has_the_list_that_the_tables_give():
    text = README.read_text(encoding="utf-8")
    if MARKERS[0] not in text:
        pytest.skip("README.md has no coverage table yet")
    assert between(text) == reproduction.markdown(), (
        "python -m affectbench.reproduction README.md writes it"
    )


def test_the_list_is_put_between_the_markers():
    text = f"before\n{MARKERS[0]}\nold\n{MARKERS[1]}\nafter\n"
    new = put_into(text)
    assert new.startswith("before\n")
    assert new.endswith("\nafter\n")
    assert between(new) == reproduction.markdown()
    assert put_into(new) == new
    assert between("none") is None
    with pytest.raises(MissingData, match="No markers"):
        put_into("none")


def test_the_command_lists(call, tmp_path, monkeypatch):
    code, out, err = call("reproduce", "--list")
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert "dev: runs when data is there" in out
    assert "runs (0 of " in out
    monkeypatch.setenv("AFFECTBENCH_DATA", str(tmp_path))
    (tmp_path / "hume-vocalburst").mkdir()
    told = json.loads(call("reproduce", "--list", "--json")[1])
    assert len(told) == len(coverage())
    there = [row["dev"] for row in told if row["recipe"] and row["task"].startswith("avb")]
    assert set(there) == {"runs", None}  # Table 9 prints no dev
    assert call("reproduce", "--list", "--markdown")[1] == reproduction.markdown()


@pytest.mark.parametrize(
    ("flags", "message"), [((), "or --list"), (("--list", "--json", "--markdown"), "one of")]
)
def test_wrong_calls_are_told(call, flags, message):
    code, out, err = call("reproduce", *flags)
    assert (code, out) == (2, "")
    assert message in err
