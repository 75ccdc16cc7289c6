import math
from pathlib import Path

import numpy as np
import pytest

from affectbench.corpora import crema_d
from affectbench.errors import AffectBenchError, BadData
from affectbench.intervals.ratings import Kinds, ceilings, fit_votes
from affectbench.metrics import METRICS

CREMA = Path(__file__).parents[1] / "../shared/data/crema-d"
KEYS = ("ccc.population", "spearman.mean", "pearson.mean", "uar.truth", "accuracy.share")
# three kinds of clip: clearly the first emotion, clearly the second, or between the last two
TRUE = Kinds(
    np.array([0.4, 0.35, 0.25]), np.array([[9.0, 1, 0.5, 0.5], [1, 6, 1, 1], [0.5, 0.5, 3, 4]])
)


def simulated(rng, *, clips=400, raters=8, kinds=TRUE):
    """True shares of clips, and the votes of raters who follow them."""
    blank = np.zeros((clips, kinds.parameters.shape[1]), dtype=int)
    shares = kinds.draw(blank, kinds.posterior(blank), rng)
    return shares, rng.multinomial(raters, shares)


def real_score(metric, shares, votes):
    """What an oracle that says the true shares gets, by another way than the module's."""
    labels = votes / votes.sum(axis=1, keepdims=True)
    if metric.kind == "regression":
        return float(metric.combine(metric.compute(labels, shares, votes.shape[1])))
    top = np.sort(labels, axis=1)
    clear = top[:, -1] > top[:, -2]
    pair = (labels[clear].argmax(axis=1), shares[clear].argmax(axis=1))
    return float(metric.combine(metric.compute(*pair, votes.shape[1])))


def ceiling(key, votes, **options):
    """The ceiling of one metric."""
    return ceilings([METRICS[key]], votes, **options)[0]


def test_the_ceiling_is_what_an_oracle_really_gets():
    rng = np.random.default_rng(0)
    metrics = [METRICS[key] for key in KEYS]
    held, gaps = [], []
    for _ in range(8):
        shares, votes = simulated(rng, clips=300)
        found = ceilings(metrics, votes, draws=60)
        real = [real_score(metric, shares, votes) for metric in metrics]
        held.append([one.low <= r <= one.high for one, r in zip(found, real, strict=True)])
        gaps.append([one.value - r for one, r in zip(found, real, strict=True)])
    assert np.mean(held) > 0.75  # benchmarks/comparisons.py has the share, of more simulations
    assert np.abs(np.mean(gaps, axis=0)).max() < 0.03  # the ceilings themselves are 0.75 to 0.9


def test_more_raters_raise_the_ceiling():
    metrics = [METRICS[key] for key in KEYS]
    values = []
    for raters in (3, 10, 40):
        votes = simulated(np.random.default_rng(1), clips=1_000, raters=raters)[1]
        values.append([found.value for found in ceilings(metrics, votes, draws=10)])
    assert (np.diff(values, axis=0) > 0.01).all()
    assert max(values[-1]) < 1


def test_the_ceiling_of_ccc_is_that_of_the_variances():
    # without a model: the variance of the true shares is that of the labels less the raters' own
    votes = simulated(np.random.default_rng(2), clips=10_000)[1]
    shares = votes / 8
    noise = (shares * (1 - shares) / (8 - 1)).mean(axis=0)
    true = shares.var(axis=0) - noise
    found = ceiling("ccc.population", votes, draws=20)
    assert found.per_output == pytest.approx(2 * true / (2 * true + noise), abs=0.01)
    pearson = ceiling("pearson.mean", votes, draws=20)
    assert pearson.per_output == pytest.approx(np.sqrt(true / (true + noise)), abs=0.01)
    assert pearson.value > found.value


def test_the_fit_finds_the_kinds_that_made_the_votes():
    votes = simulated(np.random.default_rng(3), clips=60_000, raters=15)[1]
    votes[:, 3] += votes[:, 2]
    found = fit_votes(votes[:, [0, 1, 3]])
    merged = np.column_stack([TRUE.parameters[:, :2], TRUE.parameters[:, 2:].sum(axis=1)])
    assert found.weights == pytest.approx(TRUE.weights, abs=0.02)
    assert found.parameters == pytest.approx(merged, rel=0.15)


def test_one_kind_is_the_dirichlet_multinomial():
    parameters = np.array([[0.5, 1.5, 3.0]])
    one = Kinds(np.ones(1), parameters)
    votes = simulated(np.random.default_rng(4), clips=40_000, raters=9, kinds=one)[1]
    assert fit_votes(votes, kinds=1).parameters == pytest.approx(parameters, rel=0.04)


