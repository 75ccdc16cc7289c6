"""Logistic regression on embeddings: the MODULATE-SONATA baseline of the workshop paper."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from affectbench.errors import BadData, listing
from affectbench.systems.linear import check_classes
from affectbench.systems.training import check_features, check_part, dev_value, joined, merit
from affectbench.types import Floats, Part, Recipe, Task

GRID: Final = (0.001, 0.01, 0.1, 1.0)
MAX_ITER: Final = {"sound": 10_000, "official": 100}  # scikit-learn's own is 100

SETTINGS: Final[Mapping[str, Any]] = {
    "model": "LogisticRegression, L2, lbfgs, multinomial, no class weights",
    "scaling": "none",
    "C": list(GRID),
    "ties": "the smallest C",
    "max_iter": MAX_ITER,
    "official": "scikit-learn's default number of iterations, whether it converged or not",
}


class EmbeddingLogReg:
    """Multinomial logistic regression on features as they are, C chosen on dev.

    C is chosen by the task's own metric on dev, of equals the smallest; with it a model for test
    is learnt again from train and dev. Nothing is scaled, as the paper states no scaling.

    Modes:
        sound: up to 10,000 iterations, so that lbfgs converges; where it does not, the report
            says so.
        official: the paper to the letter, "sklearn LogisticRegression": 100 iterations, which may
            end before it has converged.

    Args:
        task: a classification.
        seed: not used; lbfgs starts from zero.
        mode: ``sound`` or ``official``.
        grid: values of C to try.

    Raises:
        BadData: the task is a regression.

    Source: workshop paper (arXiv:2403.14048), section 3.6 and Table 10.
    """

    def __init__(
        self, task: Task, seed: int, mode: str = "sound", grid: Sequence[float] = GRID
    ) -> None:
        if mode not in MAX_ITER:
            raise ValueError(f"mode is 'sound' or 'official', not {mode!r}")
        if task.target.kind != "classification":
            raise BadData(
                f"Logistic regression predicts classes; {task.name} is a {task.target.kind}. "
                "Use linear-svm, or another system for numbers."
            )
        self.task = task
        self.seed = seed
        self.grid = sorted(grid)
        self.max_iter = MAX_ITER[mode]
        self.chosen: dict[str, Any] = {}  # C, value on dev, iterations, whether it converged
        self._tried: list[dict[str, Any]] = []
        self._refit: dict[str, Any] | None = None
        self._absent: dict[str, list[str]] = {}

    def fit(self, train: Part, dev: Part) -> EmbeddingLogReg:
        """Learn from train once for each C, keep the one that is best on dev.

        Raises:
            BadData: NaN features, a part without labels, one class only, or no C with a value.
        """
        check_part(self.task, "train", train)
        check_part(self.task, "dev", dev)
        self._absent = {"train": self._lacking(train), "dev": self._lacking(dev)}
        self.chosen, self._tried, self._refit = {}, [], None
        best = -np.inf
        for c in self.grid:
            model, told = self._learn(train, c)
            value = dev_value(self.task, dev, self._values(model, dev))
            self._tried.append({"C": c, "dev": value, **told})
            worth = merit(self.task.metric, value)
            if worth > best:
                best, self._model, self.chosen = worth, model, self._tried[-1]
        if not self.chosen:
            raise BadData(
                f"{self.task.metric.key} on dev is undefined for every C of {listing(self.grid)}. "
                "Check the labels of dev."
            )
        return self

    def refit(self, train: Part, dev: Part) -> EmbeddingLogReg:
        """Learn from train and dev together with the chosen C, for predictions of test."""
        both = joined(train, dev)
        check_part(self.task, "train and dev", both)
        self._model, told = self._learn(both, self.chosen["C"])
        self._refit = {"clips": len(both.clips), **told}
        self._absent["train and dev"] = self._lacking(both)
        return self

    def predict(self, part: Part) -> Floats:
        """[N, C] probabilities; 0 for a class not learnt from."""
        check_features(part)
        return self._values(self._model, part)

    def report(self) -> dict[str, Any]:
        """The chosen C; value, iterations and convergence of every C; classes that are absent."""
        return {
            "metric": self.task.metric.key,
            "grid": self.grid,
            "chosen": self.chosen,
            "edge": self._edge(),
            "tried": self._tried,
            "refit": self._refit,
            "max_iter": self.max_iter,
            "absent": self._absent,
            "parameters": self._model.coef_.size + self._model.intercept_.size,
        }

    def _edge(self) -> str:
        """Whether the best C is the last of the grid on its side, in words."""
        c = self.chosen["C"]
        for end, beyond in ((self.grid[0], "smaller"), (self.grid[-1], "larger")):
            if c == end and len(self.grid) > 1:
                return f"C = {c:g} is at the edge of the grid; a {beyond} one was not tried"
        return ""

    def _lacking(self, part: Part) -> list[str]:
        there = set(np.unique(part.labels).tolist())
        return [name for code, name in enumerate(self.task.target.classes) if code not in there]

    def _learn(self, part: Part, c: float) -> tuple[Any, dict[str, Any]]:
        """The fitted estimator, its iterations and whether it converged."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        check_classes(self.task, part.labels)
        model = LogisticRegression(C=c, max_iter=self.max_iter)
        features = part.features.astype(np.float64)
        # One thread, so that sums add up in the same order whatever the number of cores; and a
        # thousand small products cost more in waiting for other threads than in computing.
        with warnings.catch_warnings(record=True) as told, threadpool_limits(1):
            warnings.simplefilter("always")
            model.fit(features, part.labels)
        failed = [one for one in told if issubclass(one.category, ConvergenceWarning)]
        for one in told:
            if one not in failed:  # convergence is told by the report, and stored
                warnings.warn(one.message, stacklevel=3)
        return model, {"iterations": int(model.n_iter_.max()), "converged": not failed}

    def _values(self, model: Any, part: Part) -> Floats:
        values = np.zeros((len(part.clips), self.task.target.outputs))
        values[:, model.classes_] = model.predict_proba(part.features.astype(np.float64))
        return values


LOGREG: Final = Recipe(
    name="logreg",
    suffix="logreg",
    title="logistic regression",
    build=EmbeddingLogReg,
    modes=("sound", "official"),
    refit=True,
    settings=SETTINGS,
    source="MODULATE-SONATA baseline, workshop paper (arXiv:2403.14048), Table 10",
)
