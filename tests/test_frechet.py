import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from affectbench.errors import BadData, UnknownName
from affectbench.metrics.frechet import (
    ROWS_AT_ONCE,
    Moments,
    frechet,
    frechet_extrapolated,
    kernel_distance,
    moments,
)

GOLDENS = Path(__file__).parents[1] / "../shared/goldens/metrics/frechet.json"
CASES = json.loads(GOLDENS.read_text())["cases"] if GOLDENS.is_file() else []
needs_goldens = pytest.mark.skipif(not CASES, reason="no file ../shared/goldens/metrics")

VARIANTS = ("sound", "official")
NAN, INF = math.nan, math.inf
rows = pytest.mark.parametrize


def gaussian(mean, covariance):
    return Moments(np.array(mean, float), np.array(covariance, float))


def clips(n, dims, seed=0):
    return np.random.default_rng(seed).standard_normal((n, dims))


# ------------------------------------------------------------------------------------------------
# Fréchet distance: known values
# ------------------------------------------------------------------------------------------------

SQUARE = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
WORKED = [
    (gaussian([0, 0], np.diag([1, 4])), gaussian([1, 2], np.diag([9, 1])), 10),
    (
        gaussian([0, 0], [[2, 0.5], [0.5, 1]]),
        gaussian([1, -1], [[1, -0.3], [-0.3, 1.5]]),
        2.46347119,
    ),
    (SQUARE, 2 * SQUARE + 1, 31 / 6),
    (gaussian([3], [[4]]), gaussian([1], [[9]]), 4 + (2 - 3) ** 2),
]


@rows("variant", VARIANTS)
@rows(("one", "two", "expected"), WORKED)
def test_worked_oracles(one, two, expected, variant):
    assert frechet(one, two, variant=variant) == pytest.approx(expected, abs=1e-8)
    assert frechet(two, one, variant=variant) == pytest.approx(expected, abs=1e-8)


@needs_goldens
@rows("variant", VARIANTS)
@rows("case", CASES, ids=[f"{i}-{case['kind']}" for i, case in enumerate(CASES)])
def test_goldens_of_the_official_code(case, variant):
    shape = case["d"], case["d"]
    one = Moments(case["mu1"], np.reshape(case["sigma1"], shape))
    two = Moments(case["mu2"], np.reshape(case["sigma2"], shape))
    tolerance = 1e-5 if "rank_deficient" in case["kind"] else 1e-9
    assert frechet(one, two, variant=variant) == pytest.approx(case["fid"], abs=tolerance)
    if variant == "sound":
        ours = case["fid_symmetric_form_ours"]
        assert frechet(one, two) == pytest.approx(ours, abs=tolerance)


def test_fewer_clips_than_dimensions_agree_in_both_variants():
    one, two = clips(20, 64), clips(30, 64, seed=1) * 1.5
    assert frechet(one, two) == pytest.approx(frechet(one, two, variant="official"), abs=1e-4)
    full = clips(500, 64, seed=2)
    assert frechet(one, full) == pytest.approx(frechet(full, one), rel=1e-12)


def test_equal_sets_have_no_distance_even_where_the_covariance_is_nearly_singular():
    spread = 10.0 ** -np.arange(12)  # standard deviations: variances over 22 decades
    one = clips(200, 12) * spread
    assert 0 <= frechet(one, one) < 1e-14
    assert 0 <= frechet(one, one[::-1]) < 1e-14


def test_sets_without_any_spread_differ_by_their_means():
    point = np.ones((3, 2))
    assert frechet(point, point) == 0
    assert frechet(point, point + 1) == 2
    spread = clips(50, 2)
    expected = ((spread.mean(axis=0) - 1) ** 2).sum() + spread.var(axis=0, ddof=1).sum()
    assert frechet(point, spread) == pytest.approx(expected, rel=1e-12)


# ------------------------------------------------------------------------------------------------
# Fréchet distance: properties
# ------------------------------------------------------------------------------------------------

matrices = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=6),
    elements=st.floats(-100, 100, width=32),
)


