import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectbench.errors import AffectBenchError, BadData, UnknownName
from affectbench.intervals import bootstrap, draw_counts, warn_few
from affectbench.metrics import METRICS
from interval_cases import (
    ALL,
    BY_GROUP,
    EXACT,
    NAN,
    count_of,
    each_seed,
    near,
    outputs_of,
    rows_of,
    sample,
    taken,
)


def bounds(score):
    return [score.low, score.high]


@pytest.mark.parametrize(
    ("key", "missing", "offset"),
    [
        *((case.id, 0.0, 0.0) for case in ALL),
        *((case.id, 0.15, 0.0) for case in ALL if case.id.startswith(("ccc", "s_mtl"))),
        ("ccc.population", 0.15, 1e6),
        ("ccc.sample", 0.15, 1e6),
    ],
)
def test_a_draw_from_sums_equals_the_metric_on_the_rows_it_took(key, missing, offset):
    metric, outputs = METRICS[key], outputs_of(METRICS[key])
    truth, predictions, index = sample(metric, missing=missing)
    if offset:
        truth, predictions = truth + offset, predictions + offset
    (prediction,) = each_seed(metric, predictions)
    counts = np.random.default_rng(1).multinomial(8, np.full(8, 1 / 8), size=200)
    got = metric.resampled(truth, prediction, index, counts, outputs)
    for count, values in zip(counts, got, strict=True):
        rows = rows_of(count, index)
        expected = metric.compute(
            taken(metric, truth, rows), taken(metric, prediction, rows), outputs
        )
        assert values == near(expected, metric)


@pytest.mark.parametrize("metric", EXACT)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_tiny_groups_are_undefined_exactly_where_the_rows_are(metric, seed):
    truth, predictions, index = sample(metric, clips=5, groups=4, outputs=2, seed=seed)
    if metric.kind == "regression":
        truth, predictions = np.round(truth), np.round(predictions)
    (prediction,) = each_seed(metric, predictions)
    outputs = outputs_of(metric, 2)
    counts = np.random.default_rng(seed).multinomial(4, np.full(4, 1 / 4), size=20)
    got = metric.resampled(truth, prediction, index, counts, outputs)
    for count, values in zip(counts, got, strict=True):
        rows = rows_of(count, index)
        expected = metric.compute(
            taken(metric, truth, rows), taken(metric, prediction, rows), outputs
        )
        assert values == near(expected, metric)


@pytest.mark.parametrize("metric", ALL)
def test_counts_of_one_give_the_value_itself(metric):
    truth, predictions, index = sample(metric, missing=0.1)
    (prediction,) = each_seed(metric, predictions)
    ones = np.ones((1, 8), dtype=np.uint8)
    got = metric.resampled(truth, prediction, index, ones, outputs_of(metric))[0]
    assert got == near(metric.compute(truth, prediction, outputs_of(metric)), metric, 1e-12)


@pytest.mark.parametrize("metric", BY_GROUP)
def test_the_interval_is_the_percentiles_of_the_mean_over_seeds(metric):
    truth, predictions, index = sample(metric, seeds=3)
    outputs = outputs_of(metric)
    found = bootstrap(
        metric, truth, predictions, index, outputs=outputs, draws=300, level=0.9, seed=5,
        method="percentile",
    )  # fmt: skip
    each = each_seed(metric, predictions)
    values = [metric.compute(truth, one, outputs) for one in each]
    assert found.per_seed == pytest.approx([float(metric.combine(v)) for v in values])
    assert found.score.value == pytest.approx(np.mean(found.per_seed))
    assert [s.value for s in found.per_output] == pytest.approx(np.mean(values, axis=0))

    counts = draw_counts(np.random.default_rng(5), 300, 8)
    rows = [rows_of(count, index) for count in counts]
    draws = np.array(  # [R, B, C]
        [
            [metric.compute(taken(metric, truth, r), taken(metric, one, r), outputs) for r in rows]
            for one in each
        ]
    )
    expected = np.quantile(metric.combine(draws).mean(axis=0), [0.05, 0.95])
    assert bounds(found.score) == near(expected, metric)
    expected = np.nanquantile(draws.mean(axis=0), [0.05, 0.95], axis=0)
    assert np.transpose([bounds(s) for s in found.per_output]) == near(expected, metric)
    assert all(s.low < s.value < s.high for s in (found.score, *found.per_output))
    assert (found.score.clips, found.score.groups, found.score.draws) == (60, 8, 300)
    assert (found.score.group_by, found.score.level) == ("speaker", 0.9)
    assert found.score.method == "percentile"


def test_counts_are_those_of_drawing_as_many_groups_with_replacement():
    counts = draw_counts(np.random.default_rng(0), 20_000, 5)
    assert (counts.sum(axis=1) == 5).all()
    # multinomial(5, 1/5): mean 1, variance 4/5, covariance -1/5; five standard errors
    covariance = np.cov(counts.T.astype(float))
    assert counts.mean(axis=0) == pytest.approx(np.ones(5), abs=5 * math.sqrt(0.8 / 20_000))
    assert covariance == pytest.approx(np.eye(5) - 0.2, abs=0.06)


