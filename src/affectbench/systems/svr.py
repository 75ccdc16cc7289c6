"""Linear support vector regression of several columns that share one choice of settings."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from affectbench.errors import BadData
from affectbench.systems.mlp import check_none_blank
from affectbench.systems.training import check_features, check_part, dev_value, joined, merit
from affectbench.types import Floats, Part, Recipe, Task

Loss = Literal["epsilon_insensitive", "squared_epsilon_insensitive"]

# In the order of scikit-learn's grid search: scaler outermost, then C, then loss. Of equals the
# first is kept.
SCALERS: Final = ("StandardScaler", "MinMaxScaler")
GRID: Final = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
LOSSES: Final[tuple[Loss, ...]] = ("epsilon_insensitive", "squared_epsilon_insensitive")
MAX_ITER: Final = 50_000
LARGE: Final = 5_000_000  # numbers, from which on a process is worth its start
SETTINGS: Final[Mapping[str, Any]] = {
    "regression": "LinearSVR, one a column; scaler, C and loss are chosen once for all columns",
    "scalers": list(SCALERS),
    "C": list(GRID),
    "losses": list(LOSSES),
    "epsilon": 0.0,
    "dual": True,
    "max_iter": MAX_ITER,
    "refit": "on train and dev, scaler included",
    "official": "chosen on the MAE of dev, mean over columns; predictions as they come",
    "sound": "chosen on the task's metric on dev; predictions clipped to the range of the labels",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One point of the grid."""

    scaler: str
    C: float
    loss: Loss


