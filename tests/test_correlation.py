import csv
import json
import math
from pathlib import Path

import audmetric
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import pearsonr, spearmanr

from affectbench.errors import BadData, UnknownName
from affectbench.metrics import (
    METRICS,
    mean_spearman,
    pearson,
    pearson_per_column,
    published_bounds,
    spearman,
    spearman_per_column,
)

GOLDENS = Path(__file__).parents[1] / "../shared/goldens/emotion-share"
needs_goldens = pytest.mark.skipif(not GOLDENS.is_dir(), reason="no folder ../shared/goldens")

NAN, INF = math.nan, math.inf
BOTH = {"spearman": spearman, "pearson": pearson}

# few values, so that most of them tie; huge ones and -0.0 among them
ties = st.sampled_from([-1e9, -1.0, -0.0, 0.0, 0.5, 1.0, 2.0, 1e9])
anything = st.floats(-1e3, 1e3).map(lambda value: round(value, 3))
elements = ties | anything | st.just(NAN)
pairs_of = hnp.arrays(np.float64, st.tuples(st.integers(1, 30), st.just(2)), elements=elements)


def kept(pairs):
    """The pairs without NaN, and whether a correlation is defined on them."""
    pairs = pairs[~np.isnan(pairs).any(axis=1)]
    return pairs, len(pairs) >= 2 and bool((np.ptp(pairs, axis=0) > 0).all())


def scipys(pairs):
    """SciPy's Spearman of the pairs without NaN; it warns of what it calls undefined."""
    known, defined = kept(pairs)
    return float(spearmanr(*known.T).statistic) if defined else NAN


def same(got, expected):
    return np.array_equal(got, expected, equal_nan=True)


# ------------------------------------------------------------------------------------------------
# One column
# ------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(pairs=pairs_of)
def test_spearman_equals_scipy_to_the_last_bit(pairs):
    assert same(spearman(*pairs.T), scipys(pairs))


@settings(deadline=None)
@given(pairs=hnp.arrays(np.float64, (12, 2), elements=st.sampled_from([-INF, 0.0, 1.0, INF])))
def test_infinity_has_a_rank(pairs):
    constant = (pairs == pairs[0]).all(axis=0).any()
    assert same(spearman(*pairs.T), NAN if constant else spearmanr(*pairs.T).statistic)


@pytest.mark.parametrize("n", [2, 3, 100, 10_143, 60_000])
def test_spearman_equals_scipy_at_any_size(n):
    rng = np.random.default_rng(n)
    truth = np.round(rng.random(n), 2)
    prediction = 0.3 * truth + rng.random(n)
    assert spearman(truth, prediction) == spearmanr(truth, prediction).statistic
    assert spearman(prediction, truth) == spearmanr(prediction, truth).statistic


@settings(deadline=None)
@given(pairs=pairs_of, seed=st.integers(0, 99))
def test_spearman_sees_ranks_alone(pairs, seed):
    value = spearman(*pairs.T)
    truth, prediction = np.random.default_rng(seed).permutation(pairs).T
    assert same(spearman(truth, prediction), value)
    assert same(spearman(truth, np.arctan(prediction / 1e3)), value)
    assert same(spearman(truth, -prediction), -value)


