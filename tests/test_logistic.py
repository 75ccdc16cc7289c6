"""Logistic regression on embeddings: the baseline of MODULATE-SONATA."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from affectbench.errors import BadData
from affectbench.features import FEATURES
from affectbench.store import plain
from affectbench.systems import logistic
from affectbench.systems.logistic import LOGREG, EmbeddingLogReg
from affectbench.systems.training import dev_value
from affectbench.tasks import TASKS
from affectbench.types import Part

TASK = TASKS["sonata-emotion"]
CLASSES = TASK.target.outputs


def part(labels: np.ndarray, features: np.ndarray, name: str) -> Part:
    clips = tuple(f"{name}{row:04d}" for row in range(len(labels)))
    return Part(clips, features.astype(np.float32), labels, ("S1",) * len(labels))


def problem(*, classes: int = 6, dim: int = 10, noise: float = 1.0, seed: int = 3) -> list[Part]:
    """Train, dev and test of classes with centres of their own, far from the origin."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((classes, dim)) + 5
    parts = []
    for name, size in (("train", 120), ("dev", 60), ("test", 60)):
        labels = random.integers(0, classes, size)
        features = centres[labels] + noise * random.standard_normal((size, dim))
        parts.append(part(labels, features, name))
    return parts


def reference(c: float, *learnt: Part, max_iter: int = 10_000) -> LogisticRegression:
    features = np.concatenate([one.features.astype(np.float64) for one in learnt])
    labels = np.concatenate([one.labels for one in learnt])
    with threadpool_limits(1):
        return LogisticRegression(C=c, max_iter=max_iter).fit(features, labels)


def test_it_is_sklearn_on_unscaled_features_with_c_chosen_on_dev() -> None:
    train, dev, test = problem()
    model = EmbeddingLogReg(TASK, 0).fit(train, dev)
    report = model.report()
    values = [row["dev"] for row in report["tried"]]
    assert [row["C"] for row in report["tried"]] == [0.001, 0.01, 0.1, 1.0]
    assert report["chosen"]["dev"] == max(values)
    assert report["chosen"]["C"] == logistic.GRID[values.index(max(values))]
    expected = reference(report["chosen"]["C"], train).predict_proba(test.features)
    got = model.predict(test)
    np.testing.assert_allclose(got[:, :6], expected, atol=1e-5)
    np.testing.assert_array_equal(got[:, 6:], 0)
    np.testing.assert_allclose(got.sum(axis=1), 1)
    assert got.shape == (60, CLASSES)
    assert dev_value(TASK, dev, model.predict(dev)) == report["chosen"]["dev"]
    assert report["parameters"] == 6 * (10 + 1)
    assert plain(report)


def test_test_is_predicted_by_a_model_of_train_and_dev_and_dev_by_one_of_train() -> None:
    train, dev, test = problem()
    model = EmbeddingLogReg(TASK, 0, grid=(0.1,)).fit(train, dev)
    before = model.predict(test)
    model.refit(train, dev)
    assert model.report()["refit"]["clips"] == 180
    assert model.report()["refit"]["converged"] is True
    assert not np.array_equal(model.predict(test), before)
    expected = reference(0.1, train, dev).predict_proba(test.features)
    np.testing.assert_allclose(model.predict(test)[:, :6], expected, atol=1e-4)


def test_ties_keep_the_smallest_c_and_an_edge_is_said(monkeypatch) -> None:
    train, dev, _ = problem()
    for told, chosen, words in (
        ((0.5, 0.5, 0.4, 0.5), 0.001, "a smaller one was not tried"),
        ((0.2, 0.5, 0.5, 0.3), 0.01, ""),
        ((0.2, 0.3, 0.4, 0.5), 1.0, "a larger one was not tried"),
    ):
        values = iter(told)
        monkeypatch.setattr(logistic, "dev_value", lambda *_, values=values: next(values))
        report = EmbeddingLogReg(TASK, 0, grid=logistic.GRID[::-1]).fit(train, dev).report()
        assert report["chosen"]["C"] == chosen
        assert words in report["edge"]
        assert bool(words) == bool(report["edge"])


