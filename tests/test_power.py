import math

import numpy as np
import pytest

from affectbench.errors import AffectBenchError, BadData
from affectbench.intervals.draws import grouped
from affectbench.intervals.paired import compare
from affectbench.intervals.power import smallest_detectable
from affectbench.intervals.rivals import make_rival
from affectbench.metrics import METRICS

NAN = math.nan
CCC, UAR, MTL = METRICS["ccc.population"], METRICS["uar.truth"], METRICS["s_mtl.sound"]


def numbers(rng, *, groups=40, per_group=20, outputs=1, slope=0.5, noise=0.5, nearer=0.0):
    """Truth, a system and a rival whose errors are their own and have a part of each group's."""
    index = np.repeat(np.arange(groups), per_group)

    def drawn():
        shape = (len(index), outputs)
        return rng.normal(size=shape) + rng.normal(size=(groups, outputs))[index]

    truth = drawn()
    system, rival = (slope * truth + noise * drawn() for _ in range(2))
    return truth, system[None], (rival + nearer * (truth - rival))[None], index


def classes(rng, *, groups=30, per_group=20, outputs=4):
    index = np.repeat(np.arange(groups), per_group)
    truth = rng.integers(outputs, size=len(index))
    hard = rng.random(groups)[index]
    guess = (truth + rng.integers(1, 3, size=len(index))) % outputs
    return truth, np.where(rng.random(len(index)) < 0.2 + 0.5 * hard, guess, truth)[None], index


def parts(rng):
    """Truth and predictions of a composite."""
    truth, system, _, index = numbers(rng, groups=30, outputs=2)
    kind, guess, _ = classes(rng)
    age = rng.uniform(20, 60, size=len(index))
    return (truth, kind, age), (system, guess, age[None] + rng.normal(size=(1, 600))), index


def test_a_rival_that_keeps_all_errors_is_the_system_and_one_without_errors_the_truth():
    rng = np.random.default_rng(0)
    truth, system, _, index = numbers(rng, outputs=2)
    rival = make_rival(CCC, truth, list(system), grouped(index), rng)
    assert np.array_equal(rival.predictions(1, 0)[0], system[0])
    assert np.allclose(rival.predictions(0, 1)[0], truth)
    halfway = rival.predictions(0, 0.5)[0]
    assert np.allclose(halfway, (rival.predictions(0, 0)[0] + truth) / 2)
    kinds, guess, index = classes(rng)
    rival = make_rival(UAR, kinds, list(guess), grouped(index), rng)
    assert np.array_equal(rival.predictions(1, 0)[0], guess[0])
    assert np.array_equal(rival.predictions(0, 1)[0], kinds)
    right = [np.mean(rival.predictions(0, share)[0] == kinds) for share in (0, 0.25, 0.5)]
    assert right[1] - right[0] == pytest.approx(0.25 * (1 - right[0]), abs=0.04)
    assert right[2] - right[0] == pytest.approx(0.5 * (1 - right[0]), abs=0.06)


def test_a_rival_is_as_good_as_the_system_and_errs_elsewhere():
    rng = np.random.default_rng(1)
    truth, system, _, index = numbers(rng, groups=200, outputs=3)
    others = [
        make_rival(CCC, truth, list(system), grouped(index), rng).predictions(0, 0)[0]
        for _ in range(10)
    ]
    own = CCC.compute(truth, system[0], 3)
    assert np.mean([CCC.compute(truth, o, 3) for o in others], axis=0) == pytest.approx(
        own, abs=0.01
    )
    rest, other = (p - 0.5 * truth for p in (system[0], others[0]))
    assert abs(np.corrcoef(rest[:, 0], other[:, 0])[0, 1]) < 0.1
    # outputs err together as they did, and so do the clips of a group
    assert np.corrcoef(other.T) == pytest.approx(np.corrcoef(rest.T), abs=0.05)
    means = [np.bincount(index, weights=e[:, 0]).var() for e in (rest, other)]
    assert means[1] == pytest.approx(means[0], rel=0.15)


