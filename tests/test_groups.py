import math

import numpy as np
import pytest

from affectbench.errors import AffectBenchError, BadData
from affectbench.intervals import bootstrap
from affectbench.intervals.envelope import Chance, gap
from affectbench.intervals.groups import age_bands, by_group
from affectbench.metrics import METRICS

NAN = math.nan
CCC = METRICS["ccc.population"]
COUNTRIES = ("China", "South Africa", "United States")


def sample(*, speakers=30, per_speaker=8, worse=0.0, seed=0):
    """Truth, one system that is ``worse`` on the first country, and who speaks from where."""
    rng = np.random.default_rng(seed)
    speaker = np.repeat(np.arange(speakers), per_speaker)
    country = np.array(COUNTRIES)[speaker % 3]
    truth = rng.normal(size=(len(speaker), 2))
    noise = rng.normal(size=truth.shape) + rng.normal(size=(speakers, 2))[speaker]
    size = 0.3 + worse * (country == "China")
    return truth, (truth + size[:, None] * noise)[None], country, speaker


def test_each_group_has_the_score_of_its_clips():
    truth, predictions, country, speaker = sample()
    found = by_group(CCC, truth, predictions, country, speaker, outputs=2, draws=50, seed=3)
    assert [group.name for group in found.groups] == list(COUNTRIES)
    for group in found.groups:
        own = country == group.name
        alone = bootstrap(
            CCC, truth[own], predictions[:, own], speaker[own], outputs=2, draws=50, seed=3
        )
        assert group.score == alone.score
        assert (group.score.clips, group.score.groups, group.score.group_by) == (80, 10, "speaker")
    values = {group.name: group.score.value for group in found.groups}
    assert found.best == max(values, key=values.get)
    assert found.worst == min(values, key=values.get)
    assert found.gap == pytest.approx(max(values.values()) - min(values.values()))
    assert (found.unlabelled, found.undefined) == (0, ())


def test_a_group_that_is_served_badly_is_found():
    truth, predictions, country, speaker = sample(worse=0.5)
    found = by_group(CCC, truth, predictions, country, speaker, outputs=2, permutations=200)
    assert found.worst == "China"
    assert found.beyond_chance
    assert found.p == 1 / 201
    assert (found.permutations, found.permuted) == (200, "speakers")


@pytest.mark.parametrize("by", ["country", "role", "speaker"])
def test_a_model_that_ignores_the_group_is_rarely_accused(by):
    accused = 0
    for seed in range(60):
        truth, predictions, country, speaker = sample(speakers=9, seed=seed)
        labels = {"country": country, "role": np.arange(len(speaker)) % 2, "speaker": speaker}[by]
        if by == "speaker":  # no voice is easier than another: clips are exchangeable
            noise = np.random.default_rng(seed).normal(size=truth.shape)
            predictions = (truth + 0.5 * noise)[None]
        found = by_group(
            CCC, truth, predictions, labels, speaker, outputs=2, draws=1, permutations=39
        )
        accused += found.p <= 0.05
    assert accused <= 10  # of 60 at .05: more has a probability of 1e-4


def test_speakers_keep_their_clips_when_countries_are_permuted():
    # A few easy speakers make a country look good: by clips that is no chance, by speakers it is.
    rng = np.random.default_rng(1)
    speaker = np.repeat(np.arange(8), 30)
    truth = rng.normal(size=(240, 1))
    easy = np.isin(speaker, [0, 1])
    predictions = (truth + np.where(easy, 0.1, 1.0)[:, None] * rng.normal(size=truth.shape))[None]
    country = np.where(speaker < 4, "A", "B")
    call = {"outputs": 1, "permutations": 500}
    metric = METRICS["mae.mean"]
    found = by_group(metric, truth, predictions, country, speaker, **call)
    clipwise = by_group(metric, truth, predictions, country, np.arange(240), **call)
    assert clipwise.p < 0.01
    assert found.p > 0.1


