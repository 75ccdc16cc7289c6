import json
import math
from fractions import Fraction
from pathlib import Path

import audmetric
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from affectbench.metrics import METRICS, ccc, ccc_per_column

GOLDENS = Path(__file__).parents[1] / "../shared/goldens/metrics"
needs_goldens = pytest.mark.skipif(not GOLDENS.is_dir(), reason="no folder ../shared/goldens")

NAN = math.nan
VARIANTS = ["population", "sample", "official"]


def cases(name):
    return json.loads((GOLDENS / name).read_text())["cases"]


def numbers(values):
    return [NAN if value is None else value for value in values]


# Worked by hand: official, population, sample
WORKED = [
    ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4], 0.8, 1, 1),
    ([0, 1], [0, 1], 0.5, 1, 1),
    ([0, 1, 2, 3, 4], [1, 2, 3, 4, 5], 0.6667, 0.8, 0.833333),
    ([0, 1, 2, 3], [3, 2, 1, 0], -0.75, -1, -1),
    ([0, 1, 2, 3, 4], [0, 0.5, 1, 1.5, 2], 0.4848, 4 / 7, 0.606061),
    ([0.1, 0.4, 0.35, 0.8], [0.2, 0.3, 0.5, 0.6], 0.5747, 0.76595745, 0.76629712),
    ([1, 2, 3, 4, 5, 6], [1.1, 1.9, 3.2, 3.9, 5.3, 5.6], 0.8254, 0.99051008, 0.99051008),
    ([0, 1, 2, 3], [1.5, 1.5, 1.5, 1.5], 0, 0, 0),
]


@pytest.mark.parametrize(("truth", "prediction", "official", "population", "sample"), WORKED)
def test_worked_oracles_of_ccc(truth, prediction, official, population, sample):
    assert ccc(truth, prediction, variant="official") == official
    assert ccc(truth, prediction) == pytest.approx(population, abs=1e-6)
    assert ccc(truth, prediction, variant="sample") == pytest.approx(sample, abs=1e-6)


def test_worked_oracle_with_random_numbers():
    rng = np.random.RandomState(0)
    truth = rng.rand(200)
    prediction = np.float32(0.5 * truth + 0.25 + 0.1 * rng.randn(200))
    assert ccc(truth, prediction, variant="official") == 0.6862
    assert ccc(truth, prediction) == pytest.approx(0.68963118, abs=1e-8)
    assert ccc(truth, prediction, variant="sample") == pytest.approx(0.68963541, abs=1e-8)


def test_official_divides_variances_by_all_rows_and_covariance_by_known_ones():
    truth, prediction = [0, 1, NAN, 3, 4], [0, 1, 2, 3, 4]
    assert ccc(truth, prediction, variant="official") == 1.0
    assert ccc(truth, prediction) == 1.0
    assert ccc([1, 2, NAN, 4], [1, 2, 9, 3]) == ccc([1, 2, 4], [1, 2, 3])


@pytest.mark.parametrize("n", [2, 5, 100])
def test_official_perfect_prediction_scores_less_than_one(n):
    assert ccc(np.arange(n), np.arange(n), variant="official") == round((n - 1) / n, 4)


@needs_goldens
def test_official_ccc_equals_the_organisers_code():
    for case in cases("evalmetrics_ccc.json"):
        prediction = np.array(numbers(case["y_pred_f32"]), dtype=np.float32)
        got = ccc(numbers(case["y_true"]), prediction, variant="official")
        assert np.array_equal(got, numbers([case["ccc"]])[0], equal_nan=True), case["kind"]


@needs_goldens
def test_population_ccc_equals_the_fewshot_code():
    for case in cases("fewshot_ccc.json"):
        expected = numbers([case["ccc_f32"]])[0]
        got = ccc(numbers(case["y_true"]), numbers(case["y_pred"]))
        assert got == pytest.approx(expected, abs=2e-6, nan_ok=True)


# CCC: undefined, odd and huge input


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("truth", "prediction"),
    [
        ([], []),
        ([1.0], [1.0]),
        ([1.0], [2.0]),
        ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5]),
        ([0.0, 0.0], [0.0, 0.0]),
        ([NAN, NAN], [1.0, 2.0]),
        ([1.0, 2.0], [NAN, NAN]),
        ([1.0, NAN], [NAN, 2.0]),
        ([1.0, 2.0, 3.0], [1.0, math.inf, 3.0]),
    ],
)
def test_ccc_is_nan_where_undefined(variant, truth, prediction):
    assert math.isnan(ccc(truth, prediction, variant=variant))


@pytest.mark.parametrize("variant", ["population", "sample"])
@pytest.mark.parametrize("constant", [0.1, 0.7, 1 / 3, 1e9 + 0.1])
def test_equal_constants_that_have_no_exact_mean_are_undefined(variant, constant):
    for n in range(2, 60):
        assert math.isnan(ccc([constant] * n, [constant] * n, variant=variant))
        assert ccc([constant] * n, [constant + 1] * n, variant=variant) == 0


