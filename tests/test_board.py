"""The board: what is ranked together, what is set apart, what is told, and what is not believed."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from affectbench import TASKS, published, results, splits
from affectbench.board import of_folder, of_task
from affectbench.board.printed import place_of
from affectbench.board.ranking import OTHER, OVERLAPS, RANKS, TWIN, UNKNOWN
from affectbench.board.stored import read
from affectbench.comparison import compare_paths
from affectbench.errors import BadData, MissingData
from affectbench.provenance import label_digest
from affectbench.scoring import score_system
from affectbench.types import Reading
from board_cases import CLIPS, FEW, TASK, change, group, own, store, truth


def board(out, **more):
    """The board of the small task with results."""
    return of_task(TASK, results=out, scoring=FEW, **more)


def titles(found):
    return [group.title for group in found.groups]


def by_name(found, system):
    (row,) = [row for row in found.rows if row.system == system]
    return row


# Published numbers


@pytest.mark.parametrize("name", TASKS)
def test_ranked_are_numbers_of_one_scale_and_part_each_system_once(name):
    task = TASKS[name]
    found = of_task(task)
    for each in found.groups:
        values = [row.value for row in each.rows]
        if not each.ranked:
            assert all(row.apart and row.place is None for row in each.rows)
            continue
        assert {row.split for row in each.rows} == {each.part}
        assert {row.scale for row in each.rows} == {task.metric.name}
        assert {row.status for row in each.rows} <= {"verified", "reported"}
        assert values == sorted(values, reverse=True)
        assert each.rows[0].place == 1
        systems = [(row.team, row.system) for row in each.rows]
        assert len(set(systems)) == len(systems)
        assert not any(row.apart for row in each.rows)
    assert all(row.source for row in found.rows)


@pytest.mark.parametrize("name", TASKS)
def test_no_published_number_is_lost(name):
    found = of_task(TASKS[name])
    shown = {
        (row.team, row.system, place) for row in found.rows for place in (row.source, *row.also)
    }
    cells = published.of_task(name)
    whole = [cell for cell in cells if not cell.output]
    assert {(cell.team, cell.system, place_of(cell)) for cell in whole} == shown
    if len(whole) < len(cells):
        count = f"{len(cells) - len(whole)} published numbers of single outputs"
        assert any(count in remark for remark in found.remarks)


def test_one_system_in_several_places_is_one_row_with_the_most_digits():
    row = by_name(group(of_task(TASKS["avb-high"]), "Test"), "End2You")
    assert (row.value, row.printed, row.status) == (0.5687, "0.5687", "verified")
    assert row.source == "arXiv:2207.03572, abstract"
    assert row.also[:2] == ("arXiv:2403.14048, Table 7", "arXiv:2403.14048, Table 9")
    assert len(row.also) == 3


def test_a_disputed_print_of_an_undisputed_number_is_no_row_of_its_own():
    found = of_task(TASKS["exvo-multitask"])
    rows = [row for row in found.rows if row.system == "multi-exit CNN, DRUW loss"]
    assert [(row.value, row.status, row.place) for row in rows] == [(0.394, "verified", 4)]


def test_numbers_of_two_scales_are_never_ranked_together():
    found = of_task(TASKS["exvo-generate"])
    assert [(row.value, row.place) for row in group(found, "Dev").rows] == [(0.174, 1)]
    apart = group(found, "Set apart, never ranked")
    assert {row.value for row in apart.rows} == {0.09, 0.119, 0.408}
    assert "another scale; disputed" in {row.apart for row in apart.rows}
    assert any(text.startswith("s_gen/table-8: ") for text in apart.remarks)


def test_disputed_damaged_and_unknown_parts_are_set_apart():
    apart = group(of_task(TASKS["emotion-share"]), "Set apart, never ranked")
    assert {(row.system, row.split): row.apart for row in apart.rows} == {
        ("wav2vec2 + SVR", "test"): "disputed",
        ("ComParE + SVR", "test"): "extraction-damaged",
        ("ComParE + SVR", "dev"): "disputed",
        ("ensemble of audio and text models", "unknown"): "another scale; part unknown; disputed",
    }


def test_damaged_digits_have_no_value():
    apart = group(of_task(TASKS["avb-two"]), "Set apart, never ranked")
    row = next(row for row in apart.rows if row.status == "extraction-damaged")
    assert (row.value, row.printed) == (None, ".49¢")


def test_the_reading_of_published_rows_is_told():
    (told,) = [text for text in of_task(TASKS["avb-high"]).remarks if text.startswith("Published")]
    assert "ccc.official or of an unknown reading" in told
    assert "beside ccc.population" in told


def test_a_part_alone():
    assert titles(of_task(TASKS["avb-high"], part="dev")) == ["Dev", "Set apart, never ranked"]
    with pytest.raises(BadData, match="Expected dev or test"):
        of_task(TASKS["avb-high"], part="train")


def test_open_data_has_own_rows_alone(tmp_path):
    assert of_task(TASKS["ravdess-emotion"]).groups == ()
    found = of_task(TASKS["ravdess-emotion"], results=tmp_path)
    assert found.remarks[-1] == f"{tmp_path} holds no results of ravdess-emotion."


# Own results


def test_results_of_the_released_clips_stand_among_the_published(tmp_path):
    store(tmp_path, "good", right=0.9, seeds=(1, 2, 3), fit_and_predict_s=2.0)
    store(tmp_path, "poor", right=0.1)
    found = board(tmp_path)
    assert titles(found) == ["Test", "Dev", "Set apart, never ranked"]
    test = group(found, "Test")
    places = [row.place for row in test.rows]
    assert places == list(range(1, len(test.rows) + 1))
    good, poor = by_name(test, "good"), by_name(test, "poor")
    assert good.place == 1
    assert good.low < good.value < good.high
    assert good.seeds == len(good.per_seed) == 3
    assert good.value == pytest.approx(sum(good.per_seed) / 3)
    assert good.spread > 0
    assert poor.spread is None
    assert (good.ranks, good.tied_first) == ((1, 1), True)
    assert (poor.ranks, poor.tied_first) == ((2, 2), False)
    assert RANKS in test.remarks
    assert any("jackknife" in text and "12 speakers" in text for text in test.remarks)
    assert "A note of the run." in found.remarks
    assert (good.cost.train_s, good.cost.parameters, good.cost.audio_per_s) == (2.0, 1002, None)
    assert all(row.ranks is None for row in test.rows if row.kind == "published")


def test_ranks_are_those_of_compare(tmp_path):
    for name, right in (("a", 0.8), ("b", 0.75), ("c", 0.2)):
        store(tmp_path, name, right=right)
    compared = compare_paths([tmp_path], task=None, part="test", scoring=FEW).comparisons
    rows = {row.system: row.ranks for row in own(group(board(tmp_path), "Test"))}
    assert rows == {s.system: (s.best, s.worst) for s in compared.standings}
    assert rows["a"] == (1, 2)  # tied


def test_a_published_value_in_an_own_interval_is_marked_and_not_tested(tmp_path):
    store(tmp_path, "mine", right=0.42)
    test = group(board(tmp_path), "Test")
    mine = by_name(test, "mine")
    for row in test.rows:
        inside = row.kind == "published" and mine.low <= row.value <= mine.high
        assert row.overlaps == (("mine",) if inside else ())
    assert any(row.overlaps for row in test.rows)
    assert OVERLAPS in test.remarks
    assert mine.ranks is None  # alone: nothing to compare with
    store(tmp_path, "mine2", right=1.0)
    assert OVERLAPS in group(board(tmp_path), "Test").remarks


@pytest.mark.parametrize(
    ("options", "title", "remark"),
    [
        ({"origin": "twin"}, "Test, twin of hume-vocalburst", TWIN),
        ({"origin": None}, "Test, data of unknown origin", UNKNOWN),
        ({"clips": 40}, "Test, 40 of 60 clips", OTHER),
    ],
)
def test_results_of_other_data_are_a_group_of_their_own(tmp_path, options, title, remark):
    store(tmp_path, "mine", **options)
    found = board(tmp_path)
    assert not own(group(found, "Test"))
    apart = group(found, title)
    assert [row.place for row in apart.rows] == [1]
    assert remark in apart.remarks
    assert apart.data
    assert group(found, title.replace("Test", "Dev"))


def test_a_result_that_lacks_clips_is_not_of_the_release(tmp_path):
    folder = store(tmp_path, "mine")
    path = folder / "seed0/test.parquet"
    table = pl.read_parquet(path)
    lost = pl.col("clip") == "test000"
    names = [name for name in table.columns if name.startswith(("prediction", "score"))]
    table = table.with_columns(*(pl.when(~lost).then(pl.col(name)).alias(name) for name in names))
    table.write_parquet(path)
    told = json.loads((folder / "seed0/result.json").read_text())["predictions"]
    change(folder / "seed0/result.json", predictions={**told, "test": results.content(table)})
    score_system(folder, TASK, FEW)
    found = board(tmp_path)
    assert "Test, all but 1 clips" in titles(found)
    assert own(group(found, "Dev"))


def test_each_data_has_a_group(tmp_path):
    store(tmp_path, "one", origin="twin", labels="a")
    store(tmp_path, "two", origin="twin", labels="b")
    found = of_task(TASK, results=tmp_path, part="test", scoring=FEW)
    mine = [each for each in found.groups if own(each)]
    assert len(mine) == 2
    assert len({each.title for each in mine}) == 2
    assert all(each.data[:8] in each.title for each in mine)


def test_a_blind_test_leaves_dev(tmp_path):
    store(tmp_path, "mine", blind=True)
    found = board(tmp_path)
    assert not own(group(found, "Test"))
    assert own(group(found, "Dev"))
    assert not [row for row in found.rows if row.status == "unusable"]


def test_an_undefined_value_comes_last_without_a_place(tmp_path):
    store(tmp_path, "mine")
    folder = store(tmp_path, "none", right=0.5)
    summary = json.loads((folder / "summary.json").read_text())
    summary["scores"]["test"]["uar.truth"] |= {"value": None, "low": None, "high": None}
    (folder / "summary.json").write_text(json.dumps(summary))
    readings = read(tmp_path, {}, "avb-type")  # scores as stored
    rows = group(of_task(TASK, results=readings, scoring=FEW), "Test").rows
    assert (rows[-1].system, rows[-1].value, rows[-1].place) == ("none", None, None)


def test_unknown_speakers_give_no_ranks(tmp_path):
    for name, right in (("a", 0.9), ("b", 0.1)):
        folder = store(tmp_path, name, right=right)
        for part in ("dev", "test"):
            path = folder / f"seed0/{part}.parquet"
            table = pl.read_parquet(path).with_columns(speaker=pl.lit(None, pl.String))
            assert results.content(table)
            table.write_parquet(path)
        score_system(folder, TASK, FEW)
    test = group(board(tmp_path), "Test")
    assert [row.ranks for row in own(test)] == [None, None]
    assert "No ranks among own systems: the speakers are unknown." in test.remarks


# The ceiling of a twin


@pytest.fixture
def twin(tmp_path):
    """A task whose corpus reads the clips of the stored results, and its folder."""
    root = tmp_path / "twin"
    root.mkdir()
    clips = pl.concat(
        truth(part).with_columns(part=pl.lit(part)) for part in ("train", "dev", "test")
    )
    task = replace(
        TASK,
        corpus=replace(TASK.corpus, read=lambda _root: Reading(clips)),
        split=replace(TASK.split, assign=lambda table: table["part"]),
    )
    digest = label_digest(task, splits.apply(task.split, clips))
    ceiling = {"avb-type": {"metric": "uar.truth", "dev": 0.7, "test": 0.75}}
    (root / "ceiling.json").write_text(json.dumps(ceiling))
    store(tmp_path / "out", origin="twin", labels=digest, data=str(root))
    return task, root, tmp_path / "out"


def ceilings(twin):
    task, _, out = twin
    found = of_task(task, results=out, scoring=FEW)
    return [each.ceiling for each in found.groups if own(each)]


def test_the_ceiling_of_a_twin_is_shown(twin):
    assert ceilings(twin) == [0.75, 0.7]


@pytest.mark.parametrize(
    "change_it",
    [
        shutil.rmtree,
        lambda root: (root / "ceiling.json").write_text("{"),
        lambda root: (root / "ceiling.json").write_text("[]"),
        lambda root: (root / "ceiling.json").write_text('{"avb-type": 1}'),
        lambda root: change(root / "ceiling.json", **{"avb-type": {"metric": "x", "test": 1}}),
        lambda root: change(root / "ceiling.json", **{"avb-type": {"metric": "uar.truth"}}),
    ],
    ids=["gone", "broken", "list", "number", "metric", "no part"],
)
def test_a_ceiling_that_is_not_known_is_none(twin, change_it):
    change_it(twin[1])
    assert ceilings(twin) == [None, None]


def test_a_ceiling_of_other_labels_is_none(twin):
    task, _, out = twin
    store(out, "other", origin="twin", labels="other labels", data=str(twin[1]))
    found = of_task(task, results=out, part="test", scoring=FEW)
    assert {row.system: each.ceiling for each in found.groups for row in own(each)} == {
        "mine": 0.75,
        "other": None,
    }


# All tasks of a folder


def test_a_folder_shows_own_rows_of_each_task_on_the_part_that_all_have(tmp_path):
    store(tmp_path, "mine", clips=30)
    store(tmp_path, "yours", clips=30, blind=True)
    store(tmp_path, "mine", task_name="avb-two")
    (tmp_path / "avb-two/mine/summary.json").unlink()
    (tmp_path / "avb-two/mine/seed0/empty").mkdir()
    second, first = of_folder(tmp_path, scoring=FEW)
    assert [row.kind for row in first.rows] == ["own", "own"]
    assert {each.part for each in first.groups} == {"dev"}
    assert first.remarks[0].startswith("uar.truth, ranked on dev")
    assert [row.status for row in second.rows] == ["unusable"]
    with pytest.raises(MissingData, match="holds no results"):
        of_folder(tmp_path / "avb-two/mine/seed0/empty")


def test_a_task_of_the_users_own_is_shown_as_stored(tmp_path):
    store(tmp_path, "a", right=0.2, task_name="my-task")
    store(tmp_path, "b", right=0.9, task_name="my-task")
    (found,) = of_folder(tmp_path)
    assert [row.system for row in found.groups[0].rows] == ["b", "a"]
    assert all(row.ranks is None for row in found.rows)
    assert "my-task is no task of this package" in found.remarks[0]


def test_readings_can_be_given_in_place_of_the_folder(tmp_path):
    store(tmp_path, "mine")
    readings = read(tmp_path, {"avb-type": TASK})
    assert board(readings) == board(tmp_path)
    assert Path(own(board(readings))[0].folder).is_dir()
    assert len(readings.stored[0].tables["test"][0]) == CLIPS