@settings(max_examples=200)
@given(matrices, st.floats(0.01, 100), st.integers(0, 99))
def test_distance_keeps_what_a_distance_keeps(one, scale, seed):
    rng = np.random.default_rng(seed)
    two = rng.standard_normal((5, one.shape[1]))
    value = frechet(one, two)
    size = 1 + moments(one).covariance.trace() + value
    close = {"rel": 0, "abs": 1e-9 * size}
    assert value >= 0
    assert frechet(two, one) == pytest.approx(value, **close)
    assert frechet(one, rng.permutation(one)) <= 1e-9 * size
    assert frechet(one * scale, two * scale) / scale**2 == pytest.approx(value, **close)
    rotation = np.linalg.qr(rng.standard_normal((one.shape[1],) * 2))[0]
    assert frechet(one @ rotation + 3, two @ rotation + 3) == pytest.approx(value, **close)


def test_features_and_their_moments_give_the_same():
    one, two = clips(40, 5), clips(30, 5, seed=1).astype(np.float32)
    expected = frechet(one, two)
    assert frechet(moments(one), two) == frechet(one, moments(two)) == expected
    assert frechet(one.tolist(), two) == expected
    found = moments(two)
    assert found.clips == 30
    assert found.mean.dtype == found.covariance.dtype == np.float64
    np.testing.assert_allclose(found.covariance, np.cov(two.astype(float).T), rtol=1e-12)


@rows("variant", VARIANTS)
def test_fewer_than_two_clips_are_undefined(variant):
    many = clips(20, 3)
    for few in (many[:1], many[:0]):
        assert math.isnan(frechet(few, many, variant=variant))
        assert math.isnan(frechet(many, moments(few), variant=variant))
        assert np.isnan(moments(few).covariance).all()
    np.testing.assert_array_equal(moments(many[:1]).mean, many[0])
    assert frechet(many[:2], many[:2], variant=variant) == pytest.approx(0, abs=1e-9)


# ------------------------------------------------------------------------------------------------
# The official root
# ------------------------------------------------------------------------------------------------


def roots(monkeypatch, *answers):
    """Let the matrix root give these, and keep what it was asked for."""
    asked, given_back = [], iter(answers)

    def root(matrix):
        asked.append(matrix)
        return next(given_back)

    monkeypatch.setattr("scipy.linalg.sqrtm", root)
    return asked


def test_official_adds_its_epsilon_only_where_the_root_is_not_finite(monkeypatch):
    one, two = gaussian([0, 0], np.diag([1, 4])), gaussian([1, 2], np.diag([9, 1]))
    asked = roots(monkeypatch, np.full((2, 2), NAN), np.eye(2))
    assert frechet(one, two, variant="official") == 5 + 5 + 10 - 2 * 2
    plain, shifted = asked
    np.testing.assert_array_equal(plain, np.diag([9, 4]))
    np.testing.assert_array_equal(shifted, np.diag([(1 + 1e-6) * (9 + 1e-6), 4.000001 * 1.000001]))
    assert len(roots(monkeypatch, np.eye(2))) == 0
    assert frechet(one, two, variant="official") == 16
    roots(monkeypatch, *[np.full((2, 2), NAN)] * 2)
    assert math.isnan(frechet(one, two, variant="official"))


def test_official_drops_a_small_imaginary_part_and_refuses_a_large_one(monkeypatch):
    one, two = gaussian([0, 0], np.diag([1, 4])), gaussian([1, 2], np.diag([9, 1]))
    roots(monkeypatch, np.array([[1 + 1e-3j, 5j], [0, 1]]))
    assert frechet(one, two, variant="official") == 16
    roots(monkeypatch, np.array([[1, 0], [0, 1 - 0.25j]]))
    with pytest.raises(BadData, match=r"imaginary part of 0\.25; expected 0\.001 at most.*sound"):
        frechet(one, two, variant="official")


# ------------------------------------------------------------------------------------------------
# Extrapolation
# ------------------------------------------------------------------------------------------------


def test_extrapolation_is_nearer_to_the_distance_of_two_known_gaussians():
    dims, true = 16, 16 * (1.2 - 1) ** 2 + 1
    reference = gaussian(np.zeros(dims), np.eye(dims))
    shift = np.eye(dims)[0]
    plain, extrapolated = [], []
    for seed in range(20):
        features = 1.2 * clips(100, dims, seed=seed) + shift
        plain.append(frechet(features, reference))
        extrapolated.append(frechet_extrapolated(features, reference, seed=seed))
    assert np.mean(plain) - true > 0.9
    assert abs(np.mean(extrapolated) - true) < 0.2
    worse = np.abs(np.subtract(extrapolated, true)) > np.abs(np.subtract(plain, true))
    assert worse.mean() < 0.1


