"""What holds for every row of the table, mean absolute error, and wrong calls."""

import json
import math
from pathlib import Path

import audmetric
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import mean_absolute_error

from affectbench.errors import BadData, UnknownName
from affectbench.metrics import (
    METRICS,
    accuracy,
    ccc,
    mae,
    mae_per_column,
    pearson_per_column,
    spearman,
    spearman_per_column,
    uar,
)

GOLDENS = Path(__file__).parents[1] / "../shared/goldens/metrics"
needs_goldens = pytest.mark.skipif(not GOLDENS.is_dir(), reason="no folder ../shared/goldens")

NAN, INF = math.nan, math.inf
REGRESSION = [m for m in METRICS.values() if m.kind == "regression"]
regression = pytest.mark.parametrize("metric", REGRESSION, ids=lambda metric: metric.key)

# ------------------------------------------------------------------------------------------------
# Every metric of regression
# ------------------------------------------------------------------------------------------------


@regression
def test_without_pairs_nothing_is_defined(metric):
    for truth in (np.empty((0, 2)), np.full((3, 2), NAN)):
        assert np.isnan(metric.compute(truth, truth, 2)).all()
    counts = np.array([[1, 0], [0, 1]])
    got = metric.resampled(np.empty((0, 2)), np.empty((0, 2)), np.array([], int), counts, 2)
    assert got.shape == (2, 2)
    assert np.isnan(got).all()


@regression
def test_a_column_that_is_undefined_makes_the_mean_undefined(metric):
    truth = np.array([[0.0, NAN], [1.0, 1.0], [2.0, NAN]])
    prediction = np.array([[0.5, 1.0], [1.0, NAN], [2.0, 1.0]])
    values = metric.compute(truth, prediction, 2)
    assert not math.isnan(values[0])
    assert math.isnan(values[1])
    assert math.isnan(metric.combine(values))
    many = np.array([values, [0.25, 0.75]])
    assert np.array_equal(metric.combine(many), [NAN, 0.5], equal_nan=True)


@regression
def test_neither_input_is_changed(metric):
    truth, prediction = np.random.default_rng(0).random((2, 30, 2))
    truth[3, 1] = NAN
    copies = truth.copy(), prediction.copy()
    metric.resampled(truth, prediction, np.arange(30) % 5, np.ones((4, 5), np.uint8), 2)
    assert np.array_equal(truth, copies[0], equal_nan=True)
    assert np.array_equal(prediction, copies[1])


@regression
def test_a_constant_prediction_is_worth_nothing(metric):
    value = float(metric.compute(np.arange(5.0), np.full(5, 2.0), 1)[0])
    expected = {"ccc": 0.0, "spearman": NAN, "pearson": NAN, "mae": 1.2}[metric.name]
    assert value == pytest.approx(expected, nan_ok=True)


# ------------------------------------------------------------------------------------------------
# Mean absolute error
# ------------------------------------------------------------------------------------------------

pairs_of = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 30), st.just(2)),
    elements=st.floats(-1e6, 1e6) | st.just(NAN),
)


@settings(deadline=None)
@given(pairs=pairs_of, seed=st.integers(0, 99))
def test_mae_equals_sklearn_whatever_the_order(pairs, seed):
    known = pairs[~np.isnan(pairs).any(axis=1)]
    expected = mean_absolute_error(*known.T) if len(known) else NAN
    truth, prediction = np.random.default_rng(seed).permutation(pairs).T
    assert mae(truth, prediction) == pytest.approx(expected, rel=1e-12, nan_ok=True)
    assert mae(prediction, truth) == pytest.approx(mae(truth, prediction), rel=0, nan_ok=True)


def test_mae_agrees_with_audmetric():
    truth, prediction = np.random.default_rng(0).random((2, 100))
    expected = audmetric.mean_absolute_error(truth, prediction)
    assert mae(truth, prediction) == pytest.approx(expected, rel=1e-13)


@needs_goldens
def test_mae_equals_the_organisers_code():
    for case in json.loads((GOLDENS / "evalmetrics_mae.json").read_text())["cases"]:
        prediction = np.array(case["y_pred_f32"], dtype=np.float32)
        assert mae(case["y_true"], prediction) == pytest.approx(case["mae"], rel=1e-14)


def test_mae_of_one_pair_of_none_and_of_an_infinite_one():
    assert mae([1.0], [3.5]) == 2.5
    assert mae([0.1, NAN, 0.3], [0.1, 9.0, NAN]) == 0
    assert math.isnan(mae([], []))
    assert math.isnan(mae([1.0, NAN], [NAN, 1.0]))
    assert math.isnan(mae([1.0, 2.0], [1.0, INF]))
    assert math.isnan(mae([1.0, INF], [1.0, INF]))
    assert mae([2.0**40, 2.0**40 + 1], [2.0**40 + 0.5, 2.0**40]) == 0.75


