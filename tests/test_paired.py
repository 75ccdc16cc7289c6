import math
from itertools import product

import numpy as np
import pytest

from affectbench.errors import AffectBenchError, BadData
from affectbench.intervals import draw_counts
from affectbench.intervals.methods import BOOTSTRAP_FROM
from affectbench.intervals.paired import compare
from affectbench.metrics import METRICS

NAN = math.nan
CCC = METRICS["ccc.population"]
SIMPLE = ("ccc.population", "ccc.official", "spearman.mean", "mae.mean", "uar.truth")


def sample(key, *, groups=5, clips=40, outputs=3, first=1, second=1, seed=0):
    """Truth, predictions of two systems with some seeds each, and the groups of the clips."""
    rng = np.random.default_rng(seed)
    index = np.append(np.arange(groups), rng.integers(groups, size=clips - groups))
    if METRICS[key].kind == "classification":
        truth = rng.integers(outputs, size=clips)

        def system(seeds, wrong):
            guess = rng.integers(outputs, size=(seeds, clips))
            return np.where(rng.random((seeds, clips)) < wrong, guess, truth)
    else:
        truth = rng.normal(size=(clips, outputs))

        def system(seeds, wrong):
            noise = rng.normal(size=(seeds, clips, outputs))
            return 0.5 * truth + wrong * (noise + rng.normal(size=(groups, outputs))[index])

    return truth, system(first, 0.4), system(second, 0.6), index


def value(metric, truth, seeds, outputs):
    return float(np.mean([metric.combine(metric.compute(truth, one, outputs)) for one in seeds]))


def swapped_by_hand(metric, truth, first, second, index, outputs):
    """The difference under each way to swap groups, and how many are as large as the first."""
    found = []
    for swaps in product([False, True], repeat=index.max() + 1):
        there = np.array(swaps)[index]
        shape = (-1, *[1] * (truth.ndim - 1))
        one = np.where(there.reshape(shape), second, first)
        other = np.where(there.reshape(shape), first, second)
        found.append(value(metric, truth, one, outputs) - value(metric, truth, other, outputs))
    return found


@pytest.mark.parametrize("key", SIMPLE)
def test_the_exact_p_is_that_of_all_ways_to_swap_groups(key):
    metric = METRICS[key]
    truth, first, second, index = sample(key)
    got = compare(metric, truth, first, second, index, outputs=3, draws=50)
    found = swapped_by_hand(metric, truth, first, second, index, 3)
    least = abs(found[0]) - (1e-9 if key != "ccc.official" else 1.01e-4)
    assert got.p == np.mean(np.abs(found) >= least)
    assert (got.exact, got.permutations, got.undefined_permutations) == (True, 16, 0)
    assert got.difference == pytest.approx(found[0])
    assert (got.first, got.second) == (
        pytest.approx(value(metric, truth, first, 3)),
        pytest.approx(value(metric, truth, second, 3)),
    )


def test_drawn_permutations_tell_what_all_of_them_do():
    truth, first, second, index = sample("ccc.population", groups=12, clips=60)
    call = {"outputs": 3, "group_by": "speaker"}
    all_of_them = compare(CCC, truth, first, second, index, draws=2_048, **call)
    drawn = compare(CCC, truth, first, second, index, draws=2_047, **call)
    assert (all_of_them.exact, all_of_them.permutations) == (True, 2_048)
    assert (drawn.exact, drawn.permutations) == (False, 2_047)
    spread = math.sqrt(all_of_them.p * (1 - all_of_them.p) / 2_047)
    assert 0.01 < all_of_them.p < 0.99
    assert abs(drawn.p - all_of_them.p) < 5 * spread


def test_seeds_are_averaged_and_swap_together():
    truth, first, second, index = sample("ccc.population", first=2, second=3)
    got = compare(CCC, truth, first, second, index, outputs=3, draws=16)
    assert got.first == pytest.approx(value(CCC, truth, first, 3))
    assert got.second == pytest.approx(value(CCC, truth, second, 3))
    # the six pairs of a seed each: both means are over seeds that come equally often
    found = swapped_by_hand(
        CCC, truth, np.tile(first, (3, 1, 1)), np.tile(second, (2, 1, 1)), index, 3
    )
    assert got.p == np.mean(np.abs(found) >= abs(found[0]) - 1e-12)
    assert got.difference == pytest.approx(found[0])


