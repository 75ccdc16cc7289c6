"""fewshot-zscore: what two clips of a speaker are good for, and nothing where they are not."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from affectbench.errors import BadData
from affectbench.systems.linear import LinearSVM, dev_value
from affectbench.systems.personal import FEWSHOT_ZSCORE
from affectbench.systems.personal.speakers import drawn_support, mean_of, numbered, prior, weight
from affectbench.systems.personal.zscore import SpeakerStatistics
from affectbench.types import Part
from test_systems import task

REGRESSION, CLASSES = task("regression"), task("classification")
DIM = 12


def rows(part: Part, chosen) -> Part:
    index = np.flatnonzero(chosen) if np.asarray(chosen).dtype == bool else np.asarray(chosen)
    return Part(
        tuple(part.clips[i] for i in index),
        part.features[index],
        part.labels[index] if part.labels.size else part.labels,
        tuple(part.speakers[i] for i in index),
    )


def world(*, features=0.0, labels=0.0, speakers=24, clips=12, seed=0, of=REGRESSION):
    """Train, dev and test of speakers whose features and labels are off by so many deviations."""
    rng = np.random.default_rng(seed)
    outputs = of.target.outputs
    weights = rng.standard_normal((DIM, outputs)) / np.sqrt(DIM)
    parts = []
    for name in ("train", "dev", "test"):
        z = rng.standard_normal((speakers, clips, DIM))
        x = z + features * rng.standard_normal((speakers, 1, DIM))
        own = labels * rng.standard_normal((speakers, 1, outputs))
        y = z @ weights + own + 0.5 * rng.standard_normal((speakers, clips, outputs))
        y = (0.5 + 0.12 * y).clip(0, 1).reshape(-1, outputs)
        if of.target.kind == "classification":
            y = y.argmax(axis=1)
        names = tuple(f"{name}-{i}" for i in range(speakers * clips))
        who = tuple(f"{name}{s}" for s in range(speakers) for _ in range(clips))
        parts.append(Part(names, x.reshape(-1, DIM).astype(np.float32), y, who))
    return parts


def personalised(model, test: Part, shots: int):
    """Truth and predictions of all clips but the first two of each speaker."""
    who = np.array(test.speakers)
    truth, told = [], []
    for name in np.unique(who):
        own = np.flatnonzero(who == name)
        support, queries = rows(test, own[:shots]), rows(test, own[2:])
        truth.append(queries)
        told.append((model.adapt(support) if shots else model).predict(queries))
    labels = np.concatenate([part.labels for part in truth])
    clips = sum((part.clips for part in truth), ())
    whole = Part(clips, np.zeros((len(clips), 1), np.float32), labels, ("s",) * len(clips))
    return whole, np.concatenate(told)


def curve(of, parts, **options):
    model = SpeakerStatistics(of, 0).fit(*parts[:2])
    return model, [dev_value(of, *personalised(model, parts[2], k)) for k in (0, 1, 2)]


@pytest.mark.parametrize("planted", [{"labels": 1.0}, {"features": 1.0}])
def test_planted_offsets_are_found_and_gain_with_each_clip(planted):
    _, (zero, one, two) = curve(REGRESSION, world(**planted))
    assert two > one > zero
    assert two - zero > 0.05


@pytest.mark.parametrize("of", [REGRESSION, CLASSES])
def test_where_nothing_is_planted_the_model_stays_the_plain_one(of):
    parts = world(of=of)
    model, _ = curve(of, parts)
    assert {way["adapted"] for way in model.report()["support"].values()} == {"nothing"}
    _, adapted = personalised(model, parts[2], 2)
    _, plain = personalised(model, parts[2], 0)
    np.testing.assert_array_equal(adapted, plain)


def test_classes_gain_by_features_alone():
    model, (zero, _, two) = curve(CLASSES, world(features=2.0, of=CLASSES))
    assert two > zero + 0.05
    assert model.report()["support"]["2"]["adapted"] == "features"
    assert set(model.report()["support"]["2"]["on_dev"]) == {"nothing", "features"}


def test_without_support_it_is_the_linear_svm():
    parts = world(labels=1.0)
    model = SpeakerStatistics(REGRESSION, 3).fit(*parts[:2])
    svm = LinearSVM(REGRESSION, 3).fit(*parts[:2])
    np.testing.assert_array_equal(model.predict(parts[2]), svm.predict(parts[2]))
    model.refit(*parts[:2])
    svm.refit(*parts[:2])
    np.testing.assert_array_equal(model.predict(parts[2]), svm.predict(parts[2]))


def test_speakers_do_not_meet_and_the_model_stays():
    parts = world(labels=1.0, features=1.0)
    model = SpeakerStatistics(REGRESSION, 0).fit(*parts[:2])
    a, b = rows(parts[2], [0, 1]), rows(parts[2], [12, 13])
    queries = rows(parts[2], np.arange(14, 24))
    plain = model.predict(queries)
    report = json.dumps(model.report())
    alone = model.adapt(b).predict(queries)
    model.adapt(a).predict(queries)
    np.testing.assert_array_equal(model.adapt(b).predict(queries), alone)
    np.testing.assert_array_equal(model.predict(queries), plain)
    assert json.dumps(model.report()) == report
    assert abs(alone - plain).max() > 0.01
    assert alone.min() >= 0 and alone.max() <= 1


def test_blank_labels_of_support_clips_are_left_out_of_their_column():
    parts = world(labels=1.0)
    model = SpeakerStatistics(REGRESSION, 0).fit(*parts[:2])
    support, queries = rows(parts[2], [0, 1]), rows(parts[2], np.arange(2, 12))
    whole = model.adapt(support).predict(queries)
    labels = support.labels.copy()
    labels[0, 0] = labels[:, 1] = np.nan
    some = model.adapt(replace(support, labels=labels)).predict(queries)
    np.testing.assert_array_equal(some[:, 2], whole[:, 2])
    assert np.isfinite(some).all()
    assert (some[:, 0] != whole[:, 0]).any()
    none = model.adapt(replace(support, labels=np.empty(0))).predict(queries)
    blank = model.adapt(replace(support, labels=np.full((2, 3), np.nan))).predict(queries)
    np.testing.assert_array_equal(none, blank)
    np.testing.assert_array_equal(none[:, 1], some[:, 1])


def test_more_clips_are_believed_more():
    parts = world(labels=1.0)
    model = SpeakerStatistics(REGRESSION, 0).fit(*parts[:2])
    strength = model.ways[2].strength
    shares = [weight(np.full(3, k), strength) for k in (1, 2, 4, 8)]
    assert all((a < b).all() for a, b in pairwise(shares))
    np.testing.assert_allclose(shares[1], model.report()["support"]["2"]["weight_of_error"])
    four = model.adapt(rows(parts[2], np.arange(4))).predict(rows(parts[2], np.arange(4, 12)))
    assert np.isfinite(four).all()


@pytest.mark.parametrize("speakers", ["one clip each", "unknown", "one speaker"])
def test_speakers_who_teach_nothing_change_nothing(speakers):
    parts = world(labels=1.0, features=1.0)
    count = len(parts[0].clips)
    who = {
        "one clip each": tuple(map(str, range(count))),
        "unknown": (None,) * count,
        "one speaker": ("S",) * count,
    }[speakers]
    train, dev = (replace(part, speakers=who) for part in parts[:2])
    model = SpeakerStatistics(REGRESSION, 0).fit(train, dev)
    _, adapted = personalised(model, parts[2], 2)
    _, plain = personalised(model, parts[2], 0)
    np.testing.assert_array_equal(adapted, plain)


def test_features_that_are_nan_are_named():
    parts = world()
    model = SpeakerStatistics(REGRESSION, 0).fit(*parts[:2])
    support = rows(parts[2], [0, 1])
    support.features[1] = np.nan
    with pytest.raises(BadData, match="test-1"):
        model.adapt(support)


def test_the_same_seed_gives_the_same_bytes():
    parts = world(labels=1.0, speakers=8)
    one, two = (
        FEWSHOT_ZSCORE.build(REGRESSION, 1, "sound").fit(*copy.deepcopy(parts[:2])) for _ in "ab"
    )
    assert json.dumps(one.report()) == json.dumps(two.report())
    np.testing.assert_array_equal(*(personalised(m, parts[2], 2)[1] for m in (one, two)))


def test_variances_between_and_within_speakers():
    rng = np.random.default_rng(0)
    sizes = rng.integers(2, 30, 400)
    who = np.repeat(np.arange(400), sizes)
    apart = np.array([2.0, 0.5, 0.0])
    values = 3 + apart * rng.standard_normal((400, 3))[who] + rng.standard_normal((len(who), 3))
    found = prior(values, [f"{s}" for s in who])
    np.testing.assert_allclose(found.strength[:2], [1 / 4, 4], rtol=0.25)
    assert found.strength[2] > 50
    shift = found.shift(values[:2].mean(axis=0)[None], np.array([0]))
    assert not shift.any()
    assert weight(np.array([0, 2]), np.array([0.0, np.inf])).tolist() == [0, 0]


def test_drawn_support_is_of_others_of_the_speaker():
    who = ["a"] * 5 + ["b"] * 2 + ["c"] + [None] * 2
    drawn = drawn_support(who, 2, np.random.default_rng(0))
    assert all(len({i, *drawn[i]}) == 3 and (drawn[i] < 5).all() for i in range(5))
    assert drawn[5:].tolist() == [[6, -1], [5, -1], [-1, -1], [-1, -1], [-1, -1]]
    mean, count = mean_of(np.arange(10.0)[:, None], drawn[5:])
    assert mean[:, 0].tolist() == [6, 5, 0, 0, 0]
    assert count[:, 0].tolist() == [1, 1, 0, 0, 0]
    assert numbered([None, "b", "a"])[0].tolist() == [-1, 1, 0]
