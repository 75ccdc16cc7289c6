"""Linear support vector machines, and any scikit-learn estimator of the user's own."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affectbench.errors import BadData, listing
from affectbench.store import digest
from affectbench.systems.training import (
    check_features,
    check_part,
    dev_value,
    joined,
    merit,
    scaled,
    standardised,
)
from affectbench.types import FeatureSet, Floats, Part, System, Task

GRID: Final = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)  # the more columns, the lower the best C
ENOUGH: Final = 2  # values of C in a row that are worse than the best end the search
MAX_ITER: Final = 10_000  # ten times scikit-learn's, which the dual can exhaust at large C
SETTINGS: Final = {
    "classification": "LinearSVC, squared hinge, one against the rest",
    "regression": "LinearSVR, squared epsilon-insensitive, epsilon 0, one a column",
    "dual": "auto",
    "C": list(GRID),
    "worse_in_a_row_that_end_the_search": ENOUGH,
    "max_iter": MAX_ITER,
    "predictions": "clipped to the range of the labels (regression)",
}


class LinearSVM:
    """Standardise, then a linear SVM whose C is chosen on dev by the task's own metric.

    Classification is scikit-learn's ``LinearSVC`` (liblinear: one against the rest, squared hinge,
    regularised intercept), which is not ``SVC(kernel="linear")``: the two differ by points.
    Regression is one ``LinearSVR`` a column with the squared epsilon-insensitive loss, epsilon 0,
    which needs no more iterations as C grows; a row without a label is left out of its column. All
    columns share one C. Predictions are clipped to the range of the labels: one clip with a
    feature far outside train would otherwise decide the CCC of a whole part.

    Args:
        task: names the target and the metric.
        seed: of liblinear's coordinate descent (used where it solves the dual, N < D).
        grid: values of C to try, from small to large, until two in a row are worse on dev than the
            best so far (a large C costs the most and, with many columns, learns the noise). Of
            equals on dev the smallest is kept.

    Source: Fan et al. 2008, LIBLINEAR, JMLR 9:1871-1874.
    """

    def __init__(self, task: Task, seed: int, grid: Sequence[float] = GRID) -> None:
        self.task = task
        self.seed = seed
        self.grid = sorted(grid)
        self.chosen: dict[str, Any] = {}  # C, value on dev, whether it converged
        self._tried: list[dict[str, Any]] = []
        self._refit: dict[str, Any] | None = None

    def fit(self, train: Part, dev: Part) -> LinearSVM:
        """Learn from train once for each C, keep the one that is best on dev.

        Raises:
            BadData: NaN features, a part without labels, one class only, or no C with a value.
        """
        check_part(self.task, "train", train)
        check_part(self.task, "dev", dev)
        features, self._scaler = standardised(train.features)
        judged = scaled(self._scaler, dev.features)
        self.chosen, self._tried, self._refit = {}, [], None
        best = -np.inf
        worse = 0
        for c in self.grid:
            machines, converged = self._learn(features, train.labels, c)
            value = dev_value(self.task, dev, self._values(machines, judged))
            self._tried.append({"C": c, "dev": value, "converged": converged})
            worth = merit(self.task.metric, value)
            worse = worse + 1 if worth < best else 0
            if worth > best:
                best, self._machines, self.chosen = worth, machines, self._tried[-1]
            if worse == ENOUGH:
                break
        if not self.chosen:
            raise BadData(
                f"{self.task.metric.key} on dev is undefined for every C of {listing(self.grid)}. "
                "Check that the labels of dev vary."
            )
        return self

    def refit(self, train: Part, dev: Part) -> LinearSVM:
        """Learn from train and dev together with the chosen C, for predictions of test."""
        both = joined(train, dev)
        check_part(self.task, "train and dev", both)
        features, self._scaler = standardised(both.features)
        self._machines, converged = self._learn(features, both.labels, self.chosen["C"])
        self._refit = {"clips": len(both.clips), "converged": converged}
        return self

    def predict(self, part: Part) -> Floats:
        """[N, C]: values of the columns; or decision scores, -inf for a class not learnt from."""
        check_features(part)
        return self._values(self._machines, scaled(self._scaler, part.features))

    def report(self) -> dict[str, Any]:
        """The chosen C, and value and convergence of every C that was tried."""
        return {
            "metric": self.task.metric.key,
            "grid": self.grid,
            "chosen": self.chosen,
            "tried": self._tried,
            "refit": self._refit,
            "max_iter": MAX_ITER,
            "parameters": sum(m.coef_.size + np.size(m.intercept_) for m in self._machines),
        }

    def _learn(self, features: Floats, labels: NDArray[Any], c: float) -> tuple[list[Any], bool]:
        """The fitted machines, one or one a column, and whether all of them converged."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.svm import LinearSVC, LinearSVR

        settings = {"C": c, "dual": "auto", "max_iter": MAX_ITER, "random_state": self.seed}
        machines: list[Any] = []
        with warnings.catch_warnings():
            # It is told by n_iter_ below, and stored, rather than printed and forgotten.
            warnings.simplefilter("ignore", ConvergenceWarning)
            if self.task.target.kind == "classification":
                check_classes(self.task, labels)
                machines.append(LinearSVC(**settings).fit(features, labels))
            else:
                for name, column in zip(self.task.target.columns, labels.T, strict=True):
                    known = ~np.isnan(column)
                    if not known.any():
                        raise BadData(f"No clip of train has a label in the column '{name}'.")
                    rows = features if known.all() else features[known]
                    machine = LinearSVR(loss="squared_epsilon_insensitive", **settings)
                    machines.append(machine.fit(rows, column[known]))
        return machines, all(machine.n_iter_ < MAX_ITER for machine in machines)

    def _values(self, machines: list[Any], features: Floats) -> Floats:
        """[N, C] predictions of machines on features that are scaled already."""
        if self.task.target.kind == "regression":
            target = self.task.target
            values: Floats = np.column_stack([machine.predict(features) for machine in machines])
            return values.clip(target.low, target.high)
        scores = machines[0].decision_function(features)
        if scores.ndim == 1:  # two classes have one boundary between them
            scores = np.column_stack([-scores, scores])
        values = np.full((len(features), self.task.target.outputs), -np.inf)
        values[:, machines[0].classes_] = scores
        return values