def test_permuted_speakers_are_as_many_in_each_group():
    _, _, country, speaker = sample(speakers=10)
    label = np.searchsorted(COUNTRIES, country)
    seen = []

    def resampled(truth, prediction, group, counts, outputs):
        seen.append(counts)
        return counts.sum(axis=1, keepdims=True).astype(float)

    counting = CCC.__class__(
        name="count", variant="of speakers", kind="regression", compute=None, resampled=resampled,
        combine=lambda values: values[..., 0], low=0, high=1, source="this test",
    )  # fmt: skip
    chance = Chance(counting, None, [None], 1, label, speaker)
    assert chance.permuted == "units"
    assert (chance.gaps(50, seed=0) == 1).all()  # four speakers in one, three in the others
    counts = np.concatenate([block.reshape(-1, 3, 10) for block in seen])
    assert (counts.sum(axis=1) == 1).all()  # each speaker in one group
    assert (counts.sum(axis=2) == [4, 3, 3]).all()
    assert len(np.unique(counts[1:], axis=0)) > 40


def test_labels_within_speakers_are_permuted_within_them():
    speaker = np.repeat([0, 1, 2], [4, 6, 2])
    label = np.array([0, 0, 1, 1, 0, 1, 1, 1, 1, 1, 0, 0])
    chance = Chance(CCC, None, [None], 1, label, speaker)
    assert chance.permuted == "clips of each unit"
    rng = np.random.default_rng(0)
    drawn = np.stack([chance._within_units(rng) for _ in range(200)])
    for one in range(3):
        own = drawn[:, speaker == one]
        assert (own.sum(axis=1) == label[speaker == one].sum()).all()
    assert drawn[:, 4:10].mean(axis=0) == pytest.approx(np.full(6, 5 / 6), abs=0.13)


def test_the_speaker_as_label_has_values_without_intervals():
    truth, predictions, _, speaker = sample(speakers=6)
    found = by_group(CCC, truth, predictions, speaker, speaker, outputs=2, permutations=30)
    assert [group.name for group in found.groups] == [str(i) for i in range(6)]
    assert all(math.isnan(group.score.low) for group in found.groups)
    assert found.permuted == "clips"
    assert found.gap > 0
    assert 0 < found.p <= 1


def test_a_smaller_error_is_the_best():
    truth, predictions, country, speaker = sample(worse=1.0)
    metric = METRICS["mae.mean"]
    found = by_group(metric, truth, predictions, country, speaker, outputs=2, permutations=99)
    values = {group.name: group.score.value for group in found.groups}
    assert found.worst == "China" == max(values, key=values.get)
    assert found.gap == pytest.approx(values["China"] - values[found.best])
    assert found.p == 0.01


def test_seeds_are_averaged():
    truth, predictions, country, speaker = sample()
    worse = predictions + np.random.default_rng(0).normal(size=predictions.shape)
    both = np.concatenate([predictions, worse])
    found = by_group(CCC, truth, both, country, speaker, outputs=2, permutations=20)
    each = [
        by_group(CCC, truth, one[None], country, speaker, outputs=2, permutations=0) for one in both
    ]
    for k, group in enumerate(found.groups):
        assert group.score.value == pytest.approx(np.mean([r.groups[k].score.value for r in each]))
    assert math.isnan(each[0].p)
    assert (each[0].permuted, each[0].permutations) == ("", 0)


def test_a_composite_and_classes_are_reported_alike():
    rng = np.random.default_rng(0)
    speaker = np.arange(60) % 12
    label = np.where(speaker < 6, "f", "m")
    emotions, age = rng.normal(size=(60, 2)), rng.uniform(20, 40, size=60)
    kind = rng.integers(3, size=60)
    truth = (emotions, kind, age)
    predictions = (
        (emotions + 0.5 * rng.normal(size=emotions.shape))[None],
        kind[None],
        age[None] + 2,
    )
    metric = METRICS["s_mtl.sound"]
    found = by_group(metric, truth, predictions, label, speaker, outputs=(2, 3, 1), permutations=20)
    assert all(0 < group.score.value < 1.5 for group in found.groups)
    assert found.permutations == 20
    classes = by_group(
        METRICS["uar.truth"], kind, kind[None], label, speaker, outputs=3, permutations=20
    )
    assert (classes.gap, classes.p) == (0, 1)
    assert not classes.beyond_chance