def test_mae_per_column():
    truth, prediction = np.array([[1.0, NAN], [2.0, 5.0]]), np.array([[2.0, 1.0], [2.0, 1.0]])
    assert mae_per_column(truth, prediction).tolist() == [0.5, 4]


# ------------------------------------------------------------------------------------------------
# The table, what may be handed in, and wrong calls
# ------------------------------------------------------------------------------------------------


def test_the_table_holds_the_readings_by_key():
    keys = set(METRICS)
    assert keys >= {
        *("ccc.population", "ccc.sample", "ccc.official", "spearman.mean", "spearman.official"),
        *("pearson.mean", "mae.mean", "uar.truth", "uar.union", "accuracy.share"),
        *("s_mtl.sound", "s_mtl.official"),
    }
    assert all(METRICS[key].key == key for key in keys)


@pytest.mark.parametrize(
    "of", [list, np.float32, pl.Series, lambda a: np.array([*a[:3], None], dtype=object)]
)
def test_values_come_in_any_array(of):
    truth, prediction = of([1.0, 2.0, 4.0, NAN]), of([2.0, 2.5, 3.0, NAN])
    assert ccc(truth, prediction) == ccc([1, 2, 4], [2, 2.5, 3])
    assert spearman(truth, prediction) == 1
    assert mae(truth, prediction) == pytest.approx(2.5 / 3)


def test_what_a_masked_array_hides_is_missing():
    truth = np.ma.masked_array([1.0, 2.0, 4.0, 9.0], mask=[False, False, False, True])
    assert mae(truth, [1.0, 2.0, 3.0, 0.0]) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: ccc([1, 2, 3], [1, 2]), r"\(3,\).*\(2,\)"),
        (lambda: ccc([[1, 2], [3, 4]], [[1, 2], [3, 4]]), "ccc_per_column"),
        (lambda: mae(np.ones((3, 1)), np.ones(3)), "mae_per_column"),
        (lambda: spearman_per_column(np.ones((4, 2)), np.ones((4, 3))), r"\(4, 2\).*\(4, 3\)"),
        (lambda: spearman_per_column(np.ones((4, 2, 1)), np.ones((4, 2, 1))), r"\[N, C\]"),
        (lambda: pearson_per_column(np.ones((4, 0)), np.ones((4, 0))), r"\(4, 0\).*\[N, C\]"),
        (lambda: ccc(0.5, 0.5), r"\(\)"),
        (lambda: METRICS["ccc.sample"].compute(np.ones((4, 2)), np.ones((4, 2)), 3), r"\[N, 3\]"),
        (lambda: ccc(["high", "low"], [1, 2]), "truth is no array of numbers"),
        (lambda: mae([1, 2], ["1", "2"]), "prediction is no array of numbers"),
        (lambda: spearman([[1, 2], [3]], [1, 2]), "rows of one length"),
        (lambda: mae([1j, 2], [1, 2]), "no array of numbers"),
        (lambda: spearman(np.array(["2022-01-01"], dtype="M8[D]"), [1]), "no array of numbers"),
        (lambda: uar([0, 1], [0]), "2 true labels and 1 predicted"),
        (lambda: uar(["Cry", "Gasp"], [0, 1]), "labels of one kind"),
        (lambda: uar(["Cry", None], ["Cry", "Cry"]), "lacks 1 labels"),
        (lambda: accuracy(["Cry", "Cry"], ["Cry", NAN]), "prediction lacks 1"),
        (lambda: uar([0.0, 1.0], [0, 1]), "float64"),
        (lambda: uar([0, NAN], [0, 1]), "truth lacks 1"),
        (lambda: uar(np.array([0.0, NAN]), [0, 1]), "float64"),
        (lambda: uar([[0, 1]], [[0, 1]]), "vector"),
        (lambda: METRICS["uar.truth"].compute(np.array([0, 3]), np.array([0, 1]), 3), "3.*0..2"),
        (lambda: METRICS["uar.truth"].compute(np.array([0, 1]), np.array([0, -1]), 3), "-1"),
        (lambda: METRICS["uar.truth"].compute(np.ones(2), np.ones(2), 3), "integer"),
    ],
)
def test_a_wrong_call_is_told_what_was_found_and_expected(call, said):
    with pytest.raises(BadData, match=said):
        call()


def test_an_unknown_variant_is_told_which_there_are():
    with pytest.raises(UnknownName, match="population, sample, official"):
        ccc([0, 1], [0, 1], variant="lin")
    with pytest.raises(UnknownName, match="truth, union"):
        uar([0, 1], [0, 1], variant="macro")
