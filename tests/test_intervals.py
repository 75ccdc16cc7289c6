import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectbench.errors import AffectBenchError, BadData
from affectbench.intervals import bootstrap, draw_counts, warn_few
from affectbench.metrics import METRICS

NAN = math.nan
ALL = [pytest.param(metric, id=metric.key) for metric in METRICS.values()]
# whether the float32 means of constants cancel is chance, so not for the official reading
EXACT = [case for case in ALL if case.id != "ccc.official"]
TOLERANCE = {"official": 1.0001e-4}  # one step of the rounding: float32 means are not in the sums


def sample(metric, *, clips=60, groups=8, outputs=4, seeds=1, missing=0.0, seed=0):
    """Truth, predictions of some seeds and groups, for either kind of metric."""
    rng = np.random.default_rng(seed)
    index = rng.integers(groups, size=clips)
    index[:groups] = np.arange(groups)
    if metric.kind == "classification":
        truth = rng.integers(outputs, size=clips)
        wrong = rng.random((seeds, clips)) < 0.4
        return truth, np.where(wrong, rng.integers(outputs, size=(seeds, clips)), truth), index
    truth = rng.random((clips, outputs))
    predictions = 0.6 * truth + 0.4 * rng.random((seeds, clips, outputs))
    truth[rng.random(truth.shape) < missing] = NAN
    predictions[rng.random(predictions.shape) < missing] = NAN
    return truth, predictions, index


def rows_of(count, index):
    """The rows that a draw took, each as often as its group."""
    return np.concatenate(
        [
            np.repeat(np.flatnonzero(index == g)[None], n, axis=0).ravel()
            for g, n in enumerate(count)
        ]
    )


@pytest.mark.parametrize(
    ("key", "missing", "offset"),
    [
        *((key, 0.0, 0.0) for key in METRICS),
        *((key, 0.15, 0.0) for key in METRICS if key.startswith("ccc")),
        ("ccc.population", 0.15, 1e6),
        ("ccc.sample", 0.15, 1e6),
    ],
)
def test_a_draw_from_sums_equals_the_metric_on_the_rows_it_took(key, missing, offset):
    metric = METRICS[key]
    truth, (prediction,), index = sample(metric, missing=missing)
    truth, prediction = (truth + offset, prediction + offset) if offset else (truth, prediction)
    counts = np.random.default_rng(1).multinomial(8, np.full(8, 1 / 8), size=200)
    got = metric.resampled(truth, prediction, index, counts, 4)
    for count, values in zip(counts, got, strict=True):
        rows = rows_of(count, index)
        expected = metric.compute(truth[rows], prediction[rows], 4)
        tolerance = TOLERANCE.get(metric.variant, 1e-10)
        assert values == pytest.approx(expected, abs=tolerance, nan_ok=True)


@pytest.mark.parametrize("metric", EXACT)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_tiny_groups_are_undefined_exactly_where_the_rows_are(metric, seed):
    truth, (prediction,), index = sample(metric, clips=5, groups=4, outputs=2, seed=seed)
    if metric.kind == "regression":
        truth, prediction = np.round(truth), np.round(prediction)
    counts = np.random.default_rng(seed).multinomial(4, np.full(4, 1 / 4), size=20)
    got = metric.resampled(truth, prediction, index, counts, 2)
    for count, values in zip(counts, got, strict=True):
        rows = rows_of(count, index)
        expected = metric.compute(truth[rows], prediction[rows], 2)
        assert values == pytest.approx(expected, abs=1e-10, nan_ok=True)


@pytest.mark.parametrize("metric", ALL)
def test_counts_of_one_give_the_value_itself(metric):
    truth, (prediction,), index = sample(metric, missing=0.1)
    got = metric.resampled(truth, prediction, index, np.ones((1, 8), dtype=np.uint8), 4)[0]
    tolerance = TOLERANCE.get(metric.variant, 1e-12)
    assert got == pytest.approx(metric.compute(truth, prediction, 4), abs=tolerance, nan_ok=True)


