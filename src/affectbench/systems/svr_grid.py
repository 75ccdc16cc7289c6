"""The points of the SVR grid and how their machines are made: by scikit-learn, or to a gap.

Both ways solve the same problems. ``by_liblinear`` does it as ComParE 2023 did, to the last digit;
``by_gap`` solves all columns at once (``dual``). liblinear's own stop leaves predictions off by
some 1e-3; ours are nearer to the optimum.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from affectbench.systems.dual import Loss, Machines
from affectbench.types import Floats

SCALERS: Final = ("StandardScaler", "MinMaxScaler")
COSTS: Final = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
LOSSES: Final[Mapping[str, Loss]] = {
    "epsilon_insensitive": "absolute",
    "squared_epsilon_insensitive": "squared",
}
MAX_ITER: Final = 50_000  # of liblinear
TOL: Final = 1e-4
SMALL: Final = 2_000_000  # features up to which the work is done in double precision
ROWS: Final = 1024  # that are held in double precision at once
COLUMNS: Final = 64  # the same
WORTH_PROCESSES: Final = 1_000_000  # features from which liblinear runs in several processes
BYTES_A_FEATURE: Final = 24  # of one: a double and liblinear's own copy with an index
MEMORY: Final = 8 << 30  # bytes that all of them may take for their copies


class Setting(NamedTuple):
    """A point of the grid."""

    scaler: str
    c: float
    loss: str

    def named(self) -> dict[str, Any]:
        """As it stands in a report."""
        return {"scaler": self.scaler, "C": self.c, "loss": self.loss}


# In the order of scikit-learn's GridSearchCV, of which the first best counts.
SETTINGS: Final = tuple(Setting(s, c, loss) for s in SCALERS for c in COSTS for loss in LOSSES)


class Fitted(Protocol):
    """Machines of one setting, with their scaler."""

    def values(self, features: NDArray[Any]) -> Floats:
        """[N, C] values of features [N, D] as they were extracted."""
        ...


Made = tuple[Setting, Fitted, dict[str, Any]]  # with what is to be told of the training


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
        for at in range(0, features.shape[1], COLUMNS):
            columns = features[:, at : at + COLUMNS].astype(np.float64)
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
        for at in range(0, len(features), ROWS):
            block = features[at : at + ROWS].astype(np.float64)
            scaled[at : at + ROWS, :-1] = (block - self.shift) * self.factor
        return scaled


@dataclass(frozen=True, slots=True)
class _Weighted:
    """Scaled features times weights [D + 1, C], brought back to the range of the labels."""

    scaling: _Scaling
    weights: Floats
    span: tuple[float, float]

    def values(self, features: NDArray[Any]) -> Floats:
        # The scaler is affine, so it can go into the weights.
        slopes = self.scaling.factor[:, None] * self.weights[:-1]
        offset = self.weights[-1] - self.scaling.shift @ slopes
        blocks = range(0, len(features), ROWS)
        values = [features[at : at + ROWS].astype(np.float64) @ slopes for at in blocks]
        low, high = self.span
        scaled: Floats = (np.concatenate(values) + offset) * (high - low) + low
        return scaled


def by_gap(
    features: NDArray[Any],
    labels: Floats,
    span: tuple[float, float],
    settings: Sequence[Setting],
) -> Iterator[Made]:
    """Machines of each setting, in their order, solved to a duality gap.

    Args:
        features: [N, D] as extracted. All N rows make the scaler, labelled or not.
        labels: [N, C]; NaN where blank, but in no column throughout.
        span: lowest and highest value of the range of the labels: C is that of labels in 0..1.
        settings: those of one scaler stand together.
    """
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
            solutions = machines.fit(
                list(dict.fromkeys(point.c for point in points)),
                list(dict.fromkeys(LOSSES[point.loss] for point in points)),
            )
            for point in points:
                solution = solutions[point.c, LOSSES[point.loss]]
                weights[point][:, columns] = solution.weights
                row = told[point]
                row["gap"] = max(row["gap"], float(solution.gaps.max()))
                row["steps"] = max(row["steps"], solution.steps)
                row["converged"] = row["converged"] and solution.converged
            del machines, solutions  # before the next are made: they hold a copy of all rows
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


def by_liblinear(
    features: NDArray[Any], labels: Floats, settings: Sequence[Setting], seed: int
) -> Iterator[Made]:
    """Machines of each setting, in their order, by scikit-learn; features are scaled once a scaler.

    Arguments are those of ``by_gap``, with no label blank, and the seed of each fit. Fits run in
    processes: liblinear draws from one generator for all threads of a process, so in threads its
    results would depend on the clock.
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
