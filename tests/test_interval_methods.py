import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap as scipy_bootstrap
from scipy.stats import ttest_1samp

from affectbench.errors import BadData
from affectbench.intervals import bootstrap, described, draw_counts, warn_few
from affectbench.intervals.coverage import COVERAGE, FEW
from affectbench.intervals.draws import grouped, left_out
from affectbench.intervals.methods import (
    BOOTSTRAP_FROM,
    METHODS,
    NO_BOUNDS,
    bca,
    expanded,
    jackknife,
    method_for,
    percentile,
)
from affectbench.metrics import METRICS, published_bounds
from interval_cases import BY_GROUP, NAN, each_seed, near, outputs_of, sample, taken

OPEN = (-math.inf, math.inf)
LEVELS = np.linspace(0, 1, 100_001)  # draws whose quantile is the level itself


def one_pot(groups):
    return np.zeros(groups, dtype=np.intp)


def means_without(values):
    """The mean without each value."""
    return (values.sum() - values) / (len(values) - 1)


# the levels themselves


@pytest.mark.parametrize(
    ("groups", "low"), [(5, 0.0010), (10, 0.0086), (20, 0.0159), (40, 0.0203), (100_000, 0.0250)]
)
def test_expanded_percentiles_are_those_of_hesterberg(groups, low):
    # normal tail beyond t(.975, G - 1) sqrt(G / (G - 1)), by tables of both
    assert expanded(LEVELS, 0.95, groups) == pytest.approx((low, 1 - low), abs=5e-5)


def test_expanded_percentiles_of_four_strata_are_those_of_their_own_freedom():
    # t(.975, 36) = 2.0281, times sqrt(40 / 36) is 2.1378
    assert expanded(LEVELS, 0.95, 40, strata=4)[0] == pytest.approx(0.01627, abs=5e-5)


def test_percentiles_of_a_level():
    assert percentile(LEVELS, 0.9) == pytest.approx((0.05, 0.95))


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize("statistic", [np.mean, np.std, np.max])
def test_bca_is_that_of_scipy(statistic, level):
    values = np.random.default_rng(0).exponential(size=25)
    expected = scipy_bootstrap(
        (values,), statistic, method="BCa", confidence_level=level, n_resamples=2000,
        rng=np.random.default_rng(1),
    )  # fmt: skip
    without = np.array([statistic(np.delete(values, i)) for i in range(25)])
    draws = expected.bootstrap_distribution
    found = bca(float(statistic(values)), draws, without, level, one_pot(25))
    assert found == pytest.approx(tuple(expected.confidence_interval), abs=1e-12)


def test_bca_has_none_where_its_correction_has_no_solution():
    draws, alone = np.linspace(0, 1, 101), np.array([0.4, 0.5, 0.6])
    assert not math.isnan(bca(0.5, draws, alone, 0.95, one_pot(3))[0])
    assert np.isnan(bca(1.1, draws, alone, 0.95, one_pot(3))).all()  # outside of all draws
    assert np.isnan(bca(0.5, draws, np.array([0.4, NAN, 0.6]), 0.95, one_pot(3))).all()
    assert np.isnan(bca(0.5, draws, np.full(3, 0.5), 0.95, one_pot(3))).all()
    alone = np.append(-9, np.full(999, 0.5))  # one group alone pulls: the levels would turn round
    assert np.isnan(bca(0.99, draws, alone, 1 - 1e-7, one_pot(1000))).all()


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=30), st.floats(0.5, 0.999))
@settings(deadline=None)
def test_the_jackknife_of_a_mean_is_the_t_interval(values, level):
    values = np.array(values)
    if np.ptp(values) < 1e-3:
        return
    expected = ttest_1samp(values, 0).confidence_interval(level)
    found = jackknife(values.mean(), means_without(values), level, one_pot(len(values)), OPEN)
    assert found == pytest.approx(tuple(expected), rel=1e-6, abs=1e-6)