@pytest.mark.parametrize("metric", ALL)
def test_the_interval_is_the_percentiles_of_the_mean_over_seeds(metric):
    truth, predictions, index = sample(metric, seeds=3)
    found = bootstrap(metric, truth, predictions, index, outputs=4, draws=300, level=0.9, seed=5)
    values = [metric.compute(truth, one, 4) for one in predictions]
    assert found.per_seed == pytest.approx([float(metric.combine(v)) for v in values])
    assert found.score.value == pytest.approx(np.mean(found.per_seed))
    assert [s.value for s in found.per_output] == pytest.approx(np.mean(values, axis=0))

    counts = draw_counts(np.random.default_rng(5), 300, 8)
    draws = [
        [
            metric.combine(metric.compute(truth[rows], one[rows], 4))
            for rows in (rows_of(count, index) for count in counts)
        ]
        for one in predictions
    ]
    expected = np.quantile(np.mean(draws, axis=0), [0.05, 0.95])
    tolerance = TOLERANCE.get(metric.variant, 1e-10)
    assert [found.score.low, found.score.high] == pytest.approx(expected, abs=tolerance)
    assert found.score.low < found.score.value < found.score.high
    assert all(s.low < s.value < s.high for s in found.per_output)
    assert (found.score.clips, found.score.groups, found.score.draws) == (60, 8, 300)
    assert (found.score.group_by, found.score.level) == ("speaker", 0.9)


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


@pytest.mark.parametrize("metric", ALL)
def test_the_same_seed_gives_the_same_numbers_whatever_the_blocks(metric, monkeypatch):
    truth, predictions, index = sample(metric, seeds=2)
    first = bootstrap(metric, truth, predictions, index, outputs=4, draws=101)
    again = bootstrap(metric, truth, predictions, index, outputs=4, draws=101)
    other = bootstrap(metric, truth, predictions, index, outputs=4, draws=101, seed=1)
    monkeypatch.setattr("affectbench.intervals.score.DRAWS_AT_ONCE", 7)
    blocks = bootstrap(metric, truth, predictions, index, outputs=4, draws=101)
    assert first == again
    assert first.score.low != other.score.low
    assert [blocks.score.low, blocks.score.high] == pytest.approx(
        [first.score.low, first.score.high], abs=TOLERANCE.get(metric.variant, 1e-13)
    )


def test_neither_the_order_of_clips_nor_the_names_of_groups_matter():
    metric = METRICS["ccc.population"]
    truth, predictions, index = sample(metric)
    order = np.random.default_rng(0).permutation(len(truth))
    first = bootstrap(metric, truth, predictions, index, outputs=4, draws=200).score
    shuffled = bootstrap(
        metric,
        truth[order],
        predictions[:, order],
        [f"speaker {i}" for i in index[order]],
        outputs=4,
        draws=200,
    ).score
    assert [shuffled.value, shuffled.low, shuffled.high] == pytest.approx(
        [first.value, first.low, first.high], abs=1e-12
    )


def test_undefined_draws_are_counted_and_left_out():
    metric = METRICS["ccc.population"]
    # Two speakers; the clips of the second are constant and right: alone they have no CCC.
    truth = np.array([[0.0], [1.0], [2.0], [0.5], [0.5]])
    prediction = np.array([[0.1], [1.3], [1.8], [0.5], [0.5]])
    found = bootstrap(metric, truth, [prediction], list("aaabb"), outputs=1, draws=400)
    counts = draw_counts(np.random.default_rng(0), 400, 2)
    alone = int((counts[:, 1] == 2).sum())
    assert 0 < alone < 400
    assert found.score.undefined == found.per_output[0].undefined == alone
    assert found.score.low <= found.score.value <= found.score.high


