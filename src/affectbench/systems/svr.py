"""The regressor of Emotion Share: linear SVRs, one a column, with one choice of settings for all.

ComParE 2023 tries two scalers, two losses and five C on dev, keeps the one with the lowest mean
absolute error, and predicts test after a refit on train and dev. The grid is at its edge there:
the published choice is the largest C. ``SharedSVR`` does the same in mode ``official``, by
scikit-learn and to its last digit; in mode ``sound`` it chooses by the task's own metric and
solves the same problems to a duality gap (``dual``), several times faster.

Source: Schuller et al. 2023, arXiv:2304.14882; workshop paper, section 3.2 and Table 5.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from affectbench.errors import BadData
from affectbench.systems.dual import Loss, Machines
from affectbench.systems.training import check_features, check_part, dev_value, joined, merit
from affectbench.types import Floats, Part, Recipe, Task

SCALERS: Final = ("StandardScaler", "MinMaxScaler")
COSTS: Final = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
LOSSES: Final[Mapping[str, Loss]] = {
    "epsilon_insensitive": "absolute",
    "squared_epsilon_insensitive": "squared",
}
MAX_ITER: Final = 50_000  # of liblinear
TOL: Final = 1e-4
SEED: Final = 42
RANKS: Final = frozenset({"spearman"})  # metrics that see the order of predictions only
SMALL: Final = 2_000_000  # features up to which the work is done in double precision
BLOCK: Final = 1024  # rows or columns that are held in double precision at once
WORTH_PROCESSES: Final = 1_000_000  # features from which liblinear runs in several processes
BYTES_A_FEATURE: Final = 24  # of one: a double and liblinear's own copy with an index
MEMORY: Final = 8 << 30  # bytes that all of them may take for their copies
GRID: Final[Mapping[str, Any]] = {
    "machines": "LinearSVR, one a column, epsilon 0; scaler, C and loss shared by all columns",
    "scaler": list(SCALERS),
    "C": list(COSTS),
    "loss": list(LOSSES),
    "official": f"chosen by MAE on dev; liblinear, dual, tol {TOL}, max_iter {MAX_ITER}",
    "sound": "chosen by the task's metric on dev; solved to a duality gap; labels brought to 0..1 "
    "by their range, blank ones left out; predictions clipped to the range unless only their "
    "order counts",
}


class Setting(NamedTuple):
    """A point of the grid."""

    scaler: str
    c: float
    loss: str


# In the order of scikit-learn's GridSearchCV, of which the first best counts.
SETTINGS: Final = tuple(Setting(s, c, loss) for s in SCALERS for c in COSTS for loss in LOSSES)


class Fitted(Protocol):
    """Machines of one setting, with their scaler."""

    def values(self, features: NDArray[Any]) -> Floats:
        """[N, C] values of features [N, D] as they were extracted."""
        ...


class SharedSVR:
    """A linear SVR for each column, all with the scaler, C and loss that are best on dev.

    Official: by mean absolute error over columns, as published; scikit-learn's ``LinearSVR`` on
    labels as they are; predictions are not clipped; a blank label stops it.

    Sound: by the task's own metric. Labels are brought to 0..1 by the range of the target, so that
    C means the same for age in years; a clip without a label is left out of its column.
    Predictions are clipped to the range of the labels, except where the metric sees their order
    only: clipping would tie what was told apart. ``dual`` solves to a relative gap of 1e-5, where
    liblinear's own stop leaves predictions off by some 1e-3.

    Args:
        task: of one target, a regression.
        seed: of liblinear's coordinate descent; 42 as published. Sound mode draws nothing.
        mode: ``sound`` or ``official``.
    """

    def __init__(self, task: Task, seed: int = SEED, mode: str = "sound") -> None:
        if mode not in {"sound", "official"}:
            raise ValueError(f"mode is 'sound' or 'official', not {mode!r}")
        if task.target.kind != "regression":
            raise BadData(
                f"{task.name} is a {task.target.kind}; linear-svr predicts numbers. Take a system "
                "for classes, linear-svm for one."
            )
        self.task = task
        self.seed = seed
        self.official = mode == "official"
        self._report: dict[str, Any] = {
            "mode": mode,
            "solver": "scikit-learn LinearSVR (liblinear)" if self.official else "dual",
            "chosen_by": "mae.mean" if self.official else task.metric.key,
        }

    def fit(self, train: Part, dev: Part) -> SharedSVR:
        """Learn from train once for each setting, keep the one that is best on dev.

        Raises:
            BadData: NaN features, a part without labels, blank labels in official mode, a column
                without any label, or no setting with a value on dev.
        """
        self._check("train", train)
        self._check("dev", dev)
        tried: list[dict[str, Any]] = []
        best = -np.inf
        for setting, fitted, told in self._learn(train, SETTINGS):
            raw = fitted.values(dev.features)
            value = self._value(dev, raw)
            tried.append({**setting._asdict(), "dev": value, **told})
            worth = -value if self.official else merit(self.task.metric, value)
            if worth > best:
                best, self._chosen, self._fitted, at = worth, setting, fitted, len(tried) - 1
                outside = float(np.mean((raw < self._low) | (raw > self._high)))
        if best == -np.inf:
            raise BadData(
                f"{self._report['chosen_by']} on dev is undefined for every setting. Check that "
                "the labels of dev vary."
            )
        self._report |= {
            "chosen": tried[at],
            "notes": self._notes(),
            "tried": tried,
            "converged": all(row["converged"] for row in tried),
            "constant_columns": int(
                np.sum(train.features.min(axis=0) == train.features.max(axis=0))
            ),
            "dev_predictions_outside_range": outside,
        }
        return self

    def refit(self, train: Part, dev: Part) -> SharedSVR:
        """Learn again from train and dev with the chosen setting, its scaler included."""
        both = joined(train, dev)
        self._check("train and dev", both)
        _, self._fitted, told = next(self._learn(both, [self._chosen]))
        self._report["refit"] = {"clips": len(both.clips), **told}
        return self

    def predict(self, part: Part) -> Floats:
        """[N, C] values, in the order of the target's columns."""
        check_features(part)
        return self._bounded(self._fitted.values(part.features))

    def report(self) -> dict[str, Any]:
        """The choice, every setting with its value on dev and whether it converged, the solver.

        ``gap`` of a setting, in sound mode, bounds how far its objective is from the optimum,
        relative to it: the largest over columns.
        """
        return self._report

    @property
    def _low(self) -> float:
        return self.task.target.low

    @property
    def _high(self) -> float:
        return self.task.target.high

    def _check(self, name: str, part: Part) -> None:
        check_part(self.task, name, part)
        if self.official and np.isnan(part.labels).any():
            raise BadData(
                f"Labels of {name} are blank. The official mode has no rule for them, as the "
                "published code has none: use the mode 'sound', which leaves them out by column."
            )

    def _learn(
        self, part: Part, settings: Sequence[Setting]
    ) -> Iterator[tuple[Setting, Fitted, dict[str, Any]]]:
        """The machines of each setting and what is to be told of their training."""
        if self.official:
            return _by_liblinear(part.features, part.labels, settings, self.seed)
        for name, column in zip(self.task.target.columns, part.labels.T, strict=True):
            if np.isnan(column).all():
                raise BadData(f"No clip to learn from has a label in the column '{name}'.")
        return _by_gap(part.features, part.labels, (self._low, self._high), settings)

    def _value(self, dev: Part, raw: Floats) -> float:
        """What a setting is chosen by: an error in official mode, else the task's metric."""
        if self.official:
            from sklearn.metrics import mean_absolute_error

            return float(mean_absolute_error(dev.labels, raw))
        return dev_value(self.task, dev, self._bounded(raw))

    def _bounded(self, raw: Floats) -> Floats:
        if self.official or self.task.metric.name in RANKS:
            return raw
        return raw.clip(self._low, self._high)

    def _notes(self) -> list[str]:
        """What a reader should know of the choice."""
        for edge, beyond in ((max(COSTS), "larger"), (min(COSTS), "smaller")):
            if self._chosen.c == edge:
                return [
                    f"The chosen C, {edge:g}, is at the edge of the grid: a {beyond} one may be "
                    "better. So it is in the published run, with 0.01."
                ]
        return []


