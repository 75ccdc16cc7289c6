"""Systems on the same clips: stored results and files, aligned by clip, or refused."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from affectbench import TASKS
from affectbench.comparison import compare_paths, compare_tables
from affectbench.corpora.hume_vocalburst import TYPE
from affectbench.errors import AffectBenchError, BadData, MissingData
from affectbench.scoring import Scoring

TASK = TASKS["avb-type"]
FEW = Scoring(draws=500)


def predictions(right: float, *, seed: int = 0, clips: int = 240, speakers: int = 24):
    """A table in which that share of the clips is right."""
    rng = np.random.default_rng(0)
    truth = rng.choice(TYPE.classes, clips)
    mine = np.random.default_rng(seed)
    hit = mine.random(clips) < right
    return pl.DataFrame(
        {
            "clip": [f"{number:05d}" for number in range(clips)],
            "speaker": [f"Speaker_{number % speakers}" for number in range(clips)],
            "truth.Voc_Type": truth,
            "prediction.Voc_Type": np.where(hit, truth, mine.choice(TYPE.classes, clips)),
        }
    )


@pytest.fixture
def files(tmp_path):
    """Labels, and files of two systems that predict them."""
    table = predictions(0.9)
    table.select(
        pl.format("[{}]", "clip").alias("File_ID"),
        pl.lit("Test").alias("Split"),
        pl.col("speaker").alias("Subject_ID"),
        pl.col("truth.Voc_Type").alias("Voc_Type"),
    ).write_csv(tmp_path / "labels.csv")
    for name, right in (("good", 0.9), ("poor", 0.5)):
        predictions(right, seed=1).select(
            pl.format("[{}]", "clip").alias("File_ID"),
            pl.col("prediction.Voc_Type").alias("Voc_Type"),
        ).write_csv(tmp_path / f"{name}.csv")
    return tmp_path


def test_a_real_difference_is_told_from_none():
    better, same, worse = (
        predictions(0.9, seed=5),
        predictions(0.9, seed=6),
        predictions(0.4, seed=1),
    )
    systems = {"worse": [worse], "better": [better], "same": [same, same]}
    found = compare_tables(systems, TASK, "test", FEW)
    assert [s.system for s in found.comparisons.standings][-1] == "worse"
    ranks = {s.system: (s.best, s.worst) for s in found.comparisons.standings}
    assert ranks == {"better": (1, 2), "same": (1, 2), "worse": (3, 3)}
    assert (found.metric, found.clips, found.part) == ("uar.truth", 240, "test")
    pairs = {(p.first, p.second): p for p in found.comparisons.pairs}
    assert all(p.significant == ("worse" in names) for names, p in pairs.items())


def test_the_order_of_rows_does_not_matter():
    one, two = predictions(0.9), predictions(0.6, seed=1)
    straight = compare_tables({"a": [one], "b": [two]}, TASK, "dev", FEW)
    turned = compare_tables({"a": [one.reverse()], "b": [two]}, TASK, "dev", FEW)
    assert straight == turned


def test_other_clips_or_labels_are_refused():
    one, two = predictions(0.9), predictions(0.6, seed=1)
    with pytest.raises(BadData, match="b has no prediction for 2 clips of a: 00000, 00001"):
        compare_tables({"a": [one], "b": [two[2:]]}, TASK, "dev", FEW)
    wrong = two.with_columns(pl.lit("Cry").alias("truth.Voc_Type"))
    with pytest.raises(BadData, match="labels that differ in"):
        compare_tables({"a": [one], "b": [wrong]}, TASK, "dev", FEW)
    with pytest.raises(BadData, match="labels that differ in"):
        compare_tables({"a": [one, wrong], "b": [two]}, TASK, "dev", FEW)


def test_files_are_compared_on_the_command_line(call, files):
    command = (
        *("compare", files / "poor.csv", files / "good.csv", "--task", "avb-type"),
        *("--labels", files / "labels.csv", "--draws", 500),
    )
    code, out, err = call(*command)
    assert (code, err) == (0, "")
    assert "24 speakers" in out
    assert out.index("good") < out.index("poor")
    assert "*" in out
    code, out, _ = call(*command, "--json")
    told = json.loads(out)
    assert told["comparisons"]["pairs"][0]["first"] == "good"
    assert told["comparisons"]["pairs"][0]["comparison"]["p"] < 0.01


def test_results_of_a_folder_are_compared(call, avb, tmp_path):
    system = tmp_path / "mine.py"
    system.write_text(
        "import numpy as np\n"
        "from sklearn.dummy import DummyClassifier\n"
        "from affectbench import FeatureSet, from_sklearn\n"
        "F = FeatureSet(name='f', title='f', dim=1, names=lambda: ('n',), open=lambda: lambda w:"
        " np.array([len(w)], np.float32), identity=lambda: {'version': '1'})\n"
        "A = from_sklearn('a', F, DummyClassifier(strategy='uniform', random_state=0))\n"
        "B = from_sklearn('b', F, DummyClassifier(strategy='most_frequent'))\n"
    )
    for name in "AB":
        code, _, err = call(
            *("run", "avb-type", "--system", f"{system}:{name}", "--data", avb),
            *("--out", tmp_path / "out", "--draws", 50, "--workers", 1),
        )
        assert (code, err) == (0, "")
    code, out, err = call("compare", tmp_path / "out", "--draws", 200)
    assert (code, err) == (0, "")
    assert "dev  (48 clips, 6 speakers)" in out
    code, _, err = call("compare", tmp_path / "out", "--part", "test")
    assert code == 2
    assert "affectbench score RESULTS --labels" in err


def test_a_wrong_call_says_what_is_missing(files, tmp_path):
    good = files / "good.csv"
    with pytest.raises(MissingData, match="--task and --labels"):
        compare_paths([good, files / "poor.csv"])
    with pytest.raises(MissingData, match="holds no results"):
        compare_paths([tmp_path])
    from affectbench.truth import read_truth

    truth = read_truth(files / "labels.csv", TASK)
    with pytest.raises(AffectBenchError, match="Found 1 system"):
        compare_paths([good], task=TASK, truth=truth)
