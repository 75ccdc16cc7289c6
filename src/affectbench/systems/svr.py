"""The regressor of Emotion Share: linear SVRs, one a column, with one choice of settings for all.

ComParE 2023 tries two scalers, two losses and five C on dev, keeps the one with the lowest mean
absolute error, and predicts test after a refit on train and dev. The grid is at its edge there:
the published choice is the largest C. ``SharedSVR`` does the same in mode ``official``, by
scikit-learn and to its last digit; in mode ``sound`` it chooses by the task's own metric and
solves the same problems to a duality gap (``dual``), several times faster.

Source: Schuller et al. 2023, arXiv:2304.14882; workshop paper, section 3.2 and Table 5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from affectbench.errors import BadData
from affectbench.systems.svr_grid import (
    COSTS,
    LOSSES,
    MAX_ITER,
    SCALERS,
    SETTINGS,
    TOL,
    Made,
    Setting,
    by_gap,
    by_liblinear,
)
from affectbench.systems.training import check_features, check_part, dev_value, joined, merit
from affectbench.types import Floats, Part, Recipe, Task

SEED: Final = 42
RANKS: Final = frozenset({"spearman"})  # metrics that see the order of predictions only
GRID: Final[Mapping[str, Any]] = {
    "machines": "LinearSVR, one a column, epsilon 0; scaler, C and loss shared by all columns",
    "scaler": list(SCALERS),
    "C": list(COSTS),
    "loss": list(LOSSES),
    "official": f"chosen by MAE on dev; liblinear, dual, tol {TOL}, max_iter {MAX_ITER}",
    "sound": "chosen by the task's metric on dev; solved to a duality gap; labels brought to 0..1 "
    "by their range, blank ones left out; predictions clipped to the range unless only their "
    "order counts",
    "leak": "the value on dev is the best of 20 settings there, so it flatters, in either mode as "
    "upstream; test is predicted after the choice; clips of one seed share a label vector and may "
    "be in several parts, which is why intervals resample seeds",
}


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
            tried.append({**setting.named(), "dev": value, **told})
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
            "constant_columns": int((np.ptp(train.features, axis=0) == 0).sum()),
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

    def _learn(self, part: Part, settings: Sequence[Setting]) -> Iterator[Made]:
        """The machines of each setting and what is to be told of their training."""
        if self.official:
            return by_liblinear(part.features, part.labels, settings, self.seed)
        for name, column in zip(self.task.target.columns, part.labels.T, strict=True):
            if np.isnan(column).all():
                raise BadData(f"No clip to learn from has a label in the column '{name}'.")
        return by_gap(part.features, part.labels, (self._low, self._high), settings)

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
        edges = {max(COSTS): "larger", min(COSTS): "smaller"}
        beyond = edges.get(self._chosen.c)
        if beyond is None:
            return []
        return [
            f"The chosen C, {self._chosen.c:g}, is at the edge of the grid: a {beyond} one may be "
            f"better. The published choice, {max(COSTS):g}, is at the edge as well."
        ]


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