# --- sound: all columns at once, to a duality gap


@dataclass(frozen=True, slots=True)
class _Scaling:
    """A scaler of scikit-learn as (x - shift) * factor for each column, [D] each."""

    shift: Floats
    factor: Floats

    @classmethod
    def of(cls, name: str, features: NDArray[Any]) -> _Scaling:
        """The scaler fitted on features [N, D], a block of columns at a time."""
        from sklearn.preprocessing import MinMaxScaler, StandardScaler

        shifts, factors = [], []
        for at in range(0, features.shape[1], BLOCK):
            columns = features[:, at : at + BLOCK].astype(np.float64)
            if name == "StandardScaler":
                scaler = StandardScaler(copy=False).fit(columns)
                shifts.append(scaler.mean_)
                factors.append(1 / scaler.scale_)
            else:
                scaler = MinMaxScaler(copy=False).fit(columns)
                shifts.append(scaler.data_min_)
                factors.append(scaler.scale_)
        return cls(np.concatenate(shifts), np.concatenate(factors))

    def rows(self, features: NDArray[Any], dtype: Any = np.float64) -> NDArray[Any]:
        """[N, D + 1] scaled features and a column of ones."""
        scaled = np.ones((len(features), features.shape[1] + 1), dtype)
        for at in range(0, len(features), BLOCK):
            block = features[at : at + BLOCK].astype(np.float64)
            scaled[at : at + BLOCK, :-1] = (block - self.shift) * self.factor
        return scaled


@dataclass(frozen=True, slots=True)
class _Weighted:
    """Scaled features times weights [D + 1, C], brought back to the range of the labels."""

    scaling: _Scaling
    weights: Floats
    span: tuple[float, float]

    def values(self, features: NDArray[Any]) -> Floats:
        blocks = range(0, len(features), BLOCK)
        values = [self.scaling.rows(features[at : at + BLOCK]) @ self.weights for at in blocks]
        low, high = self.span
        return np.concatenate(values) * (high - low) + low


