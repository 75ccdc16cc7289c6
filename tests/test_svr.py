"""Linear SVRs that share one choice: the solver, the grid, the two modes."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import LinAlgError
from sklearn import preprocessing
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVR

from affectbench.errors import BadData
from affectbench.metrics import METRICS
from affectbench.systems import dual, svr, svr_grid
from affectbench.systems.dual import Machines
from affectbench.systems.svr import LINEAR_SVR, SharedSVR
from affectbench.systems.svr_grid import SETTINGS, Setting
from affectbench.systems.training import joined
from affectbench.tasks import TASKS
from affectbench.types import Part, Task

SHARE = TASKS["emotion-share"]
AGE = TASKS["exvo-multitask"].single()[2]
NAMES = {"absolute": "epsilon_insensitive", "squared": "squared_epsilon_insensitive"}
STRONG = Setting("MinMaxScaler", 0.01, "epsilon_insensitive")
WEAK = Setting("StandardScaler", 1e-4, "squared_epsilon_insensitive")


# --- the solver


def problem(rows: int, columns: int, targets: int = 3, *, seed: int = 0) -> tuple:
    """Features with a constant, a repeated column and repeated rows, a column of ones; labels."""
    random = np.random.default_rng(seed)
    features = random.standard_normal((rows, columns)) @ random.standard_normal((columns, columns))
    features[:, 0] = 0.5
    features[:, -1] = features[:, columns // 2]
    features[rows // 2 :: 2] = features[0]
    labels = random.uniform(size=(rows, targets)) + 0.05 * features[:, -1:]
    return np.column_stack([features, np.ones(rows)]), labels


def objective(rows, labels, loss: str, c: float, weights) -> np.ndarray:
    left = labels - rows @ weights
    cost = np.abs(left) if loss == "absolute" else left**2
    return (weights**2).sum(axis=0) / 2 + c * cost.sum(axis=0)


def liblinear(rows, labels, loss: str, c: float, tol: float = 1e-7) -> np.ndarray:
    """Weights [D + 1, K] of scikit-learn, the intercept last."""
    made = []
    for column in labels.T:
        machine = LinearSVR(
            C=c, loss=NAMES[loss], dual=True, tol=tol, max_iter=1_000_000, random_state=0
        ).fit(rows[:, :-1], column)
        made.append(np.append(machine.coef_, machine.intercept_))
    return np.stack(made, axis=1)


@pytest.mark.parametrize("precision", [np.float64, np.float32])
@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (2, 40), (30, 45), (45, 30), (300, 12)])
def test_objectives_are_those_of_liblinear(shape: tuple[int, int], precision: type) -> None:
    rows, labels = problem(*shape)
    costs, losses = (0.1, 1e-2, 1e-4), ("absolute", "squared")
    found = Machines(rows.astype(precision), labels).fit(costs, losses)
    assert list(found) == [(c, loss) for c in costs for loss in losses]
    for (c, loss), solution in found.items():
        assert solution.converged
        theirs = liblinear(rows, labels, loss, c)
        values = objective(rows, labels, loss, c, solution.weights)
        least = objective(rows, labels, loss, c, theirs)
        assert (values <= least * (1 + dual.ENOUGH)).all()
        # The gap bounds the excess, but for what single precision rounds.
        assert (values <= least * (1 + solution.gaps + 1e-5)).all()
        np.testing.assert_allclose(rows @ solution.weights, rows @ theirs, rtol=0, atol=2e-3)


def test_squared_loss_is_ridge_regression() -> None:
    rows, labels = problem(80, 20)
    found = Machines(rows, labels).fit([1e-2], ["squared"])[1e-2, "squared"]
    exact = np.linalg.solve(rows.T @ rows + np.eye(21) / (2 * 1e-2), rows.T @ labels)
    np.testing.assert_allclose(found.weights, exact, rtol=0, atol=1e-12)


@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    c=st.sampled_from([1e-1, 1e-2, 1e-3, 1e-6]),
    seed=st.integers(0, 999),
)
@settings(max_examples=20, deadline=None)
def test_the_gap_bounds_every_other_solution(rows: int, columns: int, c: float, seed: int) -> None:
    features, labels = problem(rows, columns, seed=seed)
    for loss, solution in Machines(features, labels)._fit(c, ["absolute", "squared"]).items():
        assert solution.converged
        least = objective(features, labels, loss, c, solution.weights) * (1 - solution.gaps)
        nudge = np.random.default_rng(seed).standard_normal(solution.weights.shape)
        for other in (0.0, 0.9, 0.999, 1.001):
            weights = other * solution.weights + 1e-4 * nudge
            assert (least <= objective(features, labels, loss, c, weights)).all()


def test_a_factor_that_is_too_coarse_is_made_in_double_precision(monkeypatch) -> None:
    rows, labels = problem(120, 20)
    single = rows.astype(np.float32)
    usual = Machines(single, labels).fit([1e-2], ["absolute"])[1e-2, "absolute"]
    monkeypatch.setattr(dual, "SINGLE", 1.0)  # no ridge is large enough
    machines = Machines(single, labels)
    double = machines.fit([1e-2], ["absolute"])[1e-2, "absolute"]
    assert machines._space._square.dtype == np.float64
    np.testing.assert_allclose(double.weights, usual.weights, atol=1e-3)


def test_a_factor_that_rounding_has_broken_is_made_in_double_precision(monkeypatch) -> None:
    rows, labels = problem(120, 20)
    cholesky = dual._cholesky

    def fragile(square, ridge, dtype):
        if square.dtype == np.float32:
            raise LinAlgError
        return cholesky(square, ridge, dtype)

    monkeypatch.setattr(dual, "_cholesky", fragile)
    machines = Machines(rows.astype(np.float32), labels)
    assert machines.fit([1e-2], ["squared"])[1e-2, "squared"].converged


def test_what_is_not_solved_is_told(monkeypatch) -> None:
    monkeypatch.setattr(dual, "STEPS", 5)
    rows, labels = problem(300, 12)
    solution = Machines(rows, labels).fit([0.1], ["absolute"])[0.1, "absolute"]
    assert not solution.converged
    assert solution.gaps.max() > dual.ENOUGH


@pytest.mark.parametrize("label", [0.0, 0.4])
def test_labels_that_do_not_vary(label: float) -> None:
    rows, _ = problem(30, 5)
    found = Machines(rows, np.full((30, 2), label)).fit([1e-2], ["absolute", "squared"])
    for (c, loss), solution in found.items():
        assert solution.converged
        value = objective(rows, np.full((30, 2), label), loss, c, solution.weights)
        least = objective(rows, np.full((30, 2), label), loss, c, np.zeros((6, 2)))
        assert (value <= least).all()


def test_threads_change_nothing(monkeypatch) -> None:
    rows, labels = problem(200, 30)
    costs = (1e-2, 1e-3, 1e-4)
    found = []
    for cores in (1, 4):
        monkeypatch.setattr(dual.os, "cpu_count", lambda cores=cores: cores)
        found.append(Machines(rows, labels).fit(costs, ["absolute"]))
    for key, solution in found[0].items():
        np.testing.assert_array_equal(solution.weights, found[1][key].weights)


def test_an_interrupt_stops_all_threads(monkeypatch) -> None:
    rows, labels = problem(300, 12)
    monkeypatch.setattr(dual, "AIM", -1.0)  # never reached
    monkeypatch.setattr(dual, "STEPS", 10**9)
    machines = Machines(rows, labels)
    squared = machines._squared

    def interrupted(c: float):
        if c == 1e-2:
            raise KeyboardInterrupt
        return squared(c)

    monkeypatch.setattr(machines, "_squared", interrupted)
    with pytest.raises(KeyboardInterrupt):
        machines.fit([1e-2, 1e-3], ["absolute"])


# --- the model


def part(name: str, features: np.ndarray, labels: np.ndarray) -> Part:
    clips = tuple(f"{name}{row:04d}" for row in range(len(features)))
    return Part(clips, features.astype(np.float32), labels, ("S1",) * len(clips))


def parts(task: Task = SHARE, *, seed: int = 3, dim: int = 12) -> tuple[Part, Part, Part]:
    """Train, dev and test of one linear truth, on columns of different scales; one is constant."""
    random = np.random.default_rng(seed)
    target = task.target
    weights = random.standard_normal((dim, target.outputs))
    made = []
    for name, size in (("train", 160), ("dev", 70), ("test", 60)):
        hidden = random.standard_normal((size, dim))
        noise = random.standard_normal((size, target.outputs))
        share = 1 / (1 + np.exp(-(hidden @ weights) / 2 - noise / 2))
        labels = target.low + (target.high - target.low) * share
        features = hidden * np.linspace(0.1, 20, dim) + 3
        features[:, 0] = 0.25
        made.append(part(name, features, labels))
    return tuple(made)


@pytest.fixture(scope="module")
def sound() -> tuple[SharedSVR, dict, np.ndarray]:
    """Fitted on ``parts()``: the model, its report and its predictions of dev."""
    train, dev, _ = parts()
    model = SharedSVR(SHARE).fit(train, dev)
    return model, model.report(), model.predict(dev)


def searched(train: Part, dev: Part) -> GridSearchCV:
    """What the published code runs, in scikit-learn's own words."""
    both = joined(train, dev)
    split = PredefinedSplit(np.repeat([-1, 0], [len(train.clips), len(dev.clips)]))
    machine = LinearSVR(random_state=42, max_iter=50_000, dual=True)
    pipeline = Pipeline([("scaler", None), ("svr", MultiOutputRegressor(machine))])
    grid = {
        "scaler": [preprocessing.StandardScaler(), preprocessing.MinMaxScaler()],
        "svr__estimator__loss": list(svr_grid.LOSSES),
        "svr__estimator__C": [1e-2, 1e-3, 1e-4, 1e-5, 1e-6],
    }
    search = GridSearchCV(pipeline, grid, scoring="neg_mean_absolute_error", cv=split)
    return search.fit(both.features.astype(np.float64), both.labels)


