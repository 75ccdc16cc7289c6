"""Floors and controls: what a score is worth that something without ears reaches too.

Floors hear nothing: the mean label (``MEAN_LABEL``), the most frequent class (``MAJORITY``).
Controls hear one thing only: how long a clip is (``DURATION_ONLY``), which words are said
(``TEXT_ONLY``). A system that is not clearly above them has not been shown to hear emotion.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affectbench.errors import BadData, listing
from affectbench.features.plain import DURATION
from affectbench.features.text import TEXT
from affectbench.systems.linear import check_classes
from affectbench.systems.training import (
    check_features,
    check_part,
    joined,
    scaled,
    standardised,
)
from affectbench.types import Floats, Part, Recipe, System, Task

Columns = Callable[[NDArray[np.float32]], Floats]  # features [N, D] -> [N, K]

BINS: Final = 10  # of the duration, with as many clips of train in each
PENALTY: Final = 1.0  # on squared weights of standardised columns: scikit-learn's own
MAX_ITER: Final = 5_000  # of logistic regression


class MeanLabel:
    """Predicts the same for every clip: the mean label of train, or the shares of its classes.

    Blank labels are left out of the mean of their column. Correlations of a constant are
    undefined, a CCC of it is 0. Neither features nor dev are looked at, and nothing is refitted.
    """

    def __init__(self, task: Task, seed: int, mode: str) -> None:
        del seed, mode
        self.task = task
        self.constant: Floats = np.empty(0)

    def fit(self, train: Part, dev: Part) -> MeanLabel:
        """Take the mean of the labels of train.

        Raises:
            BadData: labels that cannot be used, or a column without any label.
        """
        del dev
        check_part(self.task, "train", train)
        target = self.task.target
        if target.kind == "classification":
            self.constant = np.bincount(train.labels, minlength=target.outputs) / len(train.labels)
            return self
        _check_columns(self.task, train.labels)
        self.constant = np.nanmean(train.labels, axis=0)
        return self

    def predict(self, part: Part) -> Floats:
        """[N, C]: the constant, for each clip."""
        return np.tile(self.constant, (len(part.clips), 1))

    def report(self) -> dict[str, Any]:
        """The constant, one value an output."""
        return {"constant": self.constant.tolist()}


class Majority(MeanLabel):
    """Predicts the most frequent class of train for every clip; of equals the first in order.

    Raises:
        BadData: the target has no classes.
    """

    def __init__(self, task: Task, seed: int, mode: str) -> None:
        super().__init__(task, seed, mode)
        if task.target.kind != "classification":
            raise BadData(
                f"{task.name}: '{task.target.name}' has no classes, so there is no majority. "
                "The floor of a regression is 'mean-label'."
            )

    def fit(self, train: Part, dev: Part) -> Majority:
        """Count the classes of train.

        Raises:
            BadData: labels that cannot be used.
        """
        super().fit(train, dev)
        self.constant = np.asarray(
            np.arange(len(self.constant)) == self.constant.argmax(), dtype=np.float64
        )
        return self


class Control:
    """A linear model of a few simple columns, as strong as such a model gets.

    Classification is multinomial logistic regression with every class weighted alike, since UAR
    counts every class alike; regression is ridge regression, one a column, blank labels left out of
    their column, clipped to the range of the labels. Nothing is chosen on dev.

    Args:
        task: names the target.
        shaped: gives, for the features of train, what makes K columns of any features.

    Source: Pedregosa et al. 2011, scikit-learn, JMLR 12:2825-2830.
    """

    def __init__(self, task: Task, shaped: Callable[[NDArray[np.float32]], Columns]) -> None:
        self.task = task
        self.shaped = shaped
        self._report: dict[str, Any] = {}

    def fit(self, train: Part, dev: Part) -> Control:
        """Learn from train; dev is left alone.

        Raises:
            BadData: features or labels that cannot be used, or one class only.
        """
        del dev
        self._report = {"fit": self._learn("train", train)}
        return self

    def refit(self, train: Part, dev: Part) -> Control:
        """Learn from train and dev together."""
        self._report["refit"] = self._learn("train and dev", joined(train, dev))
        return self

    def predict(self, part: Part) -> Floats:
        """[N, C]: values of the columns, or probabilities, 0 for a class that was not learnt."""
        check_features(part)
        inputs = scaled(self._scaler, self._columns(part.features))
        target = self.task.target
        if target.kind == "regression":
            values: Floats = np.column_stack([m.predict(inputs) for m in self._machines])
            return values.clip(target.low, target.high)
        values = np.zeros((len(inputs), target.outputs))
        values[:, self._machines[0].classes_] = self._machines[0].predict_proba(inputs)
        return values

    def report(self) -> dict[str, Any]:
        """Clips and columns that were learnt from, and whether the fit converged."""
        return self._report

    def _learn(self, name: str, part: Part) -> dict[str, Any]:
        check_part(self.task, name, part)
        self._columns = self.shaped(part.features)
        inputs, self._scaler = standardised(self._columns(part.features))
        converged = True
        if self.task.target.kind == "classification":
            check_classes(self.task, part.labels)
            self._machines = [_logistic(inputs, part.labels)]
            converged = bool(self._machines[0].n_iter_.max() < MAX_ITER)
        else:
            _check_columns(self.task, part.labels)
            self._machines = [_ridge(inputs, column) for column in part.labels.T]
        return {"clips": len(inputs), "columns": inputs.shape[1], "converged": converged}


def _logistic(inputs: Floats, labels: NDArray[Any]) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        # It is told by n_iter_, and stored, rather than printed and forgotten.
        warnings.simplefilter("ignore", ConvergenceWarning)
        machine = LogisticRegression(C=1 / PENALTY, class_weight="balanced", max_iter=MAX_ITER)
        return machine.fit(inputs, labels)


def _ridge(inputs: Floats, labels: Floats) -> Any:
    from sklearn.linear_model import Ridge

    known = ~np.isnan(labels)
    return Ridge(alpha=PENALTY).fit(inputs[known], labels[known])


def _check_columns(task: Task, labels: Floats) -> None:
    """Every column needs a label somewhere.

    Raises:
        BadData: a column has none.
    """
    blank = [
        name for name, y in zip(task.target.columns, labels.T, strict=True) if np.isnan(y).all()
    ]
    if blank:
        raise BadData(f"No clip of train has a label in the columns {listing(blank)}.")


def duration_columns(train: NDArray[np.float32]) -> Columns:
    """Seconds [N, 1] as seconds, their logarithm, and which tenth of train they fall into."""
    edges = np.unique(np.quantile(train[:, 0], np.arange(1, BINS) / BINS))

    def columns(features: NDArray[np.float32]) -> Floats:
        seconds = features[:, :1].astype(np.float64)
        inside = np.searchsorted(edges, seconds[:, 0])[:, None] == np.arange(len(edges) + 1)
        return np.hstack([seconds, np.log(np.maximum(seconds, 1e-3)), inside])

    return columns


def heard_columns(train: NDArray[np.float32]) -> Columns:
    """The columns of features that are not 0 throughout train: the tokens that were met there."""
    met = np.flatnonzero(train.any(axis=0))

    def columns(features: NDArray[np.float32]) -> Floats:
        return features[:, met].astype(np.float64)

    return columns


def _duration_only(task: Task, seed: int, mode: str) -> Control:
    del seed, mode
    return Control(task, duration_columns)


def _text_only(task: Task, seed: int, mode: str) -> Control:
    del seed, mode
    return Control(task, heard_columns)


SETTINGS: Final = {
    "classification": "multinomial logistic regression, every class weighted alike",
    "regression": "ridge regression, one a column, clipped to the range of the labels",
    "penalty": PENALTY,
    "max_iter": MAX_ITER,
}
MEAN_LABEL: Final = Recipe(
    name="mean-label",
    suffix="mean-label",
    title="mean label of train",
    build=MeanLabel,
    source="a floor: the same prediction for every clip",
)
MAJORITY: Final = Recipe(
    name="majority",
    suffix="majority",
    title="most frequent class of train",
    build=Majority,
    source="a floor: the same class for every clip",
)
DURATION_ONLY: Final = System(
    name="duration-only",
    title="duration alone, linear model",
    features=DURATION,
    build=_duration_only,
    refit=True,
    settings={**SETTINGS, "columns": f"seconds, their logarithm, {BINS} bins of train"},
    source="a control: what the length of the clips gives away",
)
TEXT_ONLY: Final = System(
    name="text-only",
    title="words alone, linear model",
    features=TEXT,
    build=_text_only,
    refit=True,
    settings={**SETTINGS, "columns": "counts of the tokens met in train"},
    source="a control: what the words give away; workshop paper, section 2.3, for SONATA",
)
# Floors hear nothing: the shortest features that there are.
FLOORS: Final = tuple(
    recipe.on(DURATION, name=recipe.name, title=recipe.title) for recipe in (MEAN_LABEL, MAJORITY)
)