def test_groups_without_a_value_are_named_and_have_no_part_in_the_gap():
    truth, predictions, country, speaker = sample()
    labels = country.astype(object)
    labels[0], labels[1], labels[2] = "Malta", None, NAN
    found = by_group(CCC, truth, predictions, labels, speaker, outputs=2, permutations=20)
    assert [group.name for group in found.groups] == ["China", "Malta", *COUNTRIES[1:]]
    assert found.undefined == ("Malta",)  # one clip has no CCC
    assert found.unlabelled == 2
    assert "Malta" not in (found.best, found.worst)
    assert found.permutations == 20
    kept = ~np.isin(np.arange(len(truth)), [0, 1, 2])
    without = by_group(
        CCC, truth[kept], predictions[:, kept], country[kept], speaker[kept],
        outputs=2, permutations=20,
    )  # fmt: skip
    assert (found.gap, found.p) == (without.gap, without.p)


@pytest.mark.parametrize("labels", [["a"] * 240, [None] * 240, ["a"] * 239 + ["b"]])
def test_fewer_than_two_groups_have_no_gap(labels):
    truth, predictions, _, speaker = sample()
    found = by_group(CCC, truth, predictions, labels, speaker, outputs=2, permutations=5)
    assert all(map(math.isnan, (found.gap, found.envelope, found.p)))
    assert (found.best, found.worst, found.permuted, found.permutations) == ("", "", "", 0)
    assert not found.beyond_chance
    assert found.unlabelled == labels.count(None)


def test_unknown_speakers_leave_values_and_the_gap():
    truth, predictions, country, _ = sample()
    found = by_group(CCC, truth, predictions, country, [None] * 240, outputs=2)
    assert found.gap > 0
    assert math.isnan(found.p)
    assert all(math.isnan(group.score.low) and group.score.value > 0 for group in found.groups)
    assert found.permuted == ""


def test_permutations_without_a_gap_are_counted():
    # Two groups of two clips: some permutations put equal truths together, which have no CCC.
    truth = np.array([[0.0], [1.0], [0.0], [1.0]])
    predictions = truth[None].copy()
    found = by_group(
        CCC, truth, predictions, list("aabb"), list("wxyz"), outputs=1, permutations=200
    )
    assert found.gap == 0
    assert found.undefined_permutations > 20
    assert found.permutations + found.undefined_permutations == 200
    assert found.p == 1


def test_the_same_seed_gives_the_same_report_whatever_the_blocks(monkeypatch):
    truth, predictions, country, speaker = sample()
    call = {"outputs": 2, "draws": 20, "permutations": 50}
    found = by_group(CCC, truth, predictions, country, speaker, **call)
    assert found == by_group(CCC, truth, predictions, country, speaker, **call)
    assert (
        found.envelope
        != by_group(CCC, truth, predictions, country, speaker, **call, seed=1).envelope
    )
    monkeypatch.setattr("affectbench.intervals.envelope.COUNT_BYTES", 1)
    blocks = by_group(CCC, truth, predictions, country, speaker, **call)
    assert blocks.p == found.p
    assert blocks.envelope == pytest.approx(found.envelope, abs=1e-12)


def test_the_gap_is_that_of_defined_values():
    values = np.array([[0.2, 0.5, NAN], [NAN, NAN, 0.4], [NAN, NAN, NAN], [0.1, 0.9, 0.3]])
    assert gap(values) == pytest.approx([0.3, NAN, NAN, 0.8], nan_ok=True)


def test_ages_fall_into_decades():
    assert age_bands([25.5, 20, 29.99, 9, 0, 100, None, NAN, np.float32(30)]) == [
        "20-29", "20-29", "20-29", "0-9", "0-9", "100-109", None, None, "30-39",
    ]  # fmt: skip
    for bad in (-1, math.inf, "25"):
        with pytest.raises(BadData, match="1 of 2 ages"):
            age_bands([30, bad])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"predictions": np.ones((240, 2))}, "seeds in front"),
        ({"labels": ["a"] * 239}, "239 labels and 240 speakers for 240 clips"),
        ({"units": ["a"] * 241}, "240 labels and 241 speakers for 240 clips"),
        ({"permutations": -1}, "permutations is -1"),
        ({"draws": 0}, "at least 1 draw"),
        ({"level": 95}, "level 95"),
    ],
)
def test_a_wrong_call_is_told_what_was_found_and_expected(change, said):
    truth, predictions, country, speaker = sample()
    call = {"truth": truth, "predictions": predictions, "labels": country, "units": speaker}
    error = AffectBenchError if {"draws", "level", "permutations"} & set(change) else BadData
    with pytest.raises(error, match=said):
        by_group(CCC, **(call | {"outputs": 2} | change))