class SharedSVR:
    """Scale, then one linear SVR a column; all columns share scaler, C and loss.

    Twenty settings are fitted on train and judged on dev, so the score on dev is a little too good;
    that on test is not. Test is predicted after a refit of the best setting, scaler included, on
    train and dev together; dev by the fit on train alone.

    Modes:
        official: what the published code computes. Chosen on the MAE of dev although the task is
            ranked by Spearman's rho; nothing is clipped, so predictions leave 0..1. Blank labels
            are refused.
        sound: chosen on the task's own metric; clipped to the range of the labels; a row with a
            blank label is left out of its column.

    The best C of the published run is the largest that is offered. ``report`` says so where it
    happens again: the optimum may lie beyond.

    Args:
        task: a regression; names target and metric.
        seed: of liblinear's coordinate descent.
        mode: ``official`` or ``sound``.

    Source: Schuller et al. 2023, ComParE, arXiv:2304.14882; workshop paper, Table 5.
    """

    def __init__(self, task: Task, seed: int, mode: str = "sound") -> None:
        if task.target.kind != "regression":
            raise BadData(
                f"{task.name} is a classification; this system predicts numbers. Use linear-svm."
            )
        self.task = task
        self.seed = seed
        self.official = mode == "official"
        self.chosen: Choice | None = None
        self._tried: list[dict[str, Any]] = []
        self._notes: list[str] = []
        self._refit: dict[str, Any] | None = None

    def fit(self, train: Part, dev: Part) -> SharedSVR:
        """Learn from train with each setting, keep the one that is best on dev.

        Raises:
            BadData: NaN features, a part without labels, blank labels in official mode, or no
                setting with a value on dev.
        """
        check_part(self.task, "train", train)
        check_part(self.task, "dev", dev)
        if self.official:
            check_none_blank(train=train, dev=dev)
        self.chosen, self._tried, self._refit = None, [], None
        best = -np.inf
        for choice, machines, scaler, judged, converged in self._fits(train, dev):
            values = self._clipped(_predict(machines, judged))
            worth, told = self._judge(dev, values)
            self._tried.append({**asdict(choice), **told, "converged": converged})
            if worth > best:
                best, self.chosen = worth, choice
                self._machines, self._scaler = machines, scaler
        if self.chosen is None:
            raise BadData(
                f"{self.task.metric.key} on dev is undefined for every setting. Check that the "
                "labels of dev vary."
            )
        self._notes = self._remarks(train)
        return self

    def refit(self, train: Part, dev: Part) -> SharedSVR:
        """Learn from train and dev together with the chosen setting, scaler included."""
        if self.chosen is None:
            raise ValueError("refit before fit")
        both = joined(train, dev)
        check_part(self.task, "train and dev", both)
        features, self._scaler = _scaled(self.chosen.scaler, both.features)
        self._machines, converged = self._learn(features, both.labels, self.chosen)
        self._refit = {"clips": len(both.clips), "converged": converged}
        return self

    def predict(self, part: Part) -> Floats:
        """[N, C] values of the columns."""
        check_features(part)
        features = self._scaler.transform(part.features.astype(np.float64))
        return self._clipped(_predict(self._machines, features))

    def report(self) -> dict[str, Any]:
        """The chosen setting, all that were tried with their value on dev, and what is odd."""
        return {
            "metric": "mae.mean" if self.official else self.task.metric.key,
            "chosen": None if self.chosen is None else asdict(self.chosen),
            "tried": self._tried,
            "refit": self._refit,
            "notes": self._notes,
            "solver": "liblinear",
            "parameters": sum(m.coef_.size + np.size(m.intercept_) for m in self._machines),
        }

    def _fits(
        self, train: Part, dev: Part
    ) -> Iterator[tuple[Choice, list[Any], Any, Floats, bool]]:
        """Every setting with its machines, its scaler, dev on its scale, and whether it converged.

        Each scaler is fitted once, not once a setting.
        """
        for name in SCALERS:
            features, scaler = _scaled(name, train.features)
            judged = scaler.transform(dev.features.astype(np.float64))
            for c, loss in product(GRID, LOSSES):
                choice = Choice(name, c, loss)
                machines, converged = self._learn(features, train.labels, choice)
                yield choice, machines, scaler, judged, converged

    def _learn(
        self, features: Floats, labels: NDArray[Any], choice: Choice
    ) -> tuple[list[Any], bool]:
        """One machine a column, and whether all converged.

        Large ones are fitted in processes side by side, never in threads: liblinear draws from one
        generator for the whole process, and threads would take each other's numbers.
        """
        from joblib import Parallel, delayed

        columns = zip(self.task.target.columns, labels.T, strict=True)
        jobs = (
            delayed(_machine)(features, column, choice, self.seed, name) for name, column in columns
        )
        workers = (os.cpu_count() or 1) if features.size > LARGE else 1
        machines = Parallel(n_jobs=workers)(jobs)
        return machines, all(machine.n_iter_ < MAX_ITER for machine in machines)

    def _judge(self, dev: Part, values: Floats) -> tuple[float, dict[str, float]]:
        """How good predictions of dev are, higher is better, and what is told of them."""
        if not self.official:
            value = dev_value(self.task, dev, values)
            return merit(self.task.metric, value), {"dev": value}
        mae = float(np.mean(np.abs(dev.labels - values).mean(axis=0)))
        return -mae, {"mae": mae}

    def _clipped(self, values: Floats) -> Floats:
        target = self.task.target
        return values if self.official else values.clip(target.low, target.high)

    def _remarks(self, train: Part) -> list[str]:
        """What a reader of the numbers must know."""
        told = []
        if self.chosen is not None and self.chosen.C in (min(GRID), max(GRID)):
            edge = "largest" if max(GRID) == self.chosen.C else "smallest"
            told.append(
                f"The best C is {self.chosen.C:g}, the {edge} that was tried: the optimum may lie "
                "beyond."
            )
        constant = int((np.ptp(train.features, axis=0) == 0).sum())
        if constant:
            told.append(f"{constant:,} columns are constant on train and say nothing.")
        return told


def _machine(features: Floats, column: Floats, choice: Choice, seed: int, name: str) -> Any:
    """A LinearSVR fitted to one column [N]; rows with a blank label are left out."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVR

    known = ~np.isnan(column)
    if not known.any():
        raise BadData(f"No clip of train has a label in the column '{name}'.")
    rows = features if known.all() else features[known]
    machine = LinearSVR(
        C=choice.C, loss=choice.loss, dual=True, max_iter=MAX_ITER, random_state=seed
    )
    with warnings.catch_warnings():
        # It is told by n_iter_, and stored, rather than printed and forgotten.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return machine.fit(rows, column[known])


def _scaled(name: str, features: NDArray[Any]) -> tuple[Floats, Any]:
    """Features [N, D] on the scale of a scaler that was fitted on them, and the scaler."""
    from sklearn import preprocessing

    values = features.astype(np.float64)
    scaler = getattr(preprocessing, name)().fit(values)
    return scaler.transform(values), scaler


def _predict(machines: list[Any], features: Floats) -> Floats:
    """[N, C] predictions on features that are scaled already."""
    return np.column_stack([machine.predict(features) for machine in machines])


LINEAR_SVR: Final = Recipe(
    name="linear-svr",
    suffix="svr",
    title="linear SVR",
    build=SharedSVR,
    seeds=(42,),
    modes=("sound", "official"),
    refit=True,
    settings=SETTINGS,
    source="ComParE 2023 baseline, arXiv:2304.14882; workshop paper, Table 5",
)