def test_the_jackknife_in_strata_has_the_error_of_a_stratified_mean():
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=n) for n in (3, 5, 9)]
    value = np.mean([part.mean() for part in parts])
    without = np.concatenate([value + (means_without(p) - p.mean()) / 3 for p in parts])
    strata = np.repeat([0, 1, 2], [3, 5, 9])
    error = math.sqrt(sum(part.var(ddof=1) / len(part) for part in parts)) / 3
    low, high = jackknife(value, without, 0.95, strata, OPEN)
    assert ((high - low) / 2, (high + low) / 2) == pytest.approx((2.144787 * error, value))  # t(14)


def test_the_jackknife_of_a_correlation_is_on_the_scale_of_fisher():
    without = np.array([0.86, 0.92, 0.93, 0.89])
    error = math.sqrt(3 / 4 * ((without - without.mean()) ** 2).sum())
    reach = 3.182446 * error / (1 - 0.9**2)  # t(3)
    expected = (math.tanh(math.atanh(0.9) - reach), math.tanh(math.atanh(0.9) + reach))
    assert jackknife(0.9, without, 0.95, one_pot(4), (-1, 1)) == pytest.approx(expected)


def test_the_jackknife_of_an_error_is_on_the_scale_of_its_logarithm():
    without = np.array([3.9, 4.4, 4.3])
    error = math.sqrt(2 / 3 * ((without - without.mean()) ** 2).sum())
    expected = 4.2 * math.exp(4.302653 * error / 4.2)  # t(2)
    low, high = jackknife(4.2, without, 0.95, one_pot(3), (0, math.inf))
    assert (low * high, high) == pytest.approx((4.2**2, expected))
    mirrored = jackknife(-4.2, -without, 0.95, one_pot(3), (-math.inf, 0))
    assert mirrored == pytest.approx((-high, -low))


@given(
    st.floats(0.001, 0.999), st.lists(st.floats(0, 1), min_size=2, max_size=8),
    st.sampled_from([(0, 1), (-1, 1), (0, 1.5), (0, math.inf), (-math.inf, 1)]),
)  # fmt: skip
@settings(deadline=None)
def test_the_jackknife_stays_on_the_scale_and_around_the_value(value, without, ends):
    found = jackknife(value, np.array(without), 0.95, one_pot(len(without)), ends)
    if np.ptp(without) < 1e-9:
        return
    assert ends[0] <= found[0] <= value <= found[1] <= ends[1]


def test_the_jackknife_has_none_without_spread_or_at_an_end():
    assert np.isnan(jackknife(0.5, np.full(3, 0.5), 0.95, one_pot(3), (0, 1))).all()
    assert np.isnan(jackknife(0.5, np.array([0.5, NAN, 0.4]), 0.95, one_pot(3), (0, 1))).all()
    assert np.isnan(jackknife(0.0, np.array([0.0, 0.2, 0.0]), 0.95, one_pot(3), (0, 1))).all()
    assert np.isnan(NO_BOUNDS).all()


# in a score


@pytest.mark.parametrize("metric", BY_GROUP)
def test_leaving_a_group_out_is_the_metric_on_the_other_rows(metric):
    truth, predictions, index = sample(metric)
    outputs, (prediction,) = outputs_of(metric), each_seed(metric, predictions)
    groups = grouped(index)
    found = left_out(
        lambda counts: metric.resampled(truth, prediction, groups.index, counts, outputs), groups
    )
    for group, values in enumerate(found):
        rows = np.flatnonzero(index != group)
        expected = metric.compute(
            taken(metric, truth, rows), taken(metric, prediction, rows), outputs
        )
        assert values == near(expected, metric)


@pytest.mark.parametrize("groups", [BOOTSTRAP_FROM - 1, BOOTSTRAP_FROM])
def test_auto_is_the_jackknife_for_few_groups_and_the_expanded_bootstrap_for_many(groups):
    metric = METRICS["ccc.population"]
    truth, predictions, index = sample(metric, clips=300, groups=groups)
    call = {"outputs": 4, "draws": 100}
    chosen = method_for(groups)
    found = bootstrap(metric, truth, predictions, index, **call)
    assert chosen == ("expanded" if groups >= BOOTSTRAP_FROM else "jackknife")
    assert found == bootstrap(metric, truth, predictions, index, **call, method=chosen)
    assert {s.method for s in (found.score, *found.per_output)} == {chosen}
    assert found.score.draws == (100 if chosen == "expanded" else groups)


