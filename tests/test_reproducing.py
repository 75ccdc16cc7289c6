"""A table of the paper made again: every printed number has a measured one, or a reason."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from affectbench import SYSTEMS, TASKS, Scoring, reproducing, reproduction
from affectbench.errors import MissingData, UnknownName
from affectbench.features.stand_ins import stand_in_of
from affectbench.published import PUBLISHED
from affectbench.reproducing import reproduce, tables
from affectbench.reproduction import PAPER
from affectbench.store import TWIN_MARK

FAST = Scoring(draws=50)
ROW = ("Table 7", "ComParE + MLP")
FLOOR = ("duration-only", "sound")  # in place of a network: the same way through, in no time


PUBLISHED_HIGH = next(
    c
    for c in PUBLISHED
    if (c.table, c.system, c.task, c.split) == (*ROW, "avb-high", "dev") and c.source == PAPER
)


@pytest.fixture
def floors(monkeypatch):
    """Table 7 with a floor as the recipe of its feature row, and none for the other."""
    monkeypatch.setitem(reproduction.RECIPES, ROW, FLOOR)
    monkeypatch.delitem(reproduction.RECIPES, ("Table 7", "End2You"), raising=False)


def test_tables_by_name():
    assert tables()[:3] == ("table5", "table6a", "table6b")
    assert reproducing.task_of("Table 6a") == "exvo-multitask"
    with pytest.raises(UnknownName, match="table5, table6a"):
        reproducing.task_of("table4")
    with pytest.raises(MissingData, match="is not a folder"):
        reproduce("table5", data="no-such-folder")


def test_a_table_has_all_its_cells_and_says_what_cannot_be_compared(floors, avb, tmp_path):
    cells = reproduce("table7", data=avb, out=tmp_path, scoring=FAST, workers=1)
    printed = [c for c in reproduction.PUBLISHED if c.table == "Table 7"]
    assert [(c.task, c.system, c.part, c.printed) for c in cells] == [
        (c.task, c.system, c.split, c.printed)
        for row in reproduction.coverage()
        if row.table == "Table 7"
        for c in printed
        if (c.task, c.system) == (row.task, row.system)
    ]
    for cell in cells:
        if cell.system == "End2You":
            assert (cell.verdict, cell.reason) == ("not run", reproducing.NO_RECIPE)
        else:
            assert cell.verdict == "not compared"
            assert "clips, not the released clips" in cell.reason
            assert (cell.measured is None) == (cell.part == "test")  # blind
    high = next(c for c in cells if (c.task, c.part) == ("avb-high", "dev"))
    assert high.metric == "ccc.official"
    assert high.low < high.measured < high.high
    assert (tmp_path / "avb-high/duration-only/summary.json").is_file()


def test_released_clips_are_compared(floors, avb, tmp_path, monkeypatch):
    monkeypatch.setattr(reproducing, "other_data", lambda found, task, part: "")
    cells = reproduce("table7", data=avb, out=tmp_path, scoring=FAST, workers=1)
    found = {(c.task, c.part): c for c in cells if c.system == "ComParE + MLP"}
    assert found["avb-high", "dev"].verdict == "outside"
    assert found["avb-high", "test"].reason == reproducing.BLIND
    assert "the third digit is lost" in found["avb-two", "dev"].reason  # printed .49 and a scar
    assert found["avb-high", "dev"] in reproducing.failed(cells)
    high = found["avb-high", "dev"]
    near = replace(PUBLISHED_HIGH, value=high.measured, printed=f"{high.measured:.3f}")
    monkeypatch.setattr(reproducing, "PUBLISHED", (near,))
    again = reproduce("table7", data=avb, out=tmp_path, scoring=FAST, workers=1)
    assert [(c.task, c.verdict) for c in again] == [("avb-high", "inside")]


def test_a_twin_is_never_compared_and_its_ceiling_stands_beside(floors, avb, tmp_path, call):
    (avb / TWIN_MARK).write_text("a twin")
    bound = {"metric": "uar.truth", "dev": 0.75, "test": 0.8}
    (avb / "ceiling.json").write_text(json.dumps({"avb-type": bound}))
    command = ("reproduce", "table7", "--data", avb, "--out", tmp_path, "--workers", "1")
    code, out, _ = call(*command, "--json", "--draws", "50")
    assert code == 0
    cells = {(c["task"], c["system"], c["part"]): c for c in json.loads(out)}
    typed = cells["avb-type", "ComParE + MLP", "dev"]
    assert typed["ceiling"] == 0.75
    assert typed["reason"] == "twin of hume-vocalburst, not the released clips"
    code, out, _ = call(*command, "--quiet", "--draws", "50")
    assert code == 0
    assert "Table 7, avb-type: ComParE + MLP (duration-only, sound)" in out
    assert "0.750" in out
    assert "not compared (1)" in out
    assert "(1) twin of hume-vocalburst" in out
    assert call("reproduce")[0] == 2
    assert call("reproduce", "table7", "--list")[0] == 2


def test_a_row_whose_model_is_not_here_says_how_to_bring_it(monkeypatch, avb, tmp_path):
    monkeypatch.setitem(reproduction.RECIPES, ROW, ("w2v2-logreg", "sound"))
    monkeypatch.delitem(reproduction.RECIPES, ("Table 7", "End2You"), raising=False)
    cells = reproduce("table7", data=avb, out=tmp_path, scoring=FAST, workers=1)
    missing = [c for c in cells if c.system == "ComParE + MLP"]
    assert {c.verdict for c in missing} == {"not run"}
    assert "affectbench get w2v2-base-960h" in missing[0].reason
    assert not list(tmp_path.rglob("result.json"))


def test_stand_ins_replace_every_pretrained_model_and_nothing_else():
    replaced = stand_in_of(SYSTEMS["w2v2-logreg"].features)
    assert replaced.facts["stand_in"]
    assert replaced.name == "w2v2-base-960h-stand-in"
    joined = stand_in_of(SYSTEMS["early-fusion"].features)
    assert [part.name for part in joined.parts] == [
        "w2v2-base-960h-stand-in",
        "hubert-base-ls960-stand-in",
    ]
    assert stand_in_of(SYSTEMS["egemaps-svm"].features) is None


def test_every_recipe_of_the_paper_is_a_system_with_its_mode():
    for (table, system), (name, mode) in reproduction.RECIPES.items():
        assert name in SYSTEMS, (table, system)
        assert mode in SYSTEMS[name].modes
        for member in SYSTEMS[name].members:
            assert member in SYSTEMS
    assert TASKS["emotion-share"].metric.key == "spearman.mean"