def test_extrapolation_is_the_intercept_of_the_line_in_one_over_n():
    features, reference = clips(40, 3), clips(30, 3, seed=1)
    rng = np.random.default_rng(7)
    half = np.mean([frechet(features[rng.permutation(40)[:20]], reference) for _ in range(3)])
    whole = frechet(features, reference)
    found = frechet_extrapolated(features, reference, seed=7, sizes=[20, 40], draws=3)
    assert found == pytest.approx(2 * whole - half, rel=1e-9)
    again = np.random.default_rng(7)
    assert frechet_extrapolated(features, reference, seed=again, sizes=[20, 40], draws=3) == found
    assert frechet_extrapolated(features, moments(reference), seed=0) == frechet_extrapolated(
        features, reference, seed=0
    )


def test_extrapolation_can_be_negative_near_no_distance():
    reference = gaussian(np.zeros(4), np.eye(4))
    found = [
        frechet_extrapolated(clips(200, 4, seed=seed), reference, seed=seed) for seed in range(20)
    ]
    assert min(found) < 0 < max(found)
    assert abs(np.mean(found)) < 0.03


def test_extrapolation_needs_four_clips():
    many = clips(20, 3)
    assert math.isnan(frechet_extrapolated(many[:3], many, seed=0))
    assert math.isnan(frechet_extrapolated(many, many[:1], seed=0))
    assert math.isfinite(frechet_extrapolated(many[:4], many, seed=0))


@rows("sizes", [[5], [5, 5], [1, 9], [9, 21], []])
def test_extrapolation_refuses_sizes_that_cannot_be(sizes):
    with pytest.raises(BadData, match=r"subset sizes are \[.*at least two different.*2\.\.20"):
        frechet_extrapolated(clips(20, 3), clips(20, 3), seed=0, sizes=sizes)
    with pytest.raises(BadData, match=r"draws is 0; expected 1 or more"):
        frechet_extrapolated(clips(20, 3), clips(20, 3), seed=0, draws=0)


# ------------------------------------------------------------------------------------------------
# Kernel distance
# ------------------------------------------------------------------------------------------------


def looped(one, two):
    def k(x, y):
        return (np.dot(x, y) / len(x) + 1) ** 3

    def within(x):
        return np.mean([k(x[i], x[j]) for i in range(len(x)) for j in range(len(x)) if i != j])

    return within(one) + within(two) - 2 * np.mean([k(x, y) for x in one for y in two])


@rows(("n", "m", "dims"), [(2, 2, 1), (7, 4, 3), (5, 9, 8)])
def test_kernel_distance_equals_a_loop(n, m, dims):
    one, two = clips(n, dims), 1.5 * clips(m, dims, seed=1) + 1
    assert kernel_distance(one, two) == pytest.approx(looped(one, two), rel=1e-11)


def test_kernel_distance_of_more_clips_than_one_block_holds():
    one, two = clips(ROWS_AT_ONCE + 5, 2), clips(ROWS_AT_ONCE - 5, 2, seed=1)
    n, m = len(one), len(two)
    xx, yy, xy = ((a @ b.T / 2 + 1) ** 3 for a, b in ((one, one), (two, two), (one, two)))
    within = (xx.sum() - xx.trace()) / (n * (n - 1)) + (yy.sum() - yy.trace()) / (m * (m - 1))
    assert kernel_distance(one, two) == pytest.approx(within - 2 * xy.mean(), abs=1e-9)


def test_kernel_distance_of_one_kind_is_zero_on_average_at_any_size():
    found = {
        n: np.mean(
            [kernel_distance(clips(n, 4, seed=s), clips(60, 4, seed=1000 + s)) for s in range(300)]
        )
        for n in (5, 60)
    }
    far = np.mean([kernel_distance(clips(5, 4, seed=s), clips(60, 4) + 1) for s in range(100)])
    assert abs(found[5]) < 0.05
    assert abs(found[60]) < 0.05
    assert far > 1


def test_kernel_distance_needs_two_clips_of_each():
    assert math.isnan(kernel_distance(clips(1, 3), clips(5, 3)))
    assert math.isnan(kernel_distance(clips(5, 3), clips(0, 3)))