@pytest.mark.parametrize("metric", BY_GROUP)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_holds_the_value_of_every_metric(metric, method):
    truth, predictions, index = sample(metric, seeds=2)
    found = bootstrap(
        metric, truth, predictions, index, outputs=outputs_of(metric), draws=500, method=method
    )
    ends = [(min(m.low, m.high), max(m.low, m.high)) for m in (metric.parts or (metric,))]
    if not metric.parts:
        ends *= len(found.per_output)
    for score, (least, most) in zip(found.per_output, ends, strict=True):
        assert least <= score.low < score.value < score.high <= most
    assert found.score.low < found.score.value < found.score.high


def test_a_score_at_the_end_of_its_scale_has_no_jackknife():
    metric = METRICS["s_mtl.sound"]
    (high, country, age), (_, countries, ages), index = sample(metric)
    against = (1 - high)[None]  # a negative CCC makes an S_MTL of 0
    call = {"truth": (high, country, age), "predictions": (against, countries, ages)}
    found = bootstrap(metric, **call, groups=index, outputs=(4, 4, 1)).score
    assert (found.value, found.method) == (0, "jackknife")
    assert math.isnan(found.low)


# the published interval


@pytest.mark.parametrize("groups", [np.arange(60), [None] * 60])
def test_the_published_interval_does_not_ask_for_groups(groups):
    metric = METRICS["spearman.official"]
    truth, predictions, _ = sample(metric, seeds=2)
    found = bootstrap(metric, truth, predictions, groups, outputs=4, draws=3, level=0.5)
    each = np.array([published_bounds(truth, one) for one in predictions])
    expected = each.mean(axis=0)
    assert [s.low for s in found.per_output] == expected[0].tolist()
    assert [s.high for s in found.per_output] == expected[1].tolist()
    score = found.score
    assert (score.low, score.high) == (expected[0].mean(), expected[1].mean())
    assert (
        score.value
        == bootstrap(
            METRICS["spearman.mean"], truth, predictions, [None] * 60, outputs=4
        ).score.value
    )
    assert (score.method, score.group_by, score.groups) == ("published", "clip", 60)
    assert (score.draws, score.level, score.undefined) == (1000, 0.95, 0)


def test_published_bounds_that_are_undefined_count_as_such():
    metric = METRICS["spearman.official"]
    truth, predictions, index = sample(metric)
    truth[1:, 2] = 0.5  # constant in the draws that lack the first clip
    found = bootstrap(metric, truth, predictions, index, outputs=4)
    assert math.isnan(found.score.low)
    assert found.score.undefined == found.per_output[2].undefined == 1000
    assert not math.isnan(found.score.value)
    assert found.per_output[0].undefined == 0


# strata


def countries(speakers=12, clips=6, seed=0):
    """Classes that all clips of a speaker share, predictions, and the speaker of each clip."""
    rng = np.random.default_rng(seed)
    speaker = np.repeat(np.arange(speakers), clips)
    truth = speaker % 4
    wrong = rng.random(len(truth)) < rng.random(speakers)[speaker]
    return truth, np.where(wrong, (truth + 1) % 4, truth)[None], speaker


def test_groups_are_drawn_within_their_stratum():
    strata = np.array([0, 1, 0, 1, 1, 0, 1])
    counts = draw_counts(np.random.default_rng(0), 20_000, 7, strata)
    assert (counts[:, strata == 0].sum(axis=1) == 3).all()
    assert (counts[:, strata == 1].sum(axis=1) == 4).all()
    # multinomial(n, 1/n) in each: five standard errors
    assert counts.mean(axis=0) == pytest.approx(np.ones(7), abs=5 * math.sqrt(0.75 / 20_000))
    covariance = np.cov(counts.T.astype(float))
    sizes = np.where(strata == 0, 3, 4)
    same = strata[:, None] == strata
    expected = np.where(same, -1 / sizes, 0) + np.eye(7)
    assert covariance == pytest.approx(expected, abs=0.06)