@pytest.mark.parametrize("key", SIMPLE)
def test_the_interval_is_of_differences_in_the_same_draws(key):
    metric = METRICS[key]
    truth, first, second, index = sample(key, groups=BOOTSTRAP_FROM, clips=300, first=2)
    got = compare(metric, truth, first, second, index, outputs=3, draws=300, seed=4)
    counts = draw_counts(np.random.default_rng(4), 300, BOOTSTRAP_FROM)
    one, other = (
        np.mean(
            [metric.combine(metric.resampled(truth, p, index, counts, 3)) for p in seeds], axis=0
        )
        for seeds in (first, second)
    )
    assert got.low < np.quantile(one - other, 0.03)
    assert got.high > np.quantile(one - other, 0.97)
    assert got.low >= (one - other).min()
    assert got.high <= (one - other).max()
    assert got.correlation == pytest.approx(np.corrcoef(one, other)[0, 1])
    sign = -1 if key.startswith("mae") else 1
    better = np.mean(sign * (one - other) > 0) + np.mean(one == other) / 2
    assert got.superiority == pytest.approx(better)
    assert (got.method, got.draws, got.undefined) == ("expanded", 300, 0)
    assert (got.clips, got.groups, got.group_by) == (300, BOOTSTRAP_FROM, "speaker")


@pytest.mark.parametrize("key", SIMPLE)
@pytest.mark.parametrize("groups", [8, BOOTSTRAP_FROM])
def test_the_other_way_round_is_the_mirror_image(key, groups):
    metric = METRICS[key]
    truth, first, second, index = sample(key, groups=groups, clips=250)
    there = compare(metric, truth, first, second, index, outputs=3, draws=200)
    back = compare(metric, truth, second, first, index, outputs=3, draws=200)
    assert back.difference == -there.difference
    assert (back.low, back.high) == (pytest.approx(-there.high), pytest.approx(-there.low))
    assert back.superiority == pytest.approx(1 - there.superiority)
    assert back.p == there.p
    assert there.low < there.difference < there.high
    assert {there.better, back.better} == {"first", "second"}


def test_a_smaller_error_is_better():
    metric = METRICS["mae.mean"]
    truth, first, second, index = sample("mae.mean", groups=12, clips=300)
    got = compare(metric, truth, first, second, index, outputs=3, draws=500)
    assert got.first < got.second
    assert got.difference < got.low * 0  # in the metric's own direction
    assert (got.better, got.higher_is_better) == ("first", False)
    assert got.superiority > 0.9
    assert got.significant


def test_few_groups_have_the_interval_of_the_jackknife():
    truth, first, second, index = sample("ccc.population", groups=12, clips=200)
    got = compare(CCC, truth, first, second, index, outputs=3, draws=200)
    without = [index != g for g in range(12)]
    alone = np.array(
        [
            value(CCC, truth[k], first[:, k], 3) - value(CCC, truth[k], second[:, k], 3)
            for k in without
        ]
    )
    error = math.sqrt(11 / 12 * ((alone - alone.mean()) ** 2).sum())
    reach = 2.200985160082949 * error  # Student's t with 11 degrees of freedom, .975
    assert got.method == "jackknife"
    assert [got.low, got.high] == pytest.approx([got.difference - reach, got.difference + reach])


def test_a_system_is_as_good_as_itself():
    truth, first, _, index = sample("ccc.population", groups=BOOTSTRAP_FROM, clips=120)
    got = compare(CCC, truth, first, first, index, outputs=3, draws=100)
    assert (got.difference, got.p, got.superiority, got.better) == (0, 1, 0.5, "")
    assert math.isnan(got.low)
    assert math.isnan(got.high)
    assert got.correlation == pytest.approx(1)
    assert not got.significant


def test_interchangeable_systems_are_rarely_told_apart():
    rejected = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        index = np.repeat(np.arange(8), 5)
        truth = rng.normal(size=(40, 1))
        predictions = truth + rng.normal(size=(2, 40, 1)) + rng.normal(size=(2, 8, 1))[:, index]
        got = compare(CCC, truth, predictions[:1], predictions[1:], index, outputs=1, draws=128)
        rejected += got.significant
    assert 1 <= rejected <= 22  # of 200 at .05; the binomial is outside once in 1,000


def test_a_composite_is_compared_by_its_combined_value():
    metric = METRICS["s_mtl.sound"]
    rng = np.random.default_rng(0)
    index = rng.integers(5, size=60)
    truth = (rng.normal(size=(60, 2)), rng.integers(3, size=60), rng.uniform(20, 40, size=60))

    def system(noise):
        emotions = truth[0] + noise * rng.normal(size=(1, 60, 2))
        countries = np.where(rng.random((1, 60)) < noise, 0, truth[1])
        return emotions, countries, truth[2] + 5 * noise * rng.normal(size=(1, 60))

    first, second = system(0.4), system(0.6)
    got = compare(metric, truth, first, second, index, outputs=(2, 3, 1), draws=100)
    columns = (truth[0], truth[1], truth[2][:, None])
    values = [
        float(metric.combine(metric.compute(columns, (a[0], b[0], c[0][:, None]), (2, 3, 1))))
        for a, b, c in (first, second)
    ]
    assert [got.first, got.second] == pytest.approx(values)
    assert got.better == "first"
    assert got.exact
    assert 0 < got.p < 0.3


