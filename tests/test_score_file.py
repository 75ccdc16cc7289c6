"""affectbench score TASK FILE: predictions from any tool against labels, as on the command line."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from affectbench import TASKS
from affectbench.corpora.exvo import COUNTRY_CODES, EMOTIONS
from affectbench.errors import BadData
from affectbench.metrics import ccc_per_column, mae, s_mtl, uar
from affectbench.scoring import Scoring, group_reports, read_predictions, score_file
from affectbench.truth import read_truth

CLIPS, SPEAKERS = 120, 12


@pytest.fixture
def release(tmp_path):
    """A data_info.csv with test labels, and predictions of all its targets."""
    rng = np.random.default_rng(0)
    ids = [f"[{number:05d}]" for number in range(CLIPS)]
    speaker = np.arange(CLIPS) % SPEAKERS
    country, age = speaker % 4, 20.5 + speaker
    emotions = rng.random((CLIPS, 10)).round(4)
    info = {
        "File_ID": ids,
        "Split": ["Test"] * CLIPS,
        "Subject_ID": [f"Speaker_{s}" for s in speaker],
        "Country": country,
        "Age": age,
        **dict(zip(EMOTIONS, emotions.T, strict=True)),
    }
    pl.DataFrame(info).write_csv(tmp_path / "data_info.csv")
    said = (0.6 * emotions + 0.4 * rng.random((CLIPS, 10))).round(4)
    guessed = np.where(rng.random(CLIPS) < 0.6, country, (country + 1) % 4)
    years = (age + rng.normal(0, 3, CLIPS)).round(2)
    order = rng.permutation(CLIPS)
    table = pl.DataFrame(
        {"File_ID": ids, "Country": guessed, "Age": years}
        | dict(zip(EMOTIONS, said.T, strict=True))
    )
    table[order].write_csv(tmp_path / "ExVo-Multi_me_1.csv")
    table.drop("Country", "Age").write_csv(tmp_path / "mine.csv")
    expected = s_mtl(
        float(ccc_per_column(emotions, said).mean()), uar(country, guessed), mae(age, years)
    )
    return tmp_path, expected


def test_three_targets_make_one_score_and_show_their_parts(call, release):
    folder, expected = release
    file = folder / "ExVo-Multi_me_1.csv"
    command = ("score", "exvo-multitask", file, "--labels", folder / "data_info.csv")
    code, out, err = call(*command, "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    scores = told["scores"]["test"]
    assert scores["s_mtl.sound"]["value"] == pytest.approx(expected)
    assert set(scores["s_mtl.sound"]["outputs"]) == {"ccc.population", "uar.truth", "mae.mean"}
    assert scores["ccc.population"]["outputs"]["Awe"]["groups"] == SPEAKERS
    assert scores["s_mtl.official"]["value"] == pytest.approx(expected, abs=0.01)
    assert set(told["groups"]["test"]) == {"speaker", "country", "age"}
    code, out, _ = call(*command)
    assert "s_mtl.sound by country, test" in out
    assert "a model that ignores the country" in out
    code, out, _ = call(*command, "--no-groups", "--method", "percentile", "--draws", 50)
    assert "by country" not in out


def test_names_of_countries_are_codes_in_the_alphabet(release):
    folder, _ = release
    truth = read_truth(folder / "data_info.csv", TASKS["exvo-multitask"])
    assert truth["country"][0] == COUNTRY_CODES[0] == "China"


def test_support_clips_may_be_predicted_and_are_not_scored(call, release):
    folder, _ = release
    support = folder / "support.csv"
    support.write_text("File_ID\n[00000]\n[00001]\n")
    command = ("score", "exvo-fewshot", folder / "mine.csv", "--labels", folder / "data_info.csv")
    code, _, err = call(*command)
    assert code == 2
    assert "--support data_info.csv" in err
    code, out, _ = call(*command, "--support", support)
    assert f"({CLIPS - 2} clips" in out
    assert "2 support clips were predicted; they are not scored." in out


def test_groups_are_those_of_known_speakers(release):
    folder, _ = release
    task = TASKS["avb-high"]
    truth = read_truth(folder / "data_info.csv", task)
    tables, notes = read_predictions(folder / "mine.csv", task, truth)
    assert notes == []
    reports = group_reports([tables["test"]], task, Scoring(draws=50))
    assert [group.score.clips for group in reports["country"].groups] == [CLIPS // 4] * 4
    unknown = read_truth(folder / "data_info.csv", task).drop("age", "country")
    tables, _ = read_predictions(folder / "mine.csv", task, unknown)
    assert list(group_reports([tables["test"]], task, Scoring(draws=50))) == ["speaker"]


def test_a_file_that_lacks_clips_or_is_of_others_is_refused(call, release):
    folder, _ = release
    lines = (folder / "mine.csv").read_text().splitlines()
    (folder / "short.csv").write_text("\n".join(lines[:-3]) + "\n")
    labels = ("--labels", folder / "data_info.csv")
    code, _, err = call("score", "avb-high", folder / "short.csv", *labels)
    assert code == 2
    assert "3" in err
    assert "00119" in err
    foreign = [lines[0], *(line.replace("[00", "[99") for line in lines[1:])]
    (folder / "foreign.csv").write_text("\n".join(foreign) + "\n")
    code, _, err = call("score", "avb-high", folder / "foreign.csv", *labels)
    assert code == 2
    assert "none of its 120 clips is among the labels" in err
    code, _, err = call("score", "avb-high", folder / "mine.csv")
    assert code == 2
    assert "No --labels was given" in err
    truth = read_truth(folder / "data_info.csv", TASKS["avb-high"])
    with pytest.raises(BadData, match="No clip of dev"):
        score_file(folder / "mine.csv", TASKS["avb-high"], truth, part="dev")


def test_a_run_that_does_not_know_its_support_clips_is_refused(call, avb, tmp_path):
    run = ("run", "exvo-fewshot", "--system", "egemaps-svm", "--data", avb, "--out", tmp_path)
    code, _, err = call(*run)
    assert code == 2
    assert "no support clips are known" in err