def test_a_class_is_mistaken_as_it_was_in_the_giving_group():
    rng = np.random.default_rng(2)
    truth, guess, index = classes(rng, groups=60)
    rival = make_rival(UAR, truth, list(guess), grouped(index), rng).predictions(0, 0)[0]
    confusion = [np.histogram2d(truth, p, bins=4)[0] for p in (guess[0], rival)]
    assert confusion[1] == pytest.approx(confusion[0], abs=45)
    right = [np.bincount(index, weights=p == truth) / 20 for p in (guess[0], rival)]
    assert np.std(right[1]) == pytest.approx(np.std(right[0]), rel=0.25)
    assert abs(np.corrcoef(right)[0, 1]) < 0.4


def test_a_class_that_no_other_group_has_is_borrowed_from_its_own():
    rng = np.random.default_rng(3)
    truth, guess = np.array([0, 0, 1, 2]), np.array([0, 1, 2, 2])
    rival = make_rival(UAR, truth, [guess], grouped(list("abcd")), rng).predictions(0, 0)[0]
    assert rival[2:].tolist() == [2, 2]
    assert set(rival[:2]) <= {0, 1}


def test_what_is_missing_stays_missing_and_gives_nothing():
    rng = np.random.default_rng(4)
    truth, system, _, index = numbers(rng, outputs=2)
    truth[5, 1] = system[0, 9, 0] = NAN
    rival = make_rival(CCC, truth, list(system), grouped(index), rng).predictions(0, 0)[0]
    assert np.argwhere(np.isnan(rival)).tolist() == [[9, 0]]
    assert np.array_equal(rival[5], system[0, 5])
    found = smallest_detectable(CCC, truth, system, index, outputs=2, draws=50)
    assert found.difference > 0


def test_at_a_correlation_of_a_half_a_difference_is_as_uncertain_as_the_score():
    rng = np.random.default_rng(5)
    truth, system, _, index = numbers(rng, groups=100)
    found = smallest_detectable(CCC, truth, system, index, outputs=1, draws=400)
    alone = np.ones((100, 100)) - np.eye(100)
    without = CCC.resampled(truth, system[0], index, alone, 1)[:, 0]
    error = math.sqrt(99 / 100 * ((without - without.mean()) ** 2).sum())
    # Student's t with 99 degrees of freedom: .975 and .8
    assert found.difference == pytest.approx((1.98422 + 0.84523) * error, rel=0.15)
    assert found.correlation == pytest.approx(0.5, abs=0.1)
    assert found.value == pytest.approx(float(CCC.compute(truth, system[0], 1)[0]))
    assert (found.groups, found.clips, found.draws, found.power) == (100, 2_000, 400, 0.8)


@pytest.mark.parametrize("key", ["ccc.population", "mae.mean", "spearman.mean"])
def test_what_makes_a_difference_easier_to_see(key):
    metric = METRICS[key]

    def least(groups=60, **options):
        truth, system, _, index = numbers(np.random.default_rng(6), groups=groups)
        found = smallest_detectable(metric, truth, system, index, outputs=1, draws=100, **options)
        return found.difference

    usual = least()
    assert least(correlation=0.9) < 0.6 * usual
    assert least(groups=240) < 0.7 * usual
    assert least(power=0.5) < 0.9 * usual < 0.9 * least(power=0.95)
    assert usual < least(level=0.999)


def test_a_rival_of_that_size_is_found_as_often_as_asked():
    rng = np.random.default_rng(7)
    sizes, scores = [], []
    for _ in range(10):
        truth, system, rival, index = numbers(rng)
        scores.append(compare(CCC, truth, system, rival, index, outputs=1, draws=200).correlation)
    for _ in range(5):
        truth, system, _, index = numbers(rng)
        found = smallest_detectable(
            CCC, truth, system, index, outputs=1, correlation=max(np.mean(scores), 0)
        )
        sizes.append(found.difference)

    def true_ccc(nearer):  # truth and errors have a variance of 2
        slope, noise = 0.5 + 0.5 * nearer, 0.5 - 0.5 * nearer
        return 2 * slope / (1 + slope**2 + noise**2)

    nearer = np.linspace(0, 1, 1001)
    step = nearer[np.argmax(true_ccc(nearer) - true_ccc(0) >= np.mean(sizes))]
    seen = 0
    for _ in range(120):
        truth, system, rival, index = numbers(rng, nearer=step)
        seen += compare(CCC, truth, system, rival, index, outputs=1, draws=200).significant
    assert 0.65 < seen / 120 < 0.93