def check_classes(task: Task, labels: NDArray[Any]) -> None:
    """A classifier needs two classes at least.

    Raises:
        BadData: all labels are of one class.
    """
    there = np.unique(labels)
    if len(there) < 2:
        raise BadData(
            f"All {len(labels):,} clips to learn from are of the class "
            f"'{task.target.classes[int(there[0])]}'. Expected two classes at least."
        )


class SklearnModel:
    """A scikit-learn estimator or pipeline as a model. It never looks at dev before a refit.

    It is cloned, fitted on features [N, D] as they are and on the labels: class names [N] for a
    classification, [N, C] floats for a regression, [N] where it has one column. A classification
    is predicted as one score a class, 1 for what ``predict`` says and 0 elsewhere, so that it is
    the estimator's own decision also where ``decision_function`` would decide otherwise.
    """

    def __init__(self, estimator: Any, task: Task, seed: int, mode: str) -> None:
        from sklearn.base import clone, is_classifier, is_regressor

        other = is_regressor if task.target.kind == "classification" else is_classifier
        if other(estimator):
            gives = "numbers" if other is is_regressor else "classes"
            raise BadData(
                f"{type(estimator).__name__} predicts {gives}; {task.name} is a "
                f"{task.target.kind}. Give an estimator of that kind."
            )
        self.estimator = clone(estimator)
        self.task = task
        self.seed = seed
        self.mode = mode
        self._report: dict[str, Any] = {"uses_seed": False}

    def fit(self, train: Part, dev: Part) -> SklearnModel:
        """Fit a fresh clone on train; dev is left alone."""
        del dev
        self._report["fit"] = self._learn("train", train)
        return self

    def refit(self, train: Part, dev: Part) -> SklearnModel:
        """Fit a fresh clone on train and dev together."""
        self._report["refit"] = self._learn("train and dev", joined(train, dev))
        return self

    def predict(self, part: Part) -> Floats:
        """[N, C] values, or 1 for the class that the estimator predicts and 0 elsewhere.

        Raises:
            BadData: NaN features, or predictions of another shape or class than the target.
        """
        check_features(part)
        target = self.task.target
        said = np.asarray(self.estimator.predict(part.features))
        rows = len(part.clips)
        if target.kind == "classification":
            names = np.asarray(target.classes)
            if said.shape != (rows,) or not np.isin(said, names).all():
                raise BadData(
                    f"The estimator predicted {listing(list(np.unique(said)))} in the shape "
                    f"{said.shape}. Expected one of {listing(list(target.classes))} a clip."
                )
            return np.asarray(said[:, None] == names, dtype=np.float64)
        if said.shape not in {(rows, target.outputs), *([(rows,)] if target.outputs == 1 else [])}:
            raise BadData(
                f"The estimator predicted an array of shape {said.shape}, expected "
                f"{(rows, target.outputs)}: one value for each column of {target.name}."
            )
        return said.reshape(rows, target.outputs).astype(np.float64)

    def report(self) -> dict[str, Any]:
        """Clips fitted on, and clips left out because a label is blank."""
        return self._report

    def _learn(self, name: str, part: Part) -> dict[str, int]:
        from sklearn.base import clone

        check_part(self.task, name, part)
        features, labels = part.features, part.labels
        if self.task.target.kind == "classification":
            labels = np.asarray(self.task.target.classes)[labels]
            known = np.ones(len(labels), dtype=bool)
        else:
            known = ~np.isnan(labels).any(axis=1)
            labels = labels[:, 0] if labels.shape[1] == 1 else labels
        if not known.all():
            features, labels = features[known], labels[known]
        if not len(labels):
            raise BadData(
                f"Every clip of {name} has a blank label; there is nothing to learn from."
            )
        self.estimator = clone(self.estimator).fit(features, labels)
        return {"clips": int(known.sum()), "left_out_blank": int((~known).sum())}