def test_a_class_that_a_draw_lacks_is_undefined_there_but_the_mean_is_not():
    metric = METRICS["uar.truth"]
    truth, prediction = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    found = bootstrap(metric, truth, [prediction], list("abcd"), outputs=3, draws=300)
    assert found.score.undefined == 0
    assert found.per_output[1].value == 1
    assert found.per_output[1].undefined > 0
    never = found.per_output[2]
    assert math.isnan(never.value)
    assert math.isnan(never.low)
    assert never.undefined == never.draws == 300


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize("unknown", [None, NAN])
def test_unknown_groups_give_a_value_without_an_interval(metric, unknown):
    truth, predictions, index = sample(metric)
    groups = [*(f"s{i}" for i in index[1:]), unknown]
    found = bootstrap(metric, truth, predictions, groups, outputs=4)
    score = found.score
    assert score.value == bootstrap(metric, truth, predictions, index, outputs=4).score.value
    assert math.isnan(score.low)
    assert math.isnan(score.high)
    assert (score.groups, score.group_by, score.draws, score.undefined) == (0, "", 0, 0)
    assert len(found.per_output) == 4
    assert warn_few(score) is None


def test_one_group_has_no_interval_and_says_so():
    metric = METRICS["uar.truth"]
    truth, predictions, _ = sample(metric)
    score = bootstrap(metric, truth, predictions, ["a"] * 60, outputs=4).score
    assert score.value > 0
    assert math.isnan(score.low)
    assert (score.groups, score.group_by, score.draws) == (1, "speaker", 0)
    assert "only one speaker" in warn_few(score)


def test_an_undefined_value_has_no_interval():
    metric = METRICS["ccc.sample"]
    truth, predictions, index = sample(metric)
    truth[:, 2] = predictions[..., 2] = 0.3
    found = bootstrap(metric, truth, predictions, index, outputs=4, draws=50)
    assert math.isnan(found.score.value)
    assert math.isnan(found.score.low)
    assert found.score.undefined == 50
    assert found.per_output[0].low < found.per_output[0].high


def test_few_groups_are_warned_of():
    metric = METRICS["ccc.population"]
    for groups, warned in ((9, True), (10, False)):
        truth, predictions, index = sample(metric, groups=groups)
        score = bootstrap(metric, truth, predictions, index, outputs=4, draws=20).score
        assert (warn_few(score) is not None) == warned
    truth, predictions, index = sample(metric, groups=9)
    score = bootstrap(metric, truth, predictions, index, outputs=4, draws=20).score
    assert warn_few(score).startswith("Only 9 speakers")


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


def test_more_groups_than_fit_a_block_are_drawn_in_blocks(monkeypatch):
    metric = METRICS["uar.union"]
    truth, predictions, _ = sample(metric, clips=300)
    whole = bootstrap(metric, truth, predictions, np.arange(300), outputs=4, draws=40)
    monkeypatch.setattr("affectbench.intervals.score.COUNT_BYTES", 1)
    monkeypatch.setattr("affectbench.metrics.resampling.COUNTS_AT_ONCE", 1)
    single = bootstrap(metric, truth, predictions, np.arange(300), outputs=4, draws=40)
    assert single == whole  # recalls are ratios of whole numbers: equal to the last bit


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"predictions": np.ones((60, 4))}, "seeds in front"),
        ({"predictions": np.ones((1, 59, 4))}, r"\(1, 59, 4\)"),
        ({"predictions": np.ones((0, 60, 4))}, "seeds in front"),
        ({"groups": ["a"] * 59}, "59 groups for 60 clips"),
        ({"outputs": 3}, r"\(60, 4\); expected \(60, 3\)"),
        ({"draws": 0}, "at least 1 draw"),
        ({"level": 95}, "level 95"),
    ],
)
def test_a_wrong_call_is_told_what_was_found_and_expected(change, said):
    metric = METRICS["ccc.population"]
    truth, predictions, index = sample(metric)
    call = {"truth": truth, "predictions": predictions, "groups": index, "outputs": 4} | change
    error = AffectBenchError if {"draws", "level"} & set(change) else BadData
    with pytest.raises(error, match=said):
        bootstrap(metric, **call)
