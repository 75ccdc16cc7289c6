import json
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hmean
from sklearn.metrics import mean_absolute_error, recall_score

from affectbench.errors import BadData, UnknownName
from affectbench.metrics import METRICS, ccc_per_column, s_mtl

GOLDENS = Path(__file__).parents[1] / "../shared/goldens/metrics"
needs_goldens = pytest.mark.skipif(not GOLDENS.is_dir(), reason="no folder ../shared/goldens")

NAN, INF = math.nan, math.inf
BOTH = [METRICS["s_mtl.sound"], METRICS["s_mtl.official"]]


def harmonic(mean_ccc, uar, mae):
    """SciPy's mean of the three terms; it warns where one is negative."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(hmean([mean_ccc, uar, 1 / np.float64(mae)]))


def multitask(clips=60, seed=0):
    """Truth and prediction of ten emotions, four countries and an age, and C of each."""
    rng = np.random.default_rng(seed)
    emotions, country = rng.random((clips, 10)), np.arange(clips) % 4
    age = rng.uniform(18, 40, size=(clips, 1))
    heard = np.where(rng.random(clips) < 0.5, country, rng.integers(4, size=clips))
    predicted = (
        0.5 * emotions + 0.5 * rng.random((clips, 10)),
        heard,
        age + rng.normal(size=(clips, 1)),
    )
    return (emotions, country, age), predicted, (10, 4, 1)


@pytest.mark.parametrize(
    ("mean_ccc", "uar", "mae", "expected"),
    [
        (0.416, 0.506, 4.22, 0.34883191),
        (0.5, 0.5, 4, 0.375),
        (0.4, 0.5, 5, 6 / 19),
        (1, 1, 1, 1),
        (0, 0.5, 5, 0),
        (0.5, 0, 5, 0),
        (-0.0, 0.5, 5, 0),
        (0.5, 0.5, 0, 0.75),
        (1, 1, 0, 1.5),
        (0.5, 0.5, INF, 0),
    ],
)
def test_worked_oracles_of_s_mtl(mean_ccc, uar, mae, expected):
    assert s_mtl(mean_ccc, uar, mae) == pytest.approx(expected, abs=1e-8)
    assert s_mtl(mean_ccc, uar, mae, variant="official") == round(expected, 4)
    assert harmonic(mean_ccc, uar, mae) == pytest.approx(expected, abs=1e-8)


def test_where_a_term_is_not_above_zero_the_variants_differ():
    for terms in ((-0.01, 0.5, 5), (-1, 0, 5)):
        assert s_mtl(*terms) == 0
        assert math.isnan(s_mtl(*terms, variant="official"))
    for terms in ((NAN, 0.5, 5), (0.5, NAN, 5), (0.5, 0.5, NAN), (NAN, 0, 5), (-0.1, 0.5, NAN)):
        assert math.isnan(s_mtl(*terms))
        assert math.isnan(s_mtl(*terms, variant="official"))


@needs_goldens
def test_s_mtl_equals_the_organisers_code():
    cases = json.loads((GOLDENS / "s_mtl_hmean.json").read_text())["cases"]
    assert {case["hmean"] for case in cases} >= {None, 0.0}
    for case in cases:
        mean_ccc = NAN if case["mean_ccc"] is None else case["mean_ccc"]
        terms = mean_ccc, case["uar"], 1 / case["inv_mae"]
        expected = NAN if case["hmean_round4"] is None else case["hmean_round4"]
        assert np.array_equal(s_mtl(*terms, variant="official"), expected, equal_nan=True)
        sound = 0 if mean_ccc < 0 else NAN if case["hmean"] is None else case["hmean"]
        assert s_mtl(*terms) == pytest.approx(sound, abs=1e-15, nan_ok=True)


@settings(deadline=None)
@given(
    mean_ccc=st.floats(-1, 1), uar=st.floats(0, 1), mae=st.floats(0, 100), better=st.floats(0, 1)
)
def test_s_mtl_agrees_with_scipy_and_rises_with_each_term(mean_ccc, uar, mae, better):
    expected = harmonic(mean_ccc, uar, mae)
    official = s_mtl(mean_ccc, uar, mae, variant="official")
    assert official == pytest.approx(expected, abs=5.001e-5, nan_ok=True)
    value = s_mtl(mean_ccc, uar, mae)
    assert value == pytest.approx(0 if math.isnan(expected) else expected, rel=1e-12)
    assert 0 <= value <= 1.5
    assert s_mtl(min(1, mean_ccc + better), uar, mae) >= value * (1 - 1e-12)
    assert s_mtl(mean_ccc, min(1, uar + better), mae) >= value * (1 - 1e-12)
    assert s_mtl(mean_ccc, uar, mae * better) >= value * (1 - 1e-12)


def test_the_official_metric_is_what_the_code_makes_of_the_arrays():
    truth, prediction, outputs = multitask()
    rounded = ccc_per_column(truth[0], prediction[0], variant="official").mean()
    recall = recall_score(truth[1], prediction[1], average="macro")
    error = mean_absolute_error(truth[2], prediction[2])
    values = BOTH[1].compute(truth, prediction, outputs)
    assert values.tolist() == pytest.approx([rounded, recall, error], rel=1e-15)
    assert BOTH[1].combine(values) == np.round(hmean([rounded, recall, 1 / error]), 4)


def test_the_parts_are_the_metrics_of_the_targets():
    truth, prediction, outputs = multitask()
    for metric in BOTH:
        values = metric.compute(truth, prediction, outputs)
        for value, part, x, y, c in zip(
            values, metric.parts, truth, prediction, outputs, strict=True
        ):
            assert part is METRICS[part.key]
            assert value == part.combine(part.compute(x, y, c))


@pytest.mark.parametrize("metric", BOTH, ids=lambda metric: metric.key)
def test_draws_equal_the_metric_on_the_rows_that_they_took(metric):
    truth, prediction, outputs = multitask(clips=40)
    truth[0][::7, 3] = NAN
    truth[2][5] = NAN
    rng = np.random.default_rng(1)
    group, counts = np.arange(40) % 8, rng.multinomial(8, np.full(8, 1 / 8), size=100)
    got = metric.resampled(truth, prediction, group, counts, outputs)
    assert got.shape == (100, 3)
    # the mean of ten columns, each at most a step of the official rounding apart
    step = 1.0001e-4 if metric.variant == "official" else 1e-10
    for count, values, combined in zip(counts, got, metric.combine(got), strict=True):
        rows = np.repeat(np.arange(40), count[group])
        expected = metric.compute(
            tuple(x[rows] for x in truth), tuple(y[rows] for y in prediction), outputs
        )
        assert values == pytest.approx(expected, abs=step)
        assert combined == pytest.approx(float(metric.combine(expected)), abs=2 * step)


def test_a_wrong_call_is_told_what_was_found_and_expected():
    truth, prediction, outputs = multitask()
    metric = BOTH[0]
    with pytest.raises(UnknownName, match="sound, official"):
        s_mtl(0.5, 0.5, 5, variant="fair")
    for variant in ("sound", "official"):
        with pytest.raises(BadData, match=r"-5.*0 or more"):
            s_mtl(0.5, 0.5, -5, variant=variant)
    with pytest.raises(BadData, match=r"\(2, 3, 3\) parts; expected 3 each: ccc.population"):
        metric.compute(truth[:2], prediction, outputs)
    with pytest.raises(BadData, match="59 and 60 clips"):
        metric.compute((truth[0][:-1], *truth[1:]), prediction, outputs)
    with pytest.raises(BadData, match="same number of clips"):
        metric.compute(truth, (prediction[0][:-1], *prediction[1:]), outputs)