def from_sklearn(
    name: str, features: FeatureSet, estimator: Any, *, title: str = "", refit: bool = False
) -> System:
    """A scikit-learn estimator or pipeline as a system.

    Args:
        name: of the system; results lie under it.
        features: a row of ``FEATURES``, or your own.
        estimator: anything with ``fit``, ``predict`` and ``get_params``. It is cloned, never
            fitted itself, and its ``random_state`` is left as you set it: set one, or two runs
            may differ. See ``SklearnModel`` for what it is fitted on.
        title: how tables call it; the estimator's class by default.
        refit: whether test is predicted by a clone fitted on train and dev.

    Returns:
        The system; every parameter of the estimator is in its ``settings``.
    """
    from sklearn.base import clone

    estimator = clone(estimator)
    kind = type(estimator)
    return System(
        name=name,
        title=title or f"{features.title}, {kind.__name__}",
        features=features,
        build=partial(SklearnModel, estimator),
        refit=refit,
        settings={
            "estimator": described(kind),
            "params": {
                key: described(value) for key, value in sorted(estimator.get_params().items())
            },
        },
        source="the user's own",
    )


def described(value: Any) -> str:
    """A parameter in words that are the same in every process, for a result to be recognised by."""
    if isinstance(value, np.ndarray):
        return f"array {value.shape} {value.dtype} {digest(value.tobytes())}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(described(item) for item in value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key!r}: {described(item)}' for key, item in value.items())}}}"
    if hasattr(value, "__code__"):  # a function: two of the same name may do different things
        code = value.__code__
        body = digest(code.co_code, without_address(code.co_consts), repr(code.co_names))
        return f"{value.__module__}.{value.__qualname__} {body}"
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    if hasattr(value, "get_params"):  # its parameters are listed beside it
        return described(type(value))
    words = without_address(value)
    # A repr with an address says nothing of the content.
    return words if words == repr(value) else f"{words} {digest(pickle.dumps(value))}"


def without_address(value: Any) -> str:
    """``repr`` without the addresses, which differ from process to process."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))