def test_ties_and_clips_without_votes_are_left_out_and_counted():
    _, votes = simulated(np.random.default_rng(5), clips=100)
    votes[:3] = [[4, 4, 0, 0], [2, 2, 2, 2], [0, 0, 3, 3]]
    extra = np.vstack([votes.astype(float), np.zeros((2, 4)), np.full((1, 4), np.nan)])
    tied = int(sum(sorted(row)[-1] == sorted(row)[-2] for row in votes))
    share = ceiling("ccc.population", extra, draws=5)
    assert (share.clips, share.unrated, share.tied) == (100, 3, 0)
    majority = ceiling("uar.truth", extra, draws=5)
    assert (majority.clips, majority.unrated, majority.tied) == (100 - tied, 3, tied)
    assert share.votes_per_clip == pytest.approx(votes.sum() / 100)
    assert (share.metric, share.draws, share.level) == ("ccc.population", 5, 0.95)


def test_the_same_seed_gives_the_same_ceiling():
    _, votes = simulated(np.random.default_rng(6), clips=50)
    first = ceiling("spearman.mean", votes, draws=10, seed=3)
    assert first == ceiling("spearman.mean", votes, draws=10, seed=3)
    assert first.value != ceiling("spearman.mean", votes, draws=10, seed=4).value


def test_an_emotion_that_nobody_chose_leaves_the_mean_undefined():
    _, votes = simulated(np.random.default_rng(7))
    votes = np.column_stack([votes, np.zeros(len(votes), dtype=int)])
    found = ceiling("ccc.population", votes, draws=5)
    assert math.isnan(found.per_output[-1])
    assert math.isnan(found.value)
    assert not any(math.isnan(value) for value in found.per_output[:-1])
    assert ceiling("uar.truth", votes, draws=5).value > 0  # a class without a clip


def test_raters_who_always_agree_have_no_noise():
    votes = 10 * np.eye(3, dtype=int)[np.random.default_rng(8).integers(3, size=300)]
    for key in ("ccc.population", "uar.truth"):
        assert ceiling(key, votes, draws=5).value == pytest.approx(1, abs=1e-3)


def test_clips_that_do_not_differ_leave_nothing_to_predict():
    votes = np.random.default_rng(9).multinomial(10, [0.2, 0.3, 0.5], size=3_000)
    found = ceiling("ccc.population", votes, draws=10)
    assert 0 <= found.value < 0.1


@pytest.mark.parametrize(
    ("votes", "said"),
    [
        ([[0.5, 0.5], [1.0, 0.0]], "1 of 2 clips have votes that are not whole counts"),
        ([[3, -1], [2, 2]], "not whole counts"),
        ([[3, math.nan], [2, 2]], "not whole counts"),
        ([[3, math.inf], [2, 2]], "not whole counts"),
        ([1, 2, 3], r"\(3,\); expected \[N, K\]"),
        ([[1], [2]], "two or more emotions"),
        ([[1, 0], [0, 1], [0, 0]], "No clip has two votes"),
        (np.zeros((0, 3)), "No clip has two votes"),
        (np.full((4, 3), np.nan), "No clip has two votes"),
    ],
)
def test_what_are_no_votes_is_refused(votes, said):
    with pytest.raises(BadData, match=said):
        ceiling("ccc.population", votes)


def test_a_wrong_call_is_told_what_was_found_and_expected():
    votes = [[2, 0], [1, 1], [0, 3]]
    with pytest.raises(AffectBenchError, match="s_mtl.sound is a composite"):
        ceiling("s_mtl.sound", votes)
    with pytest.raises(AffectBenchError, match="draws is 0"):
        ceiling("uar.truth", votes, draws=0)
    with pytest.raises(AffectBenchError, match="level 95"):
        ceiling("uar.truth", votes, level=95)
    with pytest.raises(BadData, match="tie for the most votes"):
        ceiling("uar.truth", [[1, 1], [2, 2]])


def test_the_voice_of_crema_d_is_harder_than_the_face():
    if not CREMA.is_dir():
        pytest.skip("no votes: ../shared/data/crema-d is not there")
    clips = crema_d.read(CREMA).clips
    values = {}
    for modality in crema_d.MODALITIES.values():
        columns = [f"{modality}_{name}" for name in crema_d.EMOTIONS.values()]
        raters = clips[f"{modality}_raters"].to_numpy()
        votes = np.round(clips.select(columns).to_numpy() * raters[:, None])
        found = ceiling("ccc.population", votes, draws=5)
        assert found.clips == 7_442
        values[modality] = found.value
    assert values["voice"] < values["face"] < values["audiovisual"] < 1