# ------------------------------------------------------------------------------------------------
# Bad input
# ------------------------------------------------------------------------------------------------

MEASURES = {
    "moments": moments,
    "frechet": lambda x: frechet(clips(5, 3), x),
    "frechet, first": lambda x: frechet(x, clips(5, 3)),
    "extrapolated": lambda x: frechet_extrapolated(x, clips(5, 3), seed=0),
    "extrapolated, reference": lambda x: frechet_extrapolated(clips(5, 3), x, seed=0),
    "kernel": lambda x: kernel_distance(clips(5, 3), x),
    "kernel, first": lambda x: kernel_distance(x, clips(5, 3)),
}
WITH = {value: np.where(np.eye(5, 3, k=1), value, 0.0) for value in (NAN, -INF, 1e31)}
BAD = [
    (np.zeros(3), r"shape \(3,\); expected \[N, D\]"),
    (np.zeros((2, 5, 3)), r"shape \(2, 5, 3\); expected \[N, D\]"),
    (np.zeros((5, 0)), r"shape \(5, 0\); expected \[N, D\]"),
    (5.0, r"shape \(\); expected \[N, D\]"),
    ([[1, 2, 3], [3]], r"set of features is no array of numbers\. Expected numbers in rows"),
    ([["1", "2", "3"]], r"set of features is no array of numbers"),
    (np.full((5, 3), 1j), r"set of features is no array of numbers"),
    *[(x, r"2 of 5 clips are NaN, infinite or above 1e\+30;.*leave these") for x in WITH.values()],
]  # fmt: skip


@rows("measure", MEASURES)
@rows(("features", "message"), BAD)
def test_features_that_cannot_be_used(measure, features, message):
    with pytest.raises(BadData, match=message):
        MEASURES[measure](features)


@rows("measure", [name for name in MEASURES if name != "moments"])
def test_sets_of_different_features(measure):
    with pytest.raises(
        BadData, match=r"has \d features a clip and the other \d; expected the same"
    ):
        MEASURES[measure](clips(5, 4))


def test_the_largest_features_do_not_overflow():
    huge = np.clip(clips(9, 3), -1, 1) * 1e30
    for variant in VARIANTS:
        assert math.isfinite(frechet(huge, -huge, variant=variant))
    assert math.isfinite(kernel_distance(huge, -huge))
    assert math.isfinite(frechet_extrapolated(huge, -huge, seed=0))


def test_a_kernel_distance_needs_the_clips_themselves():
    with pytest.raises(BadData, match=r"set of features is no array of numbers"):
        kernel_distance(moments(clips(5, 3)), clips(5, 3))


BAD_MOMENTS = [
    ([[0]], [[1]], r"mean of the shape \(1, 1\) and a covariance of the shape \(1, 1\); expected"),
    ([0, 0], [1, 1], r"shape \(2,\) and a covariance of the shape \(2,\); expected \[D\] and"),
    ([0, 0], np.eye(3), r"covariance of the shape \(3, 3\)"),
    ([], np.empty((0, 0)), r"mean of the shape \(0,\)"),
    ([0, "0"], np.eye(2), r"mean is no array of numbers"),
    ([0, NAN], np.eye(2), r"NaN or above 1e\+100; expected finite ones\. Compute them again"),
    ([0, 0], np.diag([1, INF]), r"NaN or above 1e\+100"),
    ([0, 0], [[1, 0.5], [0, 1]], r"not symmetric; expected one made by moments\(\)"),
]


@rows(("mean", "covariance", "message"), BAD_MOMENTS)
def test_moments_that_cannot_be_used(mean, covariance, message):
    with pytest.raises(BadData, match=message):
        Moments(mean, covariance)


def test_a_covariance_with_a_negative_eigenvalue():
    with pytest.raises(BadData, match=r"negative eigenvalue; expected one made by moments\(\)"):
        frechet(gaussian([0, 0], [[1, 2], [2, 1]]), clips(5, 2))


def test_covariances_made_in_float32_are_taken():
    one = clips(10, 40).astype(np.float32)
    rough = Moments(one.mean(axis=0), np.cov(one.T, dtype=np.float32))
    assert frechet(rough, one) == pytest.approx(0, abs=1e-3)


def test_unknown_variant():
    with pytest.raises(UnknownName, match=r"called 'best'. There are: sound, official"):
        frechet(clips(5, 3), clips(5, 3), variant="best")
