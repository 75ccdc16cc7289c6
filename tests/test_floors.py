"""Floors and controls: constants, durations, words."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from affectbench.corpora.sonata_script import published
from affectbench.errors import BadData, MissingData
from affectbench.features.text import BUCKETS, TEXT, bag_of_words, bucket
from affectbench.metrics import METRICS
from affectbench.systems.floors import DURATION_ONLY, FLOORS, MAJORITY, MEAN_LABEL, TEXT_ONLY
from affectbench.systems.training import dev_value
from affectbench.tasks import TASKS
from affectbench.types import Part, Task

HIGH, TYPE, CULTURE = TASKS["avb-high"], TASKS["avb-type"], TASKS["avb-culture"]


def part(labels: np.ndarray, features: np.ndarray | None = None, name: str = "c") -> Part:
    values = np.ones((len(labels), 1)) if features is None else features
    clips = tuple(f"{name}{row:04d}" for row in range(len(labels)))
    return Part(clips, values.astype(np.float32), labels, ("S1",) * len(labels))


def built(recipe, task: Task):
    return recipe.build(task, 0, recipe.modes[0])


def test_mean_label_is_the_mean_of_train_without_its_blanks():
    labels = np.random.default_rng(0).uniform(size=(20, 40))
    labels[:15, 3] = np.nan
    model = built(MEAN_LABEL, CULTURE).fit(part(labels), part(labels[:0]))
    values = model.predict(part(labels[:3]))
    np.testing.assert_allclose(values, np.tile(np.nanmean(labels, axis=0), (3, 1)), rtol=1e-15)
    assert model.report()["constant"] == values[0].tolist()
    labels[:, 3] = np.nan
    with pytest.raises(BadData, match=CULTURE.target.columns[3]):
        built(MEAN_LABEL, CULTURE).fit(part(labels), part(labels))


def test_a_constant_has_no_correlation_and_a_ccc_of_0():
    labels = np.random.default_rng(0).uniform(size=(30, 10))
    said = built(MEAN_LABEL, HIGH).fit(part(labels), part(labels)).predict(part(labels))
    spearman = METRICS["spearman.mean"]
    assert np.isnan(spearman.combine(spearman.compute(labels, said, 10)))
    assert dev_value(HIGH, part(labels), said) == pytest.approx(0, abs=1e-12)


def test_majority_and_shares_of_classes():
    labels = np.array([2, 5, 5, 2, 1])
    shares = built(MEAN_LABEL, TYPE).fit(part(labels), part(labels)).predict(part(labels))
    np.testing.assert_allclose(shares[0], [0, 0.2, 0.4, 0, 0, 0.4, 0, 0])
    most = built(MAJORITY, TYPE).fit(part(labels), part(labels)).predict(part(labels))
    assert most[4].tolist() == [0, 0, 1, 0, 0, 0, 0, 0]  # of two equals the first in order
    assert dev_value(TYPE, part(labels), most) == pytest.approx(1 / 3)
    assert (shares.argmax(axis=1) == most.argmax(axis=1)).all()


def test_there_is_no_majority_of_numbers():
    with pytest.raises(BadData, match="mean-label"):
        built(MAJORITY, HIGH)


@pytest.mark.parametrize("target", [0, 1, 2])
def test_every_target_of_a_task_has_its_floor(target):
    single = TASKS["exvo-multitask"].single()[target]
    kind, outputs = single.target.kind, single.target.outputs
    labels = np.arange(8) % 4 if kind == "classification" else np.ones((8, outputs))
    for system in (*FLOORS[:1], DURATION_ONLY):
        model = built(system, single).fit(part(labels), part(labels))
        assert model.predict(part(labels)).shape == (8, outputs)


def test_the_floors_are_systems_of_their_own_name():
    assert [system.name for system in FLOORS] == ["mean-label", "majority"]
    assert [DURATION_ONLY.name, TEXT_ONLY.name] == ["duration-only", "text-only"]


# durations


def durations(kind: str, seed: int) -> Part:
    """Duration says nothing linear: the middle is another class, another value."""
    seconds = np.random.default_rng(seed).uniform(0.3, 5, 400)
    middle = abs(seconds - 2.5) < 1
    if kind == "classification":
        return part(np.where(middle, 3, np.where(seconds > 2.5, 6, 0)), seconds[:, None])
    return part(np.tile(np.where(middle, 0.9, 0.1)[:, None], 10), seconds[:, None])


@pytest.mark.parametrize(("task", "least"), [(TYPE, 0.9), (HIGH, 0.85)])
def test_duration_only_hears_what_duration_tells_and_no_more(task, least):
    kind = task.target.kind
    train, dev, test = (durations(kind, seed) for seed in range(3))
    model = built(DURATION_ONLY, task).fit(train, dev)
    first = model.predict(test)
    assert dev_value(task, test, first) > least
    model.refit(train, dev)
    assert model.report()["fit"]["clips"] == 400
    assert model.report()["refit"] == {"clips": 800, "columns": 12, "converged": True}
    assert not np.array_equal(model.predict(test), first)
    again = built(DURATION_ONLY, task).fit(train, dev)
    np.testing.assert_array_equal(again.predict(test), first)
    if kind == "classification":
        assert (first[:, [1, 2, 4, 5, 7]] == 0).all()  # never met in train
        np.testing.assert_allclose(first.sum(axis=1), 1)
    else:
        assert first.min() >= 0
        assert first.max() <= 1


def test_duration_only_with_blanks_clips_and_one_duration():
    labels = np.random.default_rng(0).uniform(size=(50, 40))
    labels[np.arange(50), np.arange(50) % 40] = np.nan
    train = part(labels, np.full((50, 1), 2.0))
    said = built(DURATION_ONLY, CULTURE).fit(train, train).predict(part(labels[:2]))
    np.testing.assert_allclose(said[0], np.nanmean(labels, axis=0))
    with pytest.raises(BadData, match="two classes at least"):
        built(DURATION_ONLY, TYPE).fit(part(np.zeros(5, int)), part(np.zeros(5, int)))


def test_blind_parts_and_nan_features_are_refused_by_name():
    labels = np.arange(8)
    bad = part(labels, np.full((8, 1), np.nan))
    blind = Part(("c0",), np.ones((1, 1), np.float32), np.empty(0), ("S1",))
    for system in (*FLOORS, DURATION_ONLY, TEXT_ONLY):
        with pytest.raises(BadData, match="c0000"):
            built(system, TYPE).fit(bad, bad)
        with pytest.raises(BadData, match="has no labels"):
            built(system, TYPE).fit(blind, bad)


# words


def said(*texts: str | None, column: str = "sentence") -> pl.DataFrame:
    return pl.DataFrame({"clip": [f"c{i}" for i in range(len(texts))], column: texts})


def test_bag_of_words_counts_tokens_whatever_their_case():
    values = bag_of_words(said("Kids are talking, kids!", "0f6b21d1503d-3c164c4c1585"))
    assert values.shape == (2, BUCKETS)
    assert values[0, bucket("kids")] == 2
    assert values[0].sum() == 4
    assert np.flatnonzero(values[1]).tolist() == sorted(
        [bucket("0f6b21d1503d"), bucket("3c164c4c1585")]
    )
    assert len(TEXT.names()) == TEXT.dim == BUCKETS


def test_no_two_lines_of_the_published_script_are_one_column():
    script = published()
    assert len({bucket(key) for key in script}) == len(script)


def test_a_corpus_without_words_says_so():
    clips = said("x").rename({"sentence": "seed"})  # of HUME-PROSODY: made of the labels
    with pytest.raises(MissingData, match="What is said in these clips is not known"):
        bag_of_words(clips)
    with pytest.raises(MissingData, match="blank for 1 clips: c1"):
        bag_of_words(said("x", None))


def test_words_that_train_never_met_say_nothing():
    texts = ["one a", "one b", "two a", "two b"] * 5
    labels = np.array([0, 0, 1, 1] * 5)
    train = part(labels, bag_of_words(said(*texts)))
    model = built(TEXT_ONLY, TYPE).fit(train, train)
    known = part(labels[:4], bag_of_words(said("one", "One b", "two", "b two")))
    assert model.predict(known).argmax(axis=1).tolist() == [0, 0, 1, 1]
    new = model.predict(part(labels[:3], bag_of_words(said("six", "seven", "eight"))))
    assert (new == new[0]).all()