def test_official_is_the_grid_search_of_scikit_learn() -> None:
    train, dev, test = parts()
    search = searched(train, dev)
    model = SharedSVR(SHARE, 42, "official").fit(train, dev)
    report = model.report()
    values = [row["dev"] for row in report["tried"]]
    np.testing.assert_array_equal(values, -search.cv_results_["mean_test_score"])
    best = search.best_params_
    assert (report["chosen"]["C"], report["chosen"]["loss"]) == (
        best["svr__estimator__C"],
        best["svr__estimator__loss"],
    )
    assert report["chosen"]["scaler"] == type(best["scaler"]).__name__
    assert report["chosen"] == report["tried"][search.best_index_]
    assert report["solver"].startswith("scikit-learn")
    assert report["chosen_by"] == "mae.mean"
    refitted = search.best_estimator_.predict(test.features.astype(np.float64))
    np.testing.assert_array_equal(model.refit(train, dev).predict(test), refitted)


def test_official_is_a_loop_over_the_grid_by_hand() -> None:
    train, dev, _ = parts(seed=4)
    best, winner, expected = np.inf, None, None
    for setting in SETTINGS:
        scaler = getattr(preprocessing, setting.scaler)().fit(train.features.astype(np.float64))
        rows = scaler.transform(train.features.astype(np.float64))
        values = np.column_stack(
            [
                LinearSVR(
                    C=setting.c, loss=setting.loss, max_iter=50_000, dual=True, random_state=42
                )
                .fit(rows, column)
                .predict(scaler.transform(dev.features.astype(np.float64)))
                for column in train.labels.T
            ]
        )
        error = mean_absolute_error(dev.labels, values)
        if error < best:
            best, winner, expected = error, setting, values
    model = SharedSVR(SHARE, 42, "official").fit(train, dev)
    chosen = model.report()["chosen"]
    assert Setting(chosen["scaler"], chosen["C"], chosen["loss"]) == winner
    np.testing.assert_array_equal(model.predict(dev), expected)