@pytest.mark.parametrize("groups", [255, 256, 70_000])
def test_a_count_fits_its_type(groups):
    counts = draw_counts(np.random.default_rng(0), 1, groups)
    assert np.iinfo(counts.dtype).max >= groups
    assert counts.sum(dtype=np.int64) == groups


@pytest.mark.parametrize("metric", BY_GROUP)
@pytest.mark.parametrize("method", ["expanded", "bca", "jackknife"])
def test_the_same_seed_gives_the_same_numbers_whatever_the_blocks(metric, method, monkeypatch):
    truth, predictions, index = sample(metric, seeds=2)
    call = {"outputs": outputs_of(metric), "draws": 301, "method": method}
    first = bootstrap(metric, truth, predictions, index, **call)
    again = bootstrap(metric, truth, predictions, index, **call)
    other = bootstrap(metric, truth, predictions, index, **call, seed=1)
    monkeypatch.setattr("affectbench.intervals.draws.DRAWS_AT_ONCE", 7)
    monkeypatch.setattr("affectbench.intervals.draws.COUNT_BYTES", 24)  # three of a jackknife
    blocks = bootstrap(metric, truth, predictions, index, **call)
    assert first == again
    assert (first == other) == (method == "jackknife")  # which draws nothing
    assert bounds(blocks.score) == near(bounds(first.score), metric, 1e-13)


def test_neither_the_order_of_clips_nor_the_names_of_groups_matter():
    metric = METRICS["ccc.population"]
    truth, predictions, index = sample(metric, clips=300, groups=120)
    order = np.random.default_rng(0).permutation(len(truth))
    first = bootstrap(metric, truth, predictions, index, outputs=4, draws=200).score
    shuffled = bootstrap(
        metric,
        truth[order],
        predictions[:, order],
        [f"speaker {i:03d}" for i in index[order]],
        outputs=4,
        draws=200,
    ).score
    assert first.method == "expanded"
    assert [shuffled.value, *bounds(shuffled)] == pytest.approx(
        [first.value, *bounds(first)], abs=1e-12
    )


def test_undefined_draws_are_counted_and_left_out():
    metric = METRICS["ccc.population"]
    # Two speakers; the clips of the second are constant and right: alone they have no CCC.
    truth = np.array([[0.0], [1.0], [2.0], [0.5], [0.5]])
    prediction = np.array([[0.1], [1.3], [1.8], [0.5], [0.5]])
    call = {"outputs": 1, "draws": 400}
    found = bootstrap(metric, truth, [prediction], list("aaabb"), **call, method="percentile")
    counts = draw_counts(np.random.default_rng(0), 400, 2)
    alone = int((counts[:, 1] == 2).sum())
    assert 0 < alone < 400
    assert found.score.undefined == found.per_output[0].undefined == alone
    assert found.score.low <= found.score.value <= found.score.high
    # a CCC that hangs on one speaker has no interval that leaves speakers out
    left_out = bootstrap(metric, truth, [prediction], list("aaabb"), **call, method="jackknife")
    assert (left_out.score.draws, left_out.score.undefined) == (2, 1)
    assert np.isnan(bounds(left_out.score)).all()


def test_a_class_that_a_draw_lacks_is_undefined_there_but_the_mean_is_not():
    metric = METRICS["uar.truth"]
    truth, prediction = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    found = bootstrap(
        metric, truth, [prediction], list("abcd"), outputs=3, draws=300, method="percentile"
    )
    assert found.score.undefined == 0
    assert found.per_output[1].value == 1
    assert found.per_output[1].undefined > 0
    never = found.per_output[2]
    assert math.isnan(never.value)
    assert math.isnan(never.low)
    assert never.undefined == never.draws == 300


@pytest.mark.parametrize("metric", BY_GROUP)
@pytest.mark.parametrize("unknown", [None, NAN])
def test_unknown_groups_give_a_value_without_an_interval(metric, unknown):
    truth, predictions, index = sample(metric)
    groups = [*(f"s{i}" for i in index[1:]), unknown]
    outputs = outputs_of(metric)
    found = bootstrap(metric, truth, predictions, groups, outputs=outputs)
    score = found.score
    assert score.value == bootstrap(metric, truth, predictions, index, outputs=outputs).score.value
    assert np.isnan(bounds(score)).all()
    assert (score.groups, score.group_by, score.draws, score.undefined) == (0, "", 0, 0)
    assert score.method == ""
    assert len(found.per_output) == count_of(metric)
    assert warn_few(score) is None


def test_one_group_has_no_interval_and_says_so():
    metric = METRICS["uar.truth"]
    truth, predictions, _ = sample(metric)
    score = bootstrap(metric, truth, predictions, ["a"] * 60, outputs=4, group_by="seed").score
    assert score.value > 0
    assert np.isnan(bounds(score)).all()
    assert (score.groups, score.group_by, score.draws, score.method) == (1, "seed", 0, "")
    assert "only one seed" in warn_few(score)