@settings(deadline=None)
@given(pairs=pairs_of, seed=st.integers(0, 99))
def test_pearson_equals_scipy_whatever_the_order(pairs, seed):
    known, defined = kept(pairs)
    expected = pearsonr(*known.T).statistic if defined else NAN
    truth, prediction = np.random.default_rng(seed).permutation(pairs).T
    assert pearson(truth, prediction) == pytest.approx(expected, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("n", [2, 3, 20, 5000])
def test_pearson_agrees_with_scipy_and_audmetric(n):
    rng = np.random.default_rng(n)
    truth = rng.random(n)
    prediction = 0.3 * truth + rng.random(n)
    value = pearson(truth, prediction)
    assert value == pytest.approx(pearsonr(truth, prediction).statistic, abs=1e-13)
    assert value == pytest.approx(audmetric.pearson_cc(truth, prediction), abs=1e-13)


@settings(deadline=None)
@given(pairs=pairs_of, offset=st.sampled_from([2.0**20, -(2.0**30), 2.0**40]))
def test_correlations_withstand_a_huge_offset(pairs, offset):
    pairs = np.round(np.clip(pairs, -1e3, 1e3) * 8) / 8  # so that adding the offset loses nothing
    assert same(spearman(*(pairs + offset).T), spearman(*pairs.T))
    assert pearson(*(pairs + offset).T) == pytest.approx(pearson(*pairs.T), abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("factor", [1e-300, 1e-160, 1e160, 1e300])
def test_correlations_neither_overflow_nor_underflow(factor):
    truth, prediction = np.random.default_rng(0).normal(size=(2, 50))
    assert spearman(truth * factor, prediction) == spearman(truth, prediction)
    expected = pearson(truth, prediction)
    assert pearson(truth * factor, prediction * factor) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    ("truth", "prediction"),
    [
        ([], []),
        ([1.0], [1.0]),
        ([0.5, 0.5, 0.5], [0.1, 0.2, 0.3]),
        ([0.1, 0.2, 0.3], [1e9 + 0.1] * 3),
        ([NAN, NAN], [1.0, 2.0]),
        ([1.0, NAN], [NAN, 2.0]),
        ([1.0, 2.0, 3.0], [1.0, NAN, NAN]),
        ([1.0, 2.0, 3.0], [4.0, 4.0, NAN]),
    ],
)
def test_correlations_are_nan_where_undefined(name, truth, prediction):
    assert math.isnan(BOTH[name](truth, prediction))
    assert math.isnan(BOTH[name](prediction, truth))


def test_an_infinite_value_has_no_pearson():
    assert math.isnan(pearson([1.0, 2.0, 3.0], [1.0, INF, 3.0]))
    assert math.isnan(pearson([-INF, 2.0, INF], [1.0, 2.0, 3.0]))


# ------------------------------------------------------------------------------------------------
# Many draws at once
# ------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(pairs=pairs_of, seed=st.integers(0, 9999), groups=st.integers(1, 6))
def test_draws_equal_scipy_on_the_rows_that_they_took(pairs, seed, groups):
    rng = np.random.default_rng(seed)
    group = rng.integers(groups, size=len(pairs))
    counts = rng.multinomial(groups, np.full(groups, 1 / groups), size=8)
    metric = METRICS["spearman.mean"]
    got = metric.resampled(pairs[:, :1], pairs[:, 1:], group, counts, 1)[:, 0]
    for count, value in zip(counts, got, strict=True):
        assert same(value, scipys(np.repeat(pairs, count[group], axis=0)))


@pytest.mark.parametrize("cells", [1, 1000, 10**7])
def test_draws_do_not_depend_on_how_many_are_held_at_a_time(cells, monkeypatch):
    rng = np.random.default_rng(0)
    truth, prediction = rng.integers(9, size=(2, 90, 3)).astype(float)
    truth[::7, 1] = NAN
    group, counts = np.arange(90) % 20, rng.multinomial(20, np.full(20, 0.05), size=50)
    metric = METRICS["spearman.mean"]
    expected = metric.resampled(truth, prediction, group, counts, 3)
    monkeypatch.setattr("affectbench.metrics.ranking.CELLS_AT_ONCE", cells)
    assert same(metric.resampled(truth, prediction, group, counts.astype(np.uint8), 3), expected)


# ------------------------------------------------------------------------------------------------
# Several columns, and their readings
# ------------------------------------------------------------------------------------------------


def test_columns_do_not_touch_each_other():
    truth, prediction = np.random.default_rng(0).random((2, 40, 3))
    truth[::7, 1] = NAN
    for one, each in ((spearman, spearman_per_column), (pearson, pearson_per_column)):
        alone = [one(truth[:, c], prediction[:, c]) for c in range(3)]
        assert each(truth, prediction) == pytest.approx(alone, rel=1e-12)


def test_the_readings_of_a_mean_spearman_differ():
    rng = np.random.default_rng(0)
    truth = rng.random((50, 9)) * np.arange(1, 10)
    prediction = truth + rng.normal(size=(50, 9))
    columns = [spearmanr(truth[:, c], prediction[:, c]).statistic for c in range(9)]
    clips = [spearmanr(truth[i], prediction[i]).statistic for i in range(50)]
    assert mean_spearman(truth, prediction) == np.mean(columns)
    assert mean_spearman(truth, prediction, over="clips") == pytest.approx(np.mean(clips))
    cells = spearmanr(truth.ravel(), prediction.ravel()).statistic
    assert mean_spearman(truth, prediction, over="cells") == cells

    mean_label = np.tile(truth.mean(axis=0), (50, 1))
    assert math.isnan(mean_spearman(truth, mean_label))
    assert mean_spearman(truth, mean_label, over="clips") > 0.3
    assert mean_spearman(truth, mean_label, over="cells") > 0.3


@pytest.mark.parametrize("over", ["columns", "cells", "clips"])
@pytest.mark.parametrize("shape", [(0, 9), (5, 0)])
def test_no_cells_have_no_mean_spearman(over, shape):
    assert math.isnan(mean_spearman(np.empty(shape), np.empty(shape), over=over))


def test_a_wrong_reading_or_shape_is_told():
    with pytest.raises(UnknownName, match="columns, cells, clips"):
        mean_spearman(np.ones((3, 2)), np.ones((3, 2)), over="rows")
    with pytest.raises(BadData, match=r"\(3,\) and \(3,\)"):
        mean_spearman([1, 2, 3], [1, 2, 3])


# ------------------------------------------------------------------------------------------------
# The published interval
# ------------------------------------------------------------------------------------------------


def loop(truth, prediction):
    """ComParE's interval as its code goes about it."""
    values = []
    for seed in range(1000):
        np.random.seed(seed)  # noqa: NPY002 - the legacy generator is what was published
        rows = np.random.choice(range(len(truth)), len(truth))  # noqa: NPY002
        values.append(spearmanr(truth[rows], prediction[rows]).statistic)
    return np.quantile(values, 0.025), np.quantile(values, 0.975)


def test_published_bounds_equal_the_loop_to_the_last_bit():
    rng = np.random.default_rng(0)
    truth = np.round(rng.random((80, 2)), 1)
    prediction = truth + rng.normal(size=(80, 2))
    prediction[:, 1] = np.round(prediction[:, 1])
    low, high = published_bounds(truth, prediction)
    for c in range(2):
        assert (low[c], high[c]) == loop(truth[:, c], prediction[:, c])
    assert METRICS["spearman.official"].bounds is published_bounds
    assert METRICS["spearman.mean"].bounds is None


def test_published_bounds_leave_the_global_generator_alone():
    np.random.seed(7)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(7)  # noqa: NPY002
    published_bounds(np.arange(5.0), np.arange(5.0))
    assert np.random.random() == expected  # noqa: NPY002


def test_published_bounds_are_nan_where_a_draw_is_undefined():
    few = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]])
    for truth in (few, few[:1], few[:0], np.full((90, 2), 0.5)):
        low, high = published_bounds(truth, truth)
        assert np.isnan(low).all()
        assert np.isnan(high).all()
        assert low.shape == high.shape == (2,)
    with pytest.raises(BadData, match="same number"):
        published_bounds(few, few[:2])