def _by_gap(
    features: NDArray[Any],
    labels: Floats,
    span: tuple[float, float],
    settings: Sequence[Setting],
) -> Iterator[tuple[Setting, Fitted, dict[str, Any]]]:
    """Machines of each setting, in their order."""
    wanted = (labels - span[0]) / (span[1] - span[0])
    for name in dict.fromkeys(setting.scaler for setting in settings):
        scaling = _Scaling.of(name, features)
        points = [setting for setting in settings if setting.scaler == name]
        shape = (features.shape[1] + 1, labels.shape[1])
        weights = {point: np.zeros(shape) for point in points}
        told = {point: {"gap": 0.0, "steps": 0, "converged": True} for point in points}
        for known, columns in _patterns(labels):
            rows = features if known.all() else features[known]
            dtype = np.float64 if rows.size <= SMALL else np.float32
            machines = Machines(scaling.rows(rows, dtype), wanted[known][:, columns])
            for c in dict.fromkeys(point.c for point in points):
                here = {LOSSES[point.loss]: point for point in points if point.c == c}
                for loss, solution in machines.fit(c, tuple(here)).items():
                    weights[here[loss]][:, columns] = solution.weights
                    row = told[here[loss]]
                    row["gap"] = max(row["gap"], float(solution.gaps.max()))
                    row["steps"] = max(row["steps"], solution.steps)
                    row["converged"] = row["converged"] and solution.converged
            del machines  # before the next are made: they hold a copy of all rows
        for point in points:
            yield point, _Weighted(scaling, weights[point], span), told[point]


def _patterns(labels: Floats) -> list[tuple[NDArray[np.bool_], list[int]]]:
    """Columns that are labelled in the same rows, with these rows: they can be solved together."""
    known = ~np.isnan(labels)
    together: dict[bytes, list[int]] = {}
    for column in range(labels.shape[1]):
        together.setdefault(known[:, column].tobytes(), []).append(column)
    return [(known[:, columns[0]], columns) for columns in together.values()]


# --- official: scikit-learn, one fit a column and setting


@dataclass(frozen=True, slots=True)
class _Piped:
    """A fitted scaler of scikit-learn and one fitted ``LinearSVR`` a column."""

    scaler: Any
    machines: Sequence[Any]

    def values(self, features: NDArray[Any]) -> Floats:
        scaled = self.scaler.transform(features.astype(np.float64))
        return np.column_stack([machine.predict(scaled) for machine in self.machines])


def _by_liblinear(
    features: NDArray[Any], labels: Floats, settings: Sequence[Setting], seed: int
) -> Iterator[tuple[Setting, Fitted, dict[str, Any]]]:
    """Machines of each setting, in their order; features are scaled once a scaler.

    Fits run in processes: liblinear draws from one generator for all threads of a process, so in
    threads its results would depend on the clock.
    """
    from joblib import Parallel, delayed
    from sklearn import preprocessing

    for name in dict.fromkeys(setting.scaler for setting in settings):
        scaler = getattr(preprocessing, name)().fit(features.astype(np.float64))
        scaled = scaler.transform(features.astype(np.float64))
        points = [setting for setting in settings if setting.scaler == name]
        jobs = [(point, column) for point in points for column in labels.T]
        done = Parallel(n_jobs=_processes(features.size))(
            delayed(_fit_one)(scaled, column, point, seed) for point, column in jobs
        )
        columns = labels.shape[1]
        for number, point in enumerate(points):
            machines = done[number * columns : (number + 1) * columns]
            steps = max(machine.n_iter_ for machine in machines)
            told = {"steps": int(steps), "converged": bool(steps < MAX_ITER)}
            yield point, _Piped(scaler, machines), told


def _fit_one(scaled: Floats, labels: Floats, setting: Setting, seed: int) -> Any:
    """A fitted ``LinearSVR`` of one column."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVR

    machine = LinearSVR(
        C=setting.c,
        loss=setting.loss,
        epsilon=0.0,
        tol=TOL,
        dual=True,
        random_state=seed,
        max_iter=MAX_ITER,
    )
    with warnings.catch_warnings():
        # It is told by n_iter_, and stored, rather than printed and forgotten.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return machine.fit(scaled, labels)


def _processes(size: int) -> int:
    """How many fits of so many features to run at once: liblinear copies them for each."""
    if size < WORTH_PROCESSES:
        return 1
    fits = max(1, MEMORY // (BYTES_A_FEATURE * size))
    return min(os.cpu_count() or 1, fits)


LINEAR_SVR: Final = Recipe(
    name="linear-svr",
    suffix="svr",
    title="linear SVR, one choice for all columns",
    build=SharedSVR,
    seeds=(SEED,),
    modes=("sound", "official"),
    refit=True,
    settings=GRID,
    source="ComParE 2023 baseline, arXiv:2304.14882; workshop paper, Table 5",
)