def test_official_gives_the_same_in_processes(monkeypatch) -> None:
    train, dev, _ = parts()
    monkeypatch.setattr(svr, "SETTINGS", (WEAK, STRONG))
    alone = SharedSVR(SHARE, 42, "official").fit(train, dev).predict(dev)
    monkeypatch.setattr(svr_grid, "_processes", lambda _: 2)
    np.testing.assert_array_equal(
        SharedSVR(SHARE, 42, "official").fit(train, dev).predict(dev), alone
    )


def test_processes_are_limited_by_cores_and_memory(monkeypatch) -> None:
    monkeypatch.setattr(svr_grid.os, "cpu_count", lambda: 64)
    assert svr_grid._processes(1000) == 1
    assert svr_grid._processes(31_745 * 6_373) == 1
    assert svr_grid._processes(10_000_000) == 35


def test_sound_solves_what_liblinear_solves(sound, monkeypatch) -> None:
    train, dev, _ = parts()
    monkeypatch.setattr(svr_grid, "TOL", 1e-7)  # liblinear stops early otherwise
    exact = svr_grid.by_liblinear(train.features, train.labels, SETTINGS, 42)
    ours = svr_grid.by_gap(train.features, train.labels, (0.0, 1.0), SETTINGS)
    for (setting, one, _), (same, two, told) in zip(exact, ours, strict=True):
        assert setting == same
        assert told["converged"]
        apart = one.values(dev.features) - two.values(dev.features)
        assert np.abs(apart).max() < 1e-3, setting