def test_published_bounds_leave_out_what_is_missing():
    rng = np.random.default_rng(0)
    truth, prediction = rng.random((2, 60, 2))
    expected = published_bounds(truth, prediction)
    truth[3, 0] = NAN
    low, high = published_bounds(truth, prediction)
    assert low[0] < spearman(truth[:, 0], prediction[:, 0]) < high[0]
    assert low[0] != expected[0][0]
    assert (low[1], high[1]) == (expected[0][1], expected[1][1])


def predictions_of(part):
    """The truth and the predictions [N, 9] of a file of ComParE's pipeline."""
    with (GOLDENS / f"predictions.{part}.csv").open() as file:
        rows = list(csv.DictReader(file))
    return (
        np.array([[float(row[name]) for name in row if name.endswith(end)] for row in rows])
        for end in ("_true", "_pred")
    )


@needs_goldens
@pytest.mark.parametrize("part", ["devel", "test"])
def test_emotion_share_equals_the_organisers_code_to_the_last_bit(part):
    expected = json.loads((GOLDENS / "expected.json").read_text())["unmasked"]
    found = expected["metrics"][part]
    truth, prediction = predictions_of(part)
    low, high = published_bounds(truth, prediction)
    assert mean_spearman(truth, prediction) == found["mean_rho"]
    assert [low.mean(), high.mean()] == found["mean_ci"]
    assert list(map(list, zip(low, high, strict=True))) == [
        one["ci"] for one in found["per_emotion"].values()
    ]
    # what upstream stores for each emotion of the test is the last one of devel
    stale = {one["rho"] for one in found["per_emotion"].values()}
    rho = [one["rho"] for one in found["per_emotion"].values()]
    if part == "test":
        assert len(stale) == 1
        rho = list(expected["test_rho_correct"].values())
    assert spearman_per_column(truth, prediction).tolist() == rho
