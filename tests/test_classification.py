import json
import math
from pathlib import Path

import audmetric
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, recall_score

from affectbench.metrics import METRICS, accuracy, uar

GOLDENS = Path(__file__).parents[1] / "../shared/goldens/metrics"
needs_goldens = pytest.mark.skipif(not GOLDENS.is_dir(), reason="no folder ../shared/goldens")

NAN = math.nan
CLASSIFICATION = [m for m in METRICS.values() if m.kind == "classification"]


def strings(labels):
    return np.array(labels, dtype=np.dtypes.StringDType())


def test_worked_oracles_of_uar():
    truth, prediction = [0, 0, 0, 0, 1, 1, 2, 2, 2, 3], [0, 0, 1, 0, 1, 2, 2, 2, 0, 1]
    assert uar(truth, prediction) == pytest.approx(0.4791667, abs=1e-7)
    assert uar(truth, prediction, variant="union") == pytest.approx(0.4791667, abs=1e-7)
    assert uar([0, 0, 1, 1], [0, 2, 1, 1]) == 0.75
    assert uar([0, 0, 1, 1], [0, 2, 1, 1], variant="union") == 0.5


@needs_goldens
def test_uar_union_equals_the_organisers_code():
    for case in json.loads((GOLDENS / "evalmetrics_uar.json").read_text())["cases"]:
        got = uar(case["y_true"], case["y_pred"], variant="union")
        assert got == pytest.approx(case["uar"], abs=1e-15)


def test_recall_per_class_says_which_classes_count():
    truth, prediction = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    by_truth = METRICS["uar.truth"].compute(truth, prediction, 4)
    by_union = METRICS["uar.union"].compute(truth, prediction, 4)
    assert np.array_equal(by_truth, [0.5, 1, NAN, NAN], equal_nan=True)
    assert np.array_equal(by_union, [0.5, 1, 0, NAN], equal_nan=True)


label_pairs = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=40
).map(np.array)


@settings(deadline=None)
@given(pairs=label_pairs, seed=st.integers(0, 99))
def test_uar_and_accuracy_agree_with_sklearn_whatever_the_order(pairs, seed):
    truth, prediction = np.random.default_rng(seed).permutation(pairs).T
    union = recall_score(truth, prediction, average="macro", zero_division=0)
    present = recall_score(
        truth, prediction, average="macro", labels=np.unique(truth), zero_division=0
    )
    assert uar(*pairs.T, variant="union") == pytest.approx(union, abs=1e-12)
    assert uar(*pairs.T, variant="truth") == pytest.approx(present, abs=1e-12)
    share = accuracy_score(truth, prediction)
    assert accuracy(*pairs.T) == pytest.approx(share, abs=1e-12)
    for metric, expected in zip(CLASSIFICATION, (present, union, share), strict=True):
        value = metric.combine(metric.compute(truth, prediction, 9))  # two classes never occur
        assert value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "of", [lambda a: a, lambda a: np.array(a, dtype=object), pd.Series, pl.Series, strings]
)
def test_labels_may_be_names_in_any_array(of):
    for measure in (uar, accuracy):
        assert measure(of(["Cry", "Gasp"]), of(["Cry", "Cry"])) == 0.5


def test_without_clips_nothing_is_defined():
    assert math.isnan(uar([], []))
    assert math.isnan(accuracy([], []))
    empty = np.array([], dtype=int)
    for metric in CLASSIFICATION:
        assert math.isnan(metric.combine(metric.compute(empty, empty, 3)))


def test_a_single_clip_is_right_or_wrong():
    assert uar(["Cry"], ["Cry"]) == 1
    assert uar(["Cry"], ["Gasp"]) == 0
    assert uar(["Cry"], ["Gasp"], variant="union") == 0
    assert accuracy(["Cry"], ["Cry"]) == 1
    assert accuracy(["Cry"], ["Gasp"]) == 0


def test_uar_agrees_with_audmetric():
    truth, prediction = np.random.default_rng(0).integers(8, size=(2, 300))
    expected = audmetric.unweighted_average_recall(truth, prediction)
    assert uar(truth, prediction) == pytest.approx(expected, abs=1e-12)
    assert accuracy(truth, prediction) == audmetric.accuracy(truth, prediction)


def test_the_shares_of_accuracy_sum_to_it_and_a_majority_wins_it():
    truth, prediction = np.array([0, 0, 0, 1, 2]), np.zeros(5, dtype=int)
    metric = METRICS["accuracy.share"]
    assert metric.compute(truth, prediction, 4).tolist() == [0.6, 0, 0, 0]
    assert accuracy(truth, prediction) == 0.6
    assert uar(truth, prediction) == pytest.approx(1 / 3)