def test_sound_chooses_by_the_metric_of_the_task(sound) -> None:
    _, report, prediction = sound
    _, dev, _ = parts()
    metric = METRICS["spearman.mean"]
    value = metric.combine(metric.compute(dev.labels, prediction, 9))
    tried = [row["dev"] for row in report["tried"]]
    assert report["chosen"]["dev"] == pytest.approx(value)
    assert report["chosen"]["dev"] == max(tried)
    assert report["chosen"] == report["tried"][int(np.argmax(tried))]
    assert report["chosen_by"] == "spearman.mean"
    assert len(tried) == 20
    assert report["solver"] == "dual"
    assert report["converged"]
    assert report["constant_columns"] == 1
    json.dumps(report)


@pytest.mark.parametrize("mode", ["sound", "official"])
def test_of_equals_the_first_is_kept(mode: str, monkeypatch) -> None:
    train, dev, _ = parts()
    monkeypatch.setattr(SharedSVR, "_value", lambda *_: 0.5)
    chosen = SharedSVR(SHARE, 42, mode).fit(train, dev).report()["chosen"]
    assert (chosen["scaler"], chosen["C"], chosen["loss"]) == SETTINGS[0]


@pytest.mark.parametrize("mode", ["sound", "official"])
def test_labels_of_dev_do_not_reach_its_predictions_but_through_the_choice(
    mode: str, monkeypatch
) -> None:
    train, dev, _ = parts()
    monkeypatch.setattr(svr, "SETTINGS", (STRONG,))
    before = SharedSVR(SHARE, 42, mode).fit(train, dev).predict(dev)
    other = replace(dev, labels=dev.labels[::-1])
    after = SharedSVR(SHARE, 42, mode).fit(train, other).predict(other)
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("mode", ["sound", "official"])
def test_refit_is_a_fit_of_train_and_dev_with_the_choice(mode: str, monkeypatch) -> None:
    train, dev, test = parts()
    monkeypatch.setattr(svr, "SETTINGS", (WEAK, STRONG))
    model = SharedSVR(SHARE, 42, mode).fit(train, dev)
    chosen = Setting(*(model.report()["chosen"][key] for key in ("scaler", "C", "loss")))
    model.refit(train, dev)
    both = joined(train, dev)
    monkeypatch.setattr(svr, "SETTINGS", (chosen,))
    anew = SharedSVR(SHARE, 42, mode).fit(both, dev)
    np.testing.assert_array_equal(model.predict(test), anew.predict(test))
    assert model.report()["refit"]["clips"] == 230


def test_a_choice_at_the_edge_of_the_grid_is_noted(monkeypatch) -> None:
    train, dev, _ = parts()
    notes = {}
    for c in (1e-2, 1e-4, 1e-6):
        monkeypatch.setattr(svr, "SETTINGS", (STRONG._replace(c=c),))
        notes[c] = SharedSVR(SHARE).fit(train, dev).report()["notes"]
    assert "0.01" in notes[1e-2][0]
    assert "larger" in notes[1e-2][0]
    assert notes[1e-4] == []
    assert "smaller" in notes[1e-6][0]


def test_predictions_are_clipped_unless_only_their_order_counts(monkeypatch) -> None:
    train, dev, test = parts()
    far = replace(test, features=test.features * 10)
    monkeypatch.setattr(svr, "SETTINGS", (STRONG,))
    raw = SharedSVR(SHARE).fit(train, dev).predict(far)
    agreement = replace(SHARE, metric=METRICS["ccc.population"])
    clipped = SharedSVR(agreement).fit(train, dev)
    assert raw.min() < 0
    assert raw.max() > 1
    np.testing.assert_array_equal(clipped.predict(far), raw.clip(0, 1))
    official = SharedSVR(agreement, 42, "official").fit(train, dev).predict(far)
    np.testing.assert_allclose(official, raw, atol=0.05)
    assert 0 <= clipped.report()["dev_predictions_outside_range"] < 1