def test_what_one_system_does_not_predict_is_left_out_of_both():
    truth, first, second, index = sample("ccc.population", first=2)
    first[1, 3, 0] = second[0, 7, 2] = second[0, 8, 2] = NAN
    truth[8, 2] = truth[20, 1] = NAN
    got = compare(CCC, truth, first, second, index, outputs=3, draws=16)
    assert got.unmatched == 2  # the third has no truth
    masked = truth.copy()
    masked[3, 0] = masked[7, 2] = NAN
    full = (np.nan_to_num(first), np.nan_to_num(second))
    values = [value(CCC, masked, seeds, 3) for seeds in full]
    assert [got.first, got.second] == pytest.approx(values)


def test_an_undefined_value_leaves_all_undefined_and_is_counted():
    truth, first, second, index = sample("ccc.population")
    truth[:, 1] = first[..., 1] = 0.5
    got = compare(CCC, truth, first, second, index, outputs=3, draws=60)
    assert math.isnan(got.first)
    assert got.second != got.first
    assert all(map(math.isnan, (got.difference, got.low, got.high, got.superiority, got.p)))
    assert (got.undefined, got.draws, got.permutations, got.better) == (60, 60, 0, "")
    assert not got.significant


def test_undefined_permutations_are_counted_and_left_out():
    # Half of the recalls of the official S_MTL are undefined where a CCC is negative.
    metric = METRICS["s_mtl.official"]
    rng = np.random.default_rng(3)
    index = np.arange(30) % 5
    truth = (rng.normal(size=(30, 1)), rng.integers(2, size=30), rng.uniform(20, 40, size=30))
    good = (truth[0] + 0.1 * rng.normal(size=(1, 30, 1)), truth[1][None], truth[2][None] + 1)
    poor = (rng.normal(size=(1, 30, 1)) * 0.2 + 0.02 * truth[0], truth[1][None], truth[2][None] + 2)
    for sign in (1, -1):  # one of the two has a positive CCC
        second = (sign * poor[0], *poor[1:])
        got = compare(metric, truth, good, second, index, outputs=(1, 2, 1), draws=16)
        if not math.isnan(got.second):
            break
    assert got.undefined_permutations + got.permutations == 16
    assert got.undefined > 0
    assert 0 < got.p <= 1


@pytest.mark.parametrize("unknown", [None, NAN])
def test_unknown_groups_give_values_alone(unknown):
    truth, first, second, index = sample("mae.mean")
    groups = [*(f"s{i}" for i in index[1:]), unknown]
    got = compare(METRICS["mae.mean"], truth, first, second, groups, outputs=3)
    assert got.difference == pytest.approx(got.first - got.second)
    assert all(map(math.isnan, (got.low, got.high, got.superiority, got.correlation, got.p)))
    assert (got.groups, got.group_by, got.draws, got.permutations, got.method) == (0, "", 0, 0, "")
    alone = compare(METRICS["mae.mean"], truth, first, second, ["a"] * 40, outputs=3)
    assert (alone.groups, alone.group_by, alone.draws) == (1, "speaker", 0)
    assert math.isnan(alone.p)


def test_the_same_seed_gives_the_same_numbers_whatever_order_and_blocks(monkeypatch):
    truth, first, second, index = sample("uar.truth", groups=12, clips=60)
    metric = METRICS["uar.truth"]
    call = {"outputs": 3, "draws": 300}
    got = compare(metric, truth, first, second, index, **call)
    assert got == compare(metric, truth, first, second, index, **call)
    assert got.p != compare(metric, truth, first, second, index, **call, seed=1).p
    order = np.random.default_rng(0).permutation(60)
    names = [f"speaker {i:02}" for i in index[order]]
    moved = compare(metric, truth[order], first[:, order], second[:, order], names, **call)
    assert moved == got  # recalls are ratios of whole numbers
    monkeypatch.setattr("affectbench.intervals.permutation.DRAWS_AT_ONCE", 7)
    assert compare(metric, truth, first, second, index, **call) == got


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"second": np.ones((40, 3))}, "seeds in front"),
        ({"second": np.ones((1, 39, 3))}, r"\(1, 39, 3\)"),
        ({"groups": ["a"] * 39}, "39 groups for 40 clips"),
        ({"outputs": 2}, r"expected \(40, 2\)"),
        ({"draws": 0}, "at least 1 draw"),
        ({"level": 95}, "level 95"),
    ],
)
def test_a_wrong_call_is_told_what_was_found_and_expected(change, said):
    truth, first, second, index = sample("ccc.population")
    call = {"truth": truth, "first": first, "second": second, "groups": index, "outputs": 3}
    error = AffectBenchError if {"draws", "level"} & set(change) else BadData
    with pytest.raises(error, match=said):
        compare(CCC, **(call | change))