def test_official_stops_after_sklearns_own_number_of_iterations_and_says_so(monkeypatch) -> None:
    train, dev, test = problem(noise=0.2)
    monkeypatch.setitem(logistic.MAX_ITER, "official", 3)
    model = EmbeddingLogReg(TASK, 0, "official", grid=(1.0,)).fit(train, dev)
    assert model.chosen["converged"] is False
    assert model.chosen["iterations"] == 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        expected = reference(1.0, train, max_iter=3).predict_proba(test.features)
    np.testing.assert_allclose(model.predict(test)[:, :6], expected, atol=1e-6)
    sound = EmbeddingLogReg(TASK, 0, grid=(1.0,)).fit(train, dev)
    assert sound.chosen["converged"] is True
    assert sound.chosen["iterations"] > 3
    assert LOGREG.build(TASK, 0, "official").max_iter == 3


def test_the_default_of_official_is_the_default_of_sklearn() -> None:
    assert EmbeddingLogReg(TASK, 0, "official").max_iter == LogisticRegression().max_iter


def test_two_classes_and_classes_that_are_absent() -> None:
    train, dev, test = problem(classes=2)
    held = part(train.labels * 4 + 3, train.features, "train")  # classes 3 and 7
    model = EmbeddingLogReg(TASK, 0).fit(held, dev).refit(held, dev)
    absent = model.report()["absent"]
    names = list(TASK.target.classes)
    assert absent["train"] == [name for code, name in enumerate(names) if code not in (3, 7)]
    assert absent["dev"] == names[2:]
    assert absent["train and dev"] == [n for c, n in enumerate(names) if c not in (0, 1, 3, 7)]
    model.fit(held, dev)
    values = model.predict(test)
    assert set(values.argmax(axis=1)) <= {3, 7}
    assert np.count_nonzero(values.any(axis=0)) == 2
    np.testing.assert_allclose(values.sum(axis=1), 1)


def test_other_warnings_are_not_swallowed(monkeypatch) -> None:
    fit = LogisticRegression.fit

    def odd(self, features, labels):
        warnings.warn("something else", UserWarning, stacklevel=1)
        return fit(self, features, labels)

    monkeypatch.setattr(LogisticRegression, "fit", odd)
    train, dev, _ = problem()
    with pytest.warns(UserWarning, match="something else"):
        EmbeddingLogReg(TASK, 0, grid=(0.1,)).fit(train, dev)


def test_what_cannot_be_learnt_from_is_refused() -> None:
    train, dev, test = problem()
    with pytest.raises(BadData, match="avb-high is a regression"):
        EmbeddingLogReg(TASKS["avb-high"], 0)
    with pytest.raises(ValueError, match="'fast'"):
        EmbeddingLogReg(TASK, 0, "fast")
    one = part(np.zeros(120, int), train.features, "train")
    with pytest.raises(BadData, match="Expected two classes"):
        EmbeddingLogReg(TASK, 0).fit(one, dev)
    broken = train.features.copy()
    broken[7, 2] = np.nan
    with pytest.raises(BadData, match="train0007"):
        EmbeddingLogReg(TASK, 0).fit(part(train.labels, broken, "train"), dev)
    with pytest.raises(BadData, match="dev part of sonata-emotion has no labels"):
        EmbeddingLogReg(TASK, 0).fit(train, replace(dev, labels=np.empty(0)))
    model = EmbeddingLogReg(TASK, 0, grid=(0.1,)).fit(train, dev)
    broken = test.features.copy()
    broken[3] = np.inf
    with pytest.raises(BadData, match="test0003"):
        model.predict(part(test.labels, broken, "test"))


def test_a_dev_without_a_value_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(logistic, "dev_value", lambda *_: float("nan"))
    train, dev, _ = problem()
    with pytest.raises(BadData, match="undefined for every C"):
        EmbeddingLogReg(TASK, 0, grid=(0.1,)).fit(train, dev)


def test_same_bytes_again_and_a_system_of_it() -> None:
    train, dev, test = problem()
    first, second = (EmbeddingLogReg(TASK, seed).fit(train, dev) for seed in (0, 1))
    assert first.predict(test).tobytes() == second.predict(test).tobytes()
    assert first.report() == second.report()
    system = LOGREG.on(FEATURES["egemaps"])
    assert system.name == "egemaps-logreg"
    assert system.refit
    assert system.modes == ("sound", "official")
    assert plain(dict(system.settings))