def test_age_is_learnt_on_the_scale_of_its_range() -> None:
    train, dev, test = parts(AGE)
    model = SharedSVR(AGE).fit(train, dev)
    low, high = AGE.target.low, AGE.target.high
    prediction = model.predict(test)
    assert ((prediction >= low) & (prediction <= high)).all()
    error = np.abs(prediction - test.labels).mean()
    assert error < 0.8 * np.abs(np.median(train.labels) - test.labels).mean()
    assert model.report()["chosen_by"] == AGE.metric.key
    unit = [replace(p, labels=(p.labels - low) / (high - low)) for p in (train, dev)]
    target = replace(AGE.target, low=0.0, high=1.0)
    scaled = SharedSVR(replace(AGE, targets=(target,))).fit(*unit)
    np.testing.assert_allclose(scaled.predict(test) * (high - low) + low, prediction, rtol=1e-9)


def test_blank_labels_are_left_out_of_their_column(monkeypatch) -> None:
    target = replace(SHARE.target, columns=SHARE.columns[:2], nan_ok=True)
    task = replace(SHARE, targets=(target,), metric=METRICS["ccc.population"])
    train, dev, test = parts(task)
    blank = train.labels.copy()
    blank[::3, 1] = np.nan
    monkeypatch.setattr(svr, "SETTINGS", (WEAK, STRONG))
    gappy = replace(train, labels=blank)
    for setting, fitted, _ in svr_grid.by_gap(train.features, blank, (0.0, 1.0), (WEAK, STRONG)):
        scaling = svr_grid._Scaling.of(setting.scaler, train.features)  # all rows are scaled alike
        known = ~np.isnan(blank[:, 1])
        loss = svr_grid.LOSSES[setting.loss]
        alone = Machines(scaling.rows(train.features[known]), blank[known, 1:])
        weights = alone.fit([setting.c], [loss])[setting.c, loss].weights
        np.testing.assert_allclose(fitted.weights[:, 1:], weights, atol=1e-12)
    assert SharedSVR(task).fit(gappy, dev).predict(test).shape == (60, 2)
    with pytest.raises(BadData, match="blank"):
        SharedSVR(task, 42, "official").fit(gappy, dev)
    blank[:, 1] = np.nan
    with pytest.raises(BadData, match=f"'{SHARE.columns[1]}'"):
        SharedSVR(task).fit(replace(train, labels=blank), dev)


def test_single_precision_gives_the_same(monkeypatch) -> None:
    train, dev, test = parts()
    monkeypatch.setattr(svr, "SETTINGS", (WEAK, STRONG))
    double = SharedSVR(SHARE).fit(train, dev).predict(test)
    monkeypatch.setattr(svr_grid, "SMALL", 0)
    monkeypatch.setattr(svr_grid, "ROWS", 7)
    monkeypatch.setattr(svr_grid, "COLUMNS", 5)
    np.testing.assert_allclose(SharedSVR(SHARE).fit(train, dev).predict(test), double, atol=1e-3)


def test_several_columns_of_other_tasks() -> None:
    task = TASKS["avb-high"]
    train, dev, test = parts(task)
    model = SharedSVR(task).fit(train, dev)
    assert model.report()["chosen_by"] == "ccc.population"
    assert model.refit(train, dev).predict(test).shape == (60, 10)


def test_what_cannot_be_learnt_from_is_said() -> None:
    train, dev, _ = parts()
    with pytest.raises(BadData, match="classification"):
        SharedSVR(TASKS["avb-type"])
    with pytest.raises(ValueError, match="sound"):
        SharedSVR(SHARE, 42, "loud")
    with pytest.raises(BadData, match="undefined for every setting"):
        SharedSVR(SHARE).fit(train, replace(dev, labels=np.full((70, 9), 0.5)))
    features = train.features.copy()
    features[7, 2] = np.nan
    with pytest.raises(BadData, match="train0007"):
        SharedSVR(SHARE).fit(replace(train, features=features), dev)


def test_the_recipe_says_what_it_does() -> None:
    assert LINEAR_SVR.name == "linear-svr"
    assert LINEAR_SVR.suffix == "svr"
    assert LINEAR_SVR.modes[0] == "sound"
    assert LINEAR_SVR.settings["C"] == [1e-2, 1e-3, 1e-4, 1e-5, 1e-6]
    json.dumps(dict(LINEAR_SVR.settings))