def test_seeds_of_a_system_borrow_from_the_same_clips():
    rng = np.random.default_rng(8)
    truth, system, _, index = numbers(rng)
    twice = np.concatenate([system, system])
    one = smallest_detectable(CCC, truth, system, index, outputs=1, draws=50)
    two = smallest_detectable(CCC, truth, twice, index, outputs=1, draws=50)
    assert two.difference == pytest.approx(one.difference)


def test_a_composite_and_classes_have_one_too():
    rng = np.random.default_rng(9)
    truth, predictions, index = parts(rng)
    found = smallest_detectable(MTL, truth, predictions, index, outputs=(2, 4, 1), draws=50)
    assert 0 < found.difference < 0.5
    found = smallest_detectable(UAR, truth[1], predictions[1], index, outputs=4, draws=50)
    assert 0 < found.difference < 0.3


def test_the_same_seed_gives_the_same_difference():
    truth, system, _, index = numbers(np.random.default_rng(10))
    call = {"outputs": 1, "draws": 30}
    found = smallest_detectable(CCC, truth, system, index, **call)
    assert found == smallest_detectable(CCC, truth, system, index, **call)
    other = smallest_detectable(CCC, truth, system, index, **call, seed=1)
    assert other.difference != found.difference


def test_a_system_that_is_nearly_perfect_cannot_be_beaten_visibly():
    rng = np.random.default_rng(11)
    truth, _, index = classes(rng, groups=6, per_group=30)
    guess = truth.copy()
    guess[7] = (truth[7] + 1) % 4
    found = smallest_detectable(UAR, truth, guess[None], index, outputs=4, draws=50)
    assert found.value > 0.98
    assert math.isnan(found.difference)
    perfect = smallest_detectable(UAR, truth, truth[None], index, outputs=4, draws=50)
    assert (perfect.value, perfect.groups) == (1, 6)
    assert math.isnan(perfect.difference)


@pytest.mark.parametrize("groups", [[None] * 800, ["a"] * 800, [*["a"] * 799, NAN]])
def test_it_takes_two_known_groups(groups):
    truth, system, _, _ = numbers(np.random.default_rng(12))
    found = smallest_detectable(CCC, truth, system, groups, outputs=1)
    assert math.isnan(found.difference)
    assert found.value > 0
    assert found.draws == 0


def test_an_undefined_value_has_none():
    truth, system, _, index = numbers(np.random.default_rng(13))
    truth[:], system[:] = 0.5, 0.5
    found = smallest_detectable(CCC, truth, system, index, outputs=1, draws=10)
    assert math.isnan(found.value)
    assert math.isnan(found.difference)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"predictions": np.ones((800, 1))}, "seeds in front"),
        ({"groups": ["a"] * 799}, "799 groups for 800 clips"),
        ({"power": 0.01}, "between 0.05 and 1"),
        ({"power": 1}, "power is 1"),
        ({"correlation": 1}, "correlation 1"),
        ({"correlation": -0.1}, "correlation -0.1"),
        ({"draws": 1}, "draws 1"),
        ({"level": 95}, "level 95"),
    ],
)
def test_a_wrong_call_is_told_what_was_found_and_expected(change, said):
    truth, system, _, index = numbers(np.random.default_rng(14))
    call = {"truth": truth, "predictions": system, "groups": index, "outputs": 1}
    error = BadData if {"predictions", "groups"} & set(change) else AffectBenchError
    with pytest.raises(error, match=said):
        smallest_detectable(CCC, **(call | change))