def test_one_pair_is_undefined_for_population_and_sample():
    for variant in ("population", "sample"):
        assert math.isnan(ccc([1.0, NAN, 3.0], [1.0, 2.0, NAN], variant=variant))


@pytest.mark.parametrize("variant", ["population", "sample"])
@pytest.mark.parametrize("factor", [1e-300, 1e-160, 1e160, 1e300])
def test_ccc_neither_overflows_nor_underflows(variant, factor):
    rng = np.random.default_rng(0)
    truth, prediction = rng.normal(size=(2, 50))
    expected = ccc(truth, prediction, variant=variant)
    got = ccc(truth * factor, prediction * factor, variant=variant)
    assert got == pytest.approx(expected, rel=1e-12)


def test_columns_do_not_touch_each_other():
    rng = np.random.default_rng(0)
    truth, prediction = rng.random((2, 40, 3))
    truth[::7, 1] = NAN
    for variant in VARIANTS:
        alone = [ccc(truth[:, c], prediction[:, c], variant=variant) for c in range(3)]
        together = ccc_per_column(truth, prediction, variant=variant)
        assert together == pytest.approx(alone, rel=1e-12)


def test_the_official_score_is_the_mean_of_rounded_columns():
    rng = np.random.default_rng(0)
    truth, prediction = rng.random((2, 40, 3))
    metric = METRICS["ccc.official"]
    values = metric.compute(truth, prediction, 3)
    assert values.tolist() == [round(value, 4) for value in values.tolist()]
    assert metric.combine(values) == pytest.approx(sum(values) / 3, rel=1e-15)


@pytest.mark.parametrize("n", [2, 3, 20, 500])
def test_ccc_agrees_with_audmetric(n):
    rng = np.random.default_rng(n)
    truth = rng.random(n)
    prediction = 0.3 * truth + rng.random(n)
    assert ccc(truth, prediction) == pytest.approx(
        audmetric.concordance_cc(truth, prediction), abs=1e-12
    )


def exact(truth, prediction, ddof):
    """CCC of floats as they are, in fractions."""
    n, x, y = len(truth), [Fraction(v) for v in truth], [Fraction(v) for v in prediction]
    mx, my = sum(x) / n, sum(y) / n
    squares = sum((v - mx) ** 2 for v in x) + sum((v - my) ** 2 for v in y)
    products = sum((v - mx) * (w - my) for v, w in zip(x, y, strict=True))
    return float(2 * products / (squares + (n - ddof) * (mx - my) ** 2))


@pytest.mark.parametrize(("factor", "offset"), [(1, 0), (1, 1e9), (1e-160, 0), (1e150, -1e160)])
@pytest.mark.parametrize("outlier", [1, 1e12])
def test_ccc_equals_exact_arithmetic(factor, offset, outlier):
    rng = np.random.default_rng(0)
    for n in (2, 3, 10, 50):
        truth = rng.normal(size=n)
        prediction = 0.5 * truth + rng.normal(size=n)
        truth[n // 2] *= outlier
        truth, prediction = truth * factor + offset, prediction * factor + offset
        for variant, ddof in (("population", 0), ("sample", 1)):
            expected = exact(truth.tolist(), prediction.tolist(), ddof)
            assert ccc(truth, prediction, variant=variant) == pytest.approx(expected, abs=1e-14)


vectors = hnp.arrays(
    np.float64,
    st.tuples(st.integers(2, 30), st.just(2)),
    elements=st.floats(-1e3, 1e3).map(lambda value: round(value, 3)) | st.just(NAN),
)


@settings(deadline=None)
@given(pairs=vectors, seed=st.integers(0, 99))
def test_ccc_does_not_depend_on_the_order_of_clips(pairs, seed):
    truth, prediction = pairs.T
    order = np.random.default_rng(seed).permutation(len(truth))
    for variant in ("population", "sample"):
        assert ccc(truth[order], prediction[order], variant=variant) == pytest.approx(
            ccc(truth, prediction, variant=variant), abs=1e-9, nan_ok=True
        )


@settings(deadline=None)
@given(pairs=vectors)
def test_ccc_is_symmetric_in_range_and_defined_exactly_where_it_should_be(pairs):
    truth, prediction = pairs.T
    kept = pairs[~np.isnan(pairs).any(axis=1)]
    defined = len(kept) >= 2 and len(np.unique(kept)) > 1
    for variant in ("population", "sample"):
        value = ccc(truth, prediction, variant=variant)
        assert math.isnan(value) != defined
        if defined:
            assert -1 <= value <= 1
            assert value == pytest.approx(ccc(prediction, truth, variant=variant), abs=1e-12)


@settings(deadline=None)
@given(pairs=vectors, offset=st.sampled_from([2.0**20, -(2.0**30), 2.0**40]))
def test_ccc_withstands_a_huge_offset(pairs, offset):
    pairs = np.round(pairs * 8) / 8  # so that adding the offset loses nothing
    for variant in ("population", "sample"):
        assert ccc(*(pairs + offset).T, variant=variant) == pytest.approx(
            ccc(*pairs.T, variant=variant), abs=1e-9, nan_ok=True
        )
