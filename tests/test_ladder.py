"""The ladder: what is told, and that its step cannot be made small."""

from __future__ import annotations

from math import ceil, floor, isnan, nan

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectbench.errors import BadData
from affectbench.judging import verify
from affectbench.judging.ladder import improves, middling, rounded, step_of
from affectbench.scoring import Scoring
from affectbench.tasks import TASKS
from affectbench.truth import read_truth
from judging_cases import Organiser, write_labels

STEP = 0.05


@pytest.fixture
def office(tmp_path):
    return Organiser(tmp_path, step=STEP)


def test_improvements():
    assert improves(0.1, None, STEP)
    assert improves(0.2, 0.1, STEP)
    assert not improves(0.14, 0.1, STEP)
    assert not improves(0.1, 0.2, STEP)
    assert improves(0.1, 0.2, STEP, sign=-1)
    assert not improves(nan, None, STEP)
    assert not improves(nan, 0.1, STEP)


@given(st.floats(-2, 2), st.sampled_from([0.001, 0.013, 0.05, 0.3]))
def test_rounding_is_to_the_nearest_step(value, step):
    told = rounded(value, step)
    assert abs(told - value) <= step / 2 + 1e-9
    assert abs(told / step - round(told / step)) < 1e-6
    assert rounded(value, step, floor) - 1e-5 <= value <= rounded(value, step, ceil) + 1e-5
    assert rounded(step * 7, step, floor) == rounded(step * 7, step, ceil)
    assert isnan(rounded(nan, step))


@given(st.lists(st.floats(0, 1), max_size=60))
def test_few_things_are_ever_told(values):
    """At most one value for each step between the worst and the best."""
    best, told = None, []
    for value in values:
        if improves(value, best, STEP):
            best = rounded(value, STEP)
            told.append(best)
    assert len(told) <= 1 / STEP + 1
    assert told == sorted(told)


def test_only_improvements_are_told(office):
    poor = office.judge("Tokyo", noise=0.6).entry
    alike = office.judge("Tokyo", noise=0.597).entry
    good = office.judge("Tokyo", noise=0.1).entry
    worse = office.judge("Tokyo", noise=0.5).entry
    key = "ccc.population"
    assert [e["ladder"]["improved"] for e in (poor, alike, good, worse)] == [True, False] * 2
    assert alike["scores"] == poor["scores"]
    assert worse["scores"] == good["scores"]
    assert good["scores"][key]["value"] > poor["scores"][key]["value"]
    assert good["ladder"]["before"] == poor["scores"][key]["value"]
    assert set(good["scores"]) == {key}
    told = good["scores"][key]
    assert "outputs" not in told
    assert "undefined" not in told
    for name in ("value", "low", "high"):
        assert rounded(told[name], STEP) == told[name]
    assert told["low"] < told["high"]
    assert told["low"] <= told["value"] <= told["high"]
    assert office.judge("Osaka", noise=0.6).entry["ladder"]["before"] is None
    assert worse["attempt"] == 4


def test_the_card_says_so(office):
    office.judge("Tokyo", noise=0.2)
    judged = office.judge("Tokyo", seed=2, noise=0.2)
    text = judged.card.with_suffix(".txt").read_text()
    assert "No significant improvement" in text


def test_cards_of_a_ladder_are_scored_again(office):
    for noise in (0.4, 0.39, 0.1):
        judged = office.judge("Tokyo", noise=noise)
        verdict = verify(
            [judged.card],
            fingerprint=office.fingerprint,
            bundle=office.bundle,
            key=office.key,
            submission=office.files["Tokyo"],
        )
        assert verdict.holds, verdict


@pytest.mark.parametrize("name", ["avb-two", "avb-type"])
def test_auto_is_half_an_interval_and_the_same_each_time(name):
    task = TASKS[name]
    rng = np.random.default_rng(3)
    speakers = [f"S{i % 40}" for i in range(800)]
    columns = {"clip": [str(i) for i in range(800)], "speaker": speakers}
    for target in task.targets:
        for column in target.columns:
            drawn = rng.uniform(size=800)
            index = (drawn * len(target.classes)).astype(int)
            columns[column] = [target.classes[i] for i in index] if target.classes else drawn
    truth = pl.DataFrame(columns)
    step = step_of(truth, task, Scoring(draws=300))
    assert step == step_of(truth, task, Scoring(draws=300))
    assert 0.01 < step < 0.1
    few = step_of(truth.head(200), task, Scoring(draws=300))
    assert few > step
    made = middling(truth, task, "speaker", seed=0)
    assert made["clip"].to_list() == truth["clip"].to_list()


def test_auto_needs_groups(tmp_path):
    truth = read_truth(write_labels(tmp_path / "labels.csv", speakers=False), TASKS["avb-two"])
    with pytest.raises(BadData, match="Name a step"):
        step_of(truth, TASKS["avb-two"], Scoring(draws=50))
