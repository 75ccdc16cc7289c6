"""Linear systems, scikit-learn estimators of the user's own, and the feature network."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC

from affectbench.device import import_torch
from affectbench.errors import AffectBenchError, BadData, MissingExtra
from affectbench.features import FEATURES
from affectbench.metrics import METRICS
from affectbench.systems import linear, mlp
from affectbench.systems.linear import LinearSVM, from_sklearn
from affectbench.systems.mlp import EarlyStop, FeatureMLP, network
from affectbench.types import Corpus, Part, Reading, Split, Target, Task

COLUMNS = ("Awe", "Fear", "Joy")
CLASSES = ("Cry", "Gasp", "Laugh", "Pant")
EGEMAPS = FEATURES["egemaps"]


def task(kind: str, *, metric: str = "", outputs: int = 3, nan_ok: bool = False) -> Task:
    target = Target(
        name="emotions",
        kind=kind,
        columns=COLUMNS[:outputs] if kind == "regression" else ("Voc_Type",),
        classes=CLASSES if kind == "classification" else (),
        nan_ok=nan_ok,
    )
    corpus = Corpus(
        name="none",
        title="",
        access="open",
        licence="CC0-1.0",
        source="",
        home="",
        languages=(),
        published={},
        layout="",
        read=lambda _: Reading(pl.DataFrame()),
    )
    split = Split(name="none", version=1, disjoint=None, released=False, assign=lambda c: c["part"])
    return Task(
        name="task",
        title="",
        corpus=corpus,
        targets=(target,),
        split=split,
        metric=METRICS[metric or ("ccc.population" if kind == "regression" else "uar.truth")],
        also=(),
        source="",
    )


def part(labels: np.ndarray, features: np.ndarray, name: str) -> Part:
    clips = tuple(f"{name}{row:04d}" for row in range(len(features)))
    return Part(clips, features.astype(np.float32), labels, ("S1",) * len(features))


def problem(kind: str, *, dim: int = 12, noise: float = 0.5, seed: int = 7) -> tuple[Part, ...]:
    """Train, dev and test of one linear truth, on columns of very different scales."""
    random = np.random.default_rng(seed)
    weights = random.standard_normal((dim, 4))
    scales, shifts = np.exp(random.uniform(-4, 4, dim)), random.uniform(-5, 5, dim)
    parts = []
    for name, size in (("train", 300), ("dev", 120), ("test", 120)):
        hidden = random.standard_normal((size, dim))
        scores = hidden @ weights / np.sqrt(dim) + noise * random.standard_normal((size, 4))
        labels = scores.argmax(axis=1) if kind == "classification" else 1 / (1 + np.exp(-scores))
        features = hidden * scales + shifts
        features[:, 0] = 0.25  # a column without variance
        parts.append(part(labels if kind == "classification" else labels[:, :3], features, name))
    return tuple(parts)


def scored(of: Task, model: object, on: Part) -> float:
    return linear.dev_value(of, on, model.predict(on))


# --- linear support vector machines


@pytest.mark.parametrize("kind", ["regression", "classification"])
def test_svm_learns_and_chooses_on_dev(kind: str) -> None:
    of = task(kind)
    train, dev, test = problem(kind)
    model = LinearSVM(of, 0).fit(train, dev)
    report = model.report()
    tried = {row["C"]: row["dev"] for row in report["tried"]}
    assert scored(of, model, dev) == model.chosen["dev"] == max(tried.values())
    assert model.chosen["C"] == min(c for c, value in tried.items() if value == max(tried.values()))
    assert all(row["converged"] for row in report["tried"])
    assert scored(of, model, test) > (0.7 if kind == "regression" else 0.55)
    assert model.predict(test).shape == (120, of.target.outputs)


def test_svm_is_linear_svc_on_standardised_train() -> None:
    of = task("classification")
    train, dev, test = problem("classification")
    model = LinearSVM(of, 3, grid=(0.01,)).fit(train, dev)
    scaler = StandardScaler().fit(train.features.astype(np.float64))
    machine = LinearSVC(C=0.01, dual="auto", random_state=3, max_iter=linear.MAX_ITER)
    machine.fit(scaler.transform(train.features.astype(np.float64)), train.labels)
    expected = machine.decision_function(scaler.transform(test.features.astype(np.float64)))
    np.testing.assert_array_equal(model.predict(test), expected)


def test_svm_ties_keep_the_smaller_c_and_the_search_ends_when_it_gets_worse(monkeypatch) -> None:
    values = iter([0.3, 0.5, 0.5, 0.4, 0.5, 0.4, 0.4, 0.9])
    monkeypatch.setattr(linear, "dev_value", lambda *_: next(values))
    of = task("regression")
    train, dev, _ = problem("regression")
    grid = (8e-3, 1e-3, 2e-3, 3e-3, 4e-3, 5e-3, 6e-3, 7e-3)
    model = LinearSVM(of, 0, grid=grid).fit(train, dev)
    assert model.chosen["C"] == 2e-3
    assert [row["C"] for row in model.report()["tried"]] == sorted(grid)[:7]


def test_svm_refit_learns_from_both_and_fit_from_train_alone() -> None:
    of = task("regression")
    train, dev, test = problem("regression")
    flipped = Part(dev.clips, dev.features[::-1].copy(), dev.labels, dev.speakers)
    model = LinearSVM(of, 0, grid=(1e-3,)).fit(train, dev)
    other = LinearSVM(of, 0, grid=(1e-3,)).fit(train, flipped)
    np.testing.assert_array_equal(model.predict(test), other.predict(test))
    before = model.predict(test)
    model.refit(train, dev)
    both = linear.joined(train, dev)
    assert model.report()["refit"] == {"clips": 420, "converged": True}
    assert not np.array_equal(model.predict(test), before)
    expected = LinearSVM(of, 0, grid=(1e-3,)).fit(both, dev).predict(test)
    np.testing.assert_array_equal(model.predict(test), expected)


def test_svm_class_not_in_train_is_never_predicted() -> None:
    of = task("classification")
    train, dev, test = problem("classification")
    kept = train.labels != 1
    lacking = part(train.labels[kept], train.features[kept], "train")
    values = LinearSVM(of, 0).fit(lacking, dev).predict(test)
    assert np.isneginf(values[:, 1]).all()
    assert np.isfinite(values[:, [0, 2, 3]]).all()


def test_svm_of_two_classes_agrees_with_its_own_decision() -> None:
    of = task("classification")
    train, dev, test = problem("classification")
    two = part(np.where(train.labels < 2, 1, 3), train.features, "train")
    model = LinearSVM(of, 0).fit(two, dev)
    values = model.predict(test)
    assert np.isneginf(values[:, [0, 2]]).all()
    decided = model._machines[0].predict(linear.scaled(model._scaler, test.features))
    np.testing.assert_array_equal(values.argmax(axis=1), decided)
    assert set(decided) == {1, 3}


def test_svm_says_when_it_did_not_converge(monkeypatch) -> None:
    monkeypatch.setattr(linear, "MAX_ITER", 1)
    train, dev, _ = problem("classification", dim=400)  # wider than long: the dual is solved
    model = LinearSVM(task("classification"), 0, grid=(0.1,)).fit(train, dev).refit(train, dev)
    assert model.chosen["converged"] is False
    assert model.report()["refit"]["converged"] is False


def test_svm_blank_labels_are_left_out_of_their_column_only() -> None:
    of = task("regression", nan_ok=True)
    train, dev, test = problem("regression")
    labels = train.labels.copy()
    labels[:150, 1] = np.nan
    model = LinearSVM(of, 0, grid=(1e-2,)).fit(part(labels, train.features, "train"), dev)
    full = LinearSVM(of, 0, grid=(1e-2,)).fit(train, dev)
    np.testing.assert_array_equal(model.predict(test)[:, [0, 2]], full.predict(test)[:, [0, 2]])
    assert not np.array_equal(model.predict(test)[:, 1], full.predict(test)[:, 1])
    labels[:, 1] = np.nan
    with pytest.raises(BadData, match="column 'Fear'"):
        LinearSVM(of, 0).fit(part(labels, train.features, "train"), dev)


def test_svm_of_one_class_is_refused_and_so_is_a_dev_without_a_value() -> None:
    train, dev, _ = problem("classification")
    with pytest.raises(BadData, match="class 'Laugh'"):
        LinearSVM(task("classification"), 0).fit(
            part(np.full(300, 2), train.features, "train"), dev
        )
    train, dev, _ = problem("regression")
    one = part(dev.labels[:1], dev.features[:1], "dev")
    with pytest.raises(BadData, match="undefined for every C"):
        LinearSVM(task("regression"), 0).fit(train, one)


# --- what all systems refuse


def builders(of: Task) -> list[object]:
    estimator = Ridge() if of.target.kind == "regression" else RidgeClassifier()
    own = from_sklearn("own", EGEMAPS, estimator)
    return [LinearSVM(of, 0), own.build(of, 0, "sound"), FeatureMLP(of, 0, "sound")]


@pytest.mark.parametrize("which", range(3))
def test_nan_features_stop_training_by_name_of_the_clip(which: int) -> None:
    of = task("regression")
    train, dev, test = problem("regression")
    broken = train.features.copy()
    broken[17, 3], broken[40, 5] = np.nan, np.inf
    model = builders(of)[which]
    with pytest.raises(BadData, match=r"2 of 300 clips .* train0017, train0040\."):
        model.fit(part(train.labels, broken, "train"), dev)
    model.fit(train, dev)
    broken = test.features.copy()
    broken[3] = np.nan
    with pytest.raises(BadData, match="test0003"):
        model.predict(part(test.labels, broken, "test"))


@pytest.mark.parametrize("which", range(3))
def test_blind_wrong_or_blank_labels_stop_training(which: int) -> None:
    of = task("regression")
    train, dev, _ = problem("regression")
    with pytest.raises(BadData, match="train part of task has no labels"):
        builders(of)[which].fit(part(np.empty(0), train.features, "train"), dev)
    labels = train.labels.copy()
    labels[[4, 9], 1] = np.nan
    with pytest.raises(BadData, match=r"2 clips of train .* train0004, train0009"):
        builders(of)[which].fit(part(labels, train.features, "train"), dev)
    classes = task("classification")
    train, dev, _ = problem("classification")
    labels = train.labels.copy()
    labels[5] = 4
    with pytest.raises(BadData, match=r"train0005.* from 0 to 3"):
        builders(classes)[which].fit(part(labels, train.features, "train"), dev)


@pytest.mark.parametrize("build", [LinearSVM, partial(FeatureMLP, mode="official")])
def test_dev_must_be_labelled_where_something_is_chosen_on_it(build) -> None:
    train, dev, _ = problem("regression")
    with pytest.raises(BadData, match="dev part of task has no labels"):
        build(task("regression"), 0).fit(train, part(np.empty(0), dev.features, "dev"))


@pytest.mark.parametrize("kind", ["regression", "classification"])
@pytest.mark.parametrize("which", range(3))
def test_same_seed_same_bytes(kind: str, which: int) -> None:
    of = task(kind)
    train, dev, test = problem(kind)
    first, second = (builders(of)[which].fit(train, dev) for _ in range(2))
    assert first.predict(test).tobytes() == second.predict(test).tobytes()
    assert first.predict(test).dtype == np.float64
    assert first.report() == second.report()


# --- estimators of the user's own


def test_from_sklearn_is_the_users_own_pipeline() -> None:
    of = task("classification")
    train, dev, test = problem("classification")
    own = make_pipeline(StandardScaler(), RandomForestClassifier(20, random_state=1))
    system = from_sklearn("forest", EGEMAPS, own, refit=True)
    model = system.build(of, 0, "sound").fit(train, dev)
    names = np.array(CLASSES)
    by_hand = own.fit(train.features, names[train.labels]).predict(test.features)
    values = model.predict(test)
    np.testing.assert_array_equal(names[values.argmax(axis=1)], by_hand)
    np.testing.assert_array_equal(values.sum(axis=1), 1)
    both = linear.joined(train, dev)
    by_hand = own.fit(both.features, names[both.labels]).predict(test.features)
    model.refit(train, dev)
    np.testing.assert_array_equal(names[model.predict(test).argmax(axis=1)], by_hand)
    assert model.report()["refit"]["clips"] == 420


@pytest.mark.parametrize("outputs", [1, 3])
def test_from_sklearn_regression(outputs: int) -> None:
    of = task("regression", outputs=outputs)
    train, dev, test = (
        part(p.labels[:, :outputs], p.features, p.clips[0][:-4]) for p in problem("regression")
    )
    own = make_pipeline(StandardScaler(), Ridge(alpha=2.0))
    values = from_sklearn("ridge", EGEMAPS, own).build(of, 0, "sound").fit(train, dev).predict(test)
    own.fit(train.features, train.labels[:, 0] if outputs == 1 else train.labels)
    np.testing.assert_array_equal(values, own.predict(test.features).reshape(120, outputs))


def test_from_sklearn_leaves_out_blank_rows_where_the_target_allows_it_and_says_so() -> None:
    of = task("regression", nan_ok=True)
    train, dev, test = problem("regression")
    labels = train.labels.copy()
    labels[:10, 1] = np.nan
    model = from_sklearn("ridge", EGEMAPS, Ridge()).build(of, 0, "sound")
    model.fit(part(labels, train.features, "train"), dev)
    assert model.report()["fit"] == {"clips": 290, "left_out_blank": 10}
    by_hand = Ridge().fit(train.features[10:], train.labels[10:])
    np.testing.assert_array_equal(model.predict(test), by_hand.predict(test.features))


class Odd(Ridge):
    """Predicts one column too few."""

    def predict(self, X):
        return super().predict(X)[:, :2]


def test_from_sklearn_refuses_predictions_that_do_not_fit_the_task() -> None:
    train, dev, test = problem("regression")
    model = from_sklearn("odd", EGEMAPS, Odd()).build(task("regression"), 0, "sound")
    with pytest.raises(BadData, match=r"\(120, 2\), expected \(120, 3\)"):
        model.fit(train, dev).predict(test)
    train, dev, test = problem("classification")
    model = from_sklearn("ridge", EGEMAPS, GaussianNB())
    model = model.build(task("classification"), 0, "sound").fit(train, dev)
    model.estimator.classes_ = np.array(["Cry", "Gasp", "Laugh", "Wail"])
    with pytest.raises(BadData, match="Wail"):
        model.predict(test)


def test_from_sklearn_settings_tell_estimators_apart() -> None:
    def settings(estimator: object) -> object:
        return from_sklearn("own", EGEMAPS, estimator).settings

    ridge = settings(make_pipeline(StandardScaler(), Ridge(alpha=2.0)))
    assert ridge == settings(make_pipeline(StandardScaler(), Ridge(alpha=2.0)))
    assert ridge["params"]["ridge__alpha"] == "2.0"
    assert ridge["params"]["standardscaler"] == "sklearn.preprocessing._data.StandardScaler"
    assert ridge != settings(make_pipeline(StandardScaler(), Ridge(alpha=3.0)))
    one, other, again = (FunctionTransformer(f) for f in (lambda x: x * 1, lambda x: x * 2, None))
    assert settings(one) != settings(other) != settings(again)
    assert "0x" not in str(settings(one))
    states = [Ridge(random_state=np.random.RandomState(seed)) for seed in (0, 0, 1)]
    assert settings(states[0]) == settings(states[1]) != settings(states[2])


def test_from_sklearn_never_touches_the_users_estimator() -> None:
    own = Ridge(alpha=2.0)
    system = from_sklearn("ridge", EGEMAPS, own)
    own.set_params(alpha=9.0)
    train, dev, test = problem("regression")
    values = system.build(task("regression"), 0, "sound").fit(train, dev).predict(test)
    assert not hasattr(own, "coef_")
    by_hand = Ridge(alpha=2.0).fit(train.features, train.labels)
    np.testing.assert_array_equal(values, by_hand.predict(test.features))


# --- the feature network


@pytest.mark.parametrize(
    ("dim", "outputs", "expected"),
    [
        (88, 10, 22_442),
        (88, 2, 22_178),
        (88, 40, 23_432),
        (88, 8, 22_376),
        (6373, 10, 826_922),
        (6373, 2, 826_658),
        (6373, 40, 827_912),
        (6373, 8, 826_856),
    ],
)
def test_number_of_parameters_is_the_published_one(dim: int, outputs: int, expected: int) -> None:
    net = network(dim, outputs, bounded=outputs != 8)
    assert sum(weight.numel() for weight in net.parameters()) == expected


def test_early_stop_counts_as_the_published_code_does() -> None:
    stop = EarlyStop(delta=0.1)
    counters = []
    for loss in (1.00, 0.95, 0.89, 0.88, 0.85, 0.84, 0.83, 0.82):
        stop.update(loss)
        counters.append(stop.waited)
    assert counters == [0, 1, 0, 1, 2, 3, 4, 5]


def test_early_stop_takes_nan_for_an_improvement() -> None:
    stop = EarlyStop(delta=0.1)
    counters = []
    for loss in (1.0, 0.99, *[float("nan")] * 10):
        stop.update(loss)
        counters.append(stop.waited)
    assert counters == [0, 1, *[0] * 10]


@pytest.mark.parametrize("mode", ["sound", "official"])
@pytest.mark.parametrize("kind", ["regression", "classification"])
def test_mlp_learns(kind: str, mode: str) -> None:
    of = task(kind)
    train, dev, test = problem(kind)
    model = FeatureMLP(of, 1, mode).fit(train, dev)
    values = model.predict(test)
    assert values.shape == (120, of.target.outputs)
    assert scored(of, model, test) > (0.6 if kind == "regression" else 0.5)
    if kind == "regression":
        assert values.min() > 0
        assert values.max() < 1
    report = model.report()
    assert report["epochs"] == len(report["curve"])
    assert report["metric"] == of.metric.key
    other = FeatureMLP(of, 2, mode).fit(train, dev)
    assert not np.array_equal(other.predict(test), values)


def test_mlp_sound_restores_the_best_epoch_and_official_keeps_the_last(monkeypatch) -> None:
    of = task("regression")
    train, dev, _ = problem("regression")
    told = (0.1, 0.5, 0.5, 0.4, 0.3, 0.3, 0.4, 0.45)  # best at the second epoch, tied by the third
    value = mlp.dev_value
    for mode, epochs, kept in (("sound", 7, 2), ("official", 25, 25)):
        values = iter((*told, *[0.2] * 25))
        monkeypatch.setattr(mlp, "DELTA", 0.0)
        monkeypatch.setattr(mlp, "dev_value", lambda *_, values=values: next(values))
        monkeypatch.setattr(EarlyStop, "update", lambda *_: None)
        model = FeatureMLP(of, 1, mode).fit(train, dev)
        report = model.report()
        assert (report["epochs"], report["best_epoch"], report["kept_epoch"]) == (epochs, 2, kept)
        monkeypatch.undo()
        loss = mlp.squared_loss(*map(import_torch().tensor, (model.predict(dev), dev.labels)))
        np.testing.assert_allclose(loss, report["curve"][kept - 1]["dev_loss"], rtol=1e-5)
        assert value(of, dev, model.predict(dev)) > 0


def test_mlp_official_stops_on_the_loss() -> None:
    train, dev, _ = problem("regression", noise=2.0)
    report = FeatureMLP(task("regression"), 1, "official").fit(train, dev).report()
    stop = EarlyStop()
    for row in report["curve"]:
        stop.update(row["dev_loss"])
        assert row["waited"] == stop.waited
    assert stop.waited == 5
    assert report["epochs"] < 25
    assert report["kept_epoch"] == report["epochs"]
    assert report["init_seed"] == 10_001
    assert "dev loss" in report["stopped"]


def test_mlp_masks_blank_labels_in_sound_mode_only() -> None:
    of = task("regression", nan_ok=True)
    train, dev, test = problem("regression")
    labels = train.labels.copy()
    labels[np.random.default_rng(0).random(labels.shape) < 0.3] = np.nan
    blank = part(labels, train.features, "train")
    model = FeatureMLP(of, 1, "sound").fit(blank, dev)
    assert scored(of, model, test) > 0.5
    with pytest.raises(BadData, match="use the mode 'sound'"):
        FeatureMLP(of, 1, "official").fit(blank, dev)


def test_masked_loss_is_the_plain_one_over_known_labels() -> None:
    torch = import_torch()
    prediction = torch.tensor([[0.1, 0.9], [0.4, 0.2]], requires_grad=True)
    truth = torch.tensor([[0.3, float("nan")], [0.8, 0.5]])
    loss = mlp.masked_loss(prediction, truth)
    loss.backward()
    assert loss.item() == pytest.approx((0.2**2 + 0.4**2) / 2 + 0.3**2)
    np.testing.assert_allclose(prediction.grad, [[-0.2, 0.0], [-0.4, -0.6]], rtol=1e-6)
    whole = truth.nan_to_num(0.5)
    assert mlp.masked_loss(prediction, whole).item() == pytest.approx(
        mlp.squared_loss(prediction, whole).item()
    )


def test_mlp_stops_when_the_loss_diverges(monkeypatch) -> None:
    monkeypatch.setattr(mlp, "LEARNING_RATE", float("inf"))
    train, dev, _ = problem("regression")
    with pytest.raises(AffectBenchError, match="epoch 1, at learning rate inf"):
        FeatureMLP(task("regression"), 1, "sound").fit(train, dev)


def test_mlp_refuses_labels_that_a_sigmoid_cannot_reach() -> None:
    of = task("regression")
    nine = Target(name="two", kind="regression", columns=COLUMNS, low=1.0, high=9.0)
    with pytest.raises(BadData, match="from 1 to 9"):
        FeatureMLP(
            Task(
                **{
                    name: getattr(of, name)
                    for name in ("name", "title", "corpus", "split", "metric", "also", "source")
                },
                targets=(nine,),
            ),
            0,
        )


def test_mlp_leaves_threads_and_the_global_generator_alone() -> None:
    torch = import_torch()
    train, dev, _ = problem("regression")
    torch.manual_seed(5)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    FeatureMLP(task("regression"), 1, "official").fit(train, dev).predict(dev)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_missing_torch_names_the_extra(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    train, dev, _ = problem("regression")
    with pytest.raises(MissingExtra, match=r"affectbench\[neural\]"):
        FeatureMLP(task("regression"), 1, "sound").fit(train, dev)


def test_systems_import_without_torch_or_scikit_learn() -> None:
    heavy = "{'torch', 'sklearn', 'scipy'}"
    code = f"import sys, affectbench.systems; sys.exit(len({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