def test_one_stratum_changes_nothing():
    plain = draw_counts(np.random.default_rng(0), 300, 9)
    assert (draw_counts(np.random.default_rng(0), 300, 9, np.zeros(9, dtype=int)) == plain).all()
    metric = METRICS["uar.truth"]
    truth, predictions, speaker = countries()
    for method in METHODS:
        call = {"outputs": 4, "draws": 200, "method": method}
        whole = bootstrap(metric, truth, predictions, speaker, **call)
        assert bootstrap(metric, truth, predictions, speaker, **call, strata=["x"] * 72) == whole


@pytest.mark.parametrize("method", ["percentile", "expanded", "bca", "jackknife"])
def test_no_class_is_lost_where_draws_are_stratified_by_it(method):
    truth, predictions, speaker = countries()
    call = {"outputs": 4, "draws": 400, "method": method}
    plain = bootstrap(METRICS["uar.truth"], truth, predictions, speaker, **call)
    found = bootstrap(
        METRICS["uar.truth"], truth, predictions, speaker, **call, strata=truth.astype(str)
    )
    assert sum(score.undefined for score in found.per_output) == 0
    if method != "jackknife":
        assert sum(score.undefined for score in plain.per_output) > 0
    assert found.score.value == plain.score.value
    assert found.score.low < found.score.value < found.score.high
    assert (found.score.low, found.score.high) != (plain.score.low, plain.score.high)


@pytest.mark.parametrize(
    ("strata", "said"),
    [
        (lambda truth: truth[:-1], "71 strata for 72 clips"),
        (lambda truth: [None, *truth[1:]], "not known"),
        (lambda truth: np.arange(72) % 2, "12 of 12 groups lie in more than one stratum"),
        (lambda truth: np.repeat(np.arange(12), 6) // 11, "1 of 2 strata hold a single group"),
    ],
)
def test_strata_that_cannot_be_drawn_from_are_refused(strata, said):
    truth, predictions, speaker = countries()
    with pytest.raises(BadData, match=said):
        bootstrap(
            METRICS["uar.truth"], truth, predictions, speaker, outputs=4, strata=strata(truth)
        )


# what a reader is told


@pytest.mark.parametrize("method", ["jackknife", "expanded", "percentile", "bca"])
def test_few_groups_are_warned_of_with_what_was_measured(method):
    metric = METRICS["ccc.population"]
    told = {}
    for groups in (4, FEW - 1, FEW):
        truth, predictions, index = sample(metric, groups=groups)
        call = {"outputs": 4, "draws": 20, "method": method, "group_by": "seed"}
        told[groups] = warn_few(bootstrap(metric, truth, predictions, index, **call).score)
    assert told[FEW] is None
    assert told[FEW - 1].startswith(f"Only {FEW - 1} seeds were resampled")
    low, high = COVERAGE[method][3]  # measured at the next lower number
    assert f"with 3 groups, 95% intervals of this method ({method})" in told[4]
    assert f"{low} to {high} of 100" in told[4]


def test_the_default_covers_as_it_says():
    for groups in (40, 563):
        low, high = COVERAGE[method_for(groups)][groups]
        assert 93 <= low <= high <= 97
    for measured in COVERAGE.values():
        assert min(measured) == 2  # every number of groups that makes an interval has a row
        assert all(low <= high for low, high in measured.values())


@pytest.mark.parametrize(
    ("groups", "method", "said"),
    [
        (12, "auto", "95%, jackknife with Student's t, one of 12 speakers left out at a time"),
        (120, "auto", "95%, expanded bootstrap, 30 draws of 120 speakers"),
        (8, "bca", "95%, bca bootstrap, 30 draws of 8 speakers"),
        (1, "auto", "none"),
    ],
)
def test_how_an_interval_was_made_is_told(groups, method, said):
    metric = METRICS["uar.truth"]
    truth, predictions, index = sample(metric, clips=240, groups=groups)
    call = {"outputs": 4, "draws": 30, "method": method}
    assert described(bootstrap(metric, truth, predictions, index, **call).score) == said


def test_a_published_interval_is_told_as_such():
    metric = METRICS["spearman.official"]
    truth, predictions, index = sample(metric)
    score = bootstrap(metric, truth, predictions, index, outputs=4).score
    assert described(score) == "95%, published, 1,000 draws of 60 clips"
    assert warn_few(score) is None