@pytest.mark.parametrize("method", ["percentile", "expanded", "bca", "jackknife"])
def test_an_undefined_value_has_no_interval(method):
    metric = METRICS["ccc.sample"]
    truth, predictions, index = sample(metric)
    truth[:, 2] = predictions[..., 2] = 0.3
    found = bootstrap(metric, truth, predictions, index, outputs=4, draws=50, method=method)
    assert np.isnan([found.score.value, *bounds(found.score)]).all()
    assert found.score.undefined == found.score.draws == (8 if method == "jackknife" else 50)
    assert found.per_output[0].low < found.per_output[0].high


@pytest.mark.parametrize("method", ["percentile", "expanded", "bca", "jackknife"])
def test_draws_that_are_all_equal_show_no_interval(method):
    truth, wrong = np.array([0, 1] * 20), np.array([0, 0] * 20)
    found = bootstrap(
        METRICS["uar.truth"], truth, [wrong], np.arange(40) // 2, outputs=2, draws=50, method=method
    )
    assert [score.value for score in found.per_output] == [1, 0]
    assert np.isnan([bounds(score) for score in (found.score, *found.per_output)]).all()


def test_clips_may_be_resampled_when_asked_for_and_vectors_are_one_output():
    metric = METRICS["ccc.population"]
    truth, predictions, _ = sample(metric, outputs=1)
    flat = bootstrap(
        metric, truth[:, 0], predictions[..., 0], np.arange(60), outputs=1, group_by="clip"
    )
    column = bootstrap(metric, truth, predictions, np.arange(60), outputs=1, group_by="clip")
    assert flat == column
    assert (flat.score.groups, flat.score.group_by) == (60, "clip")
    assert flat.per_output[0] == flat.score


def test_the_ages_of_a_composite_may_be_a_vector():
    metric = METRICS["s_mtl.sound"]
    (high, country, age), (highs, countries, ages), index = sample(metric, seeds=2)
    call = {"groups": index, "outputs": (4, 4, 1)}
    flat = bootstrap(metric, (high, country, age[:, 0]), (highs, countries, ages[..., 0]), **call)
    column = bootstrap(metric, (high, country, age), (highs, countries, ages), **call)
    assert flat == column
    assert len(column.per_output) == 3
    mean_ccc, recall, error = column.per_output
    assert mean_ccc.high <= 1
    assert recall.high <= 1
    assert error.low < error.value < error.high


def test_more_groups_than_fit_a_block_are_drawn_in_blocks(monkeypatch):
    metric = METRICS["uar.union"]
    truth, predictions, _ = sample(metric, clips=300)
    call = {"outputs": 4, "draws": 40, "method": "bca"}
    whole = bootstrap(metric, truth, predictions, np.arange(300), **call)
    monkeypatch.setattr("affectbench.intervals.draws.COUNT_BYTES", 1)
    monkeypatch.setattr("affectbench.metrics.resampling.COUNTS_AT_ONCE", 1)
    single = bootstrap(metric, truth, predictions, np.arange(300), **call)
    assert single == whole  # recalls are ratios of whole numbers: equal to the last bit


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"predictions": np.ones((60, 4))}, "seeds in front"),
        ({"predictions": np.ones((1, 59, 4))}, r"\(1, 59, 4\)"),
        ({"predictions": np.ones((0, 60, 4))}, "seeds in front"),
        ({"predictions": [[["high"] * 4] * 60]}, "of numbers or class indices"),
        ({"truth": [[0.5], [0.5, 0.5]]}, "rows of one length"),
        ({"groups": ["a"] * 59}, "59 groups for 60 clips"),
        ({"outputs": 3}, r"\(60, 4\); expected \(60, 3\)"),
        ({"draws": 0}, "at least 1 draw"),
        ({"level": 95}, "level 95"),
        ({"method": "normal"}, "There are: auto, expanded, jackknife, percentile, bca"),
        ({"metric": METRICS["s_gen.mean"]}, "measures generated clips"),
    ],
)
def test_a_wrong_call_is_told_what_was_found_and_expected(change, said):
    metric = METRICS["ccc.population"]
    truth, predictions, index = sample(metric)
    call = {
        "metric": metric, "truth": truth, "predictions": predictions, "groups": index, "outputs": 4
    } | change  # fmt: skip
    kinds = {"draws": AffectBenchError, "level": AffectBenchError, "metric": AffectBenchError}
    kinds["method"] = UnknownName
    with pytest.raises(kinds.get(next(iter(change)), BadData), match=said):
        bootstrap(**call)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"truth": np.ones(60)}, "expected truth, predictions and outputs as tuples"),
        ({"outputs": (4, 4)}, r"made of ccc.population, uar.truth, mae.mean"),
        ({"seeds": 3}, "2 seeds of 60 clips, 3 seeds of 60 clips"),
    ],
)
def test_a_wrong_composite_is_told_what_was_found_and_expected(change, said):
    metric = METRICS["s_mtl.sound"]
    truth, predictions, index = sample(metric, seeds=2)
    if "seeds" in change:
        predictions = (*predictions[:2], np.ones((3, 60, 1)))
        change = {}
    call = {"truth": truth, "predictions": predictions, "groups": index, "outputs": (4, 4, 1)}
    with pytest.raises(BadData, match=said):
        bootstrap(metric, **call | change)
