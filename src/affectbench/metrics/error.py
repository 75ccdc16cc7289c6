"""Mean absolute error (MAE): how far off a prediction is, in the unit of the label."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectbench.errors import BadData
from affectbench.metrics.agreement import columns_of, mean_of_columns
from affectbench.metrics.resampling import drawn_sums
from affectbench.types import Floats, Metric


def mae(truth: ArrayLike, prediction: ArrayLike) -> float:
    """Mean absolute error of one output.

    Args:
        truth: [N] labels. NaN is left out, pairwise.
        prediction: [N] predictions in the same unit.

    Returns:
        A value of 0 or more in that unit, 0 for a perfect prediction; NaN where there is no pair.

    Raises:
        BadData: the two are not vectors of one length.

    Source: as scikit-learn's ``mean_absolute_error``, which ExVo 2022 (arXiv:2205.01780) uses.
    """
    x = np.asarray(truth, dtype=np.float64)
    if x.ndim != 1:
        raise BadData(f"The truth has the shape {x.shape}; expected a vector [N].")
    return float(_compute(x, np.asarray(prediction), 1)[0])


def _resampled(
    truth: NDArray[Any],
    prediction: NDArray[Any],
    group: NDArray[np.intp],
    counts: NDArray[Any],
    outputs: int,
) -> Floats:
    """MAE of each draw and column, [B, C]."""
    x, y = columns_of(truth, prediction, outputs)
    known = ~(np.isnan(x) | np.isnan(y))
    with np.errstate(all="ignore"):  # 0 / 0 becomes NaN
        n, total = drawn_sums(group, counts, known, np.where(known, np.abs(x - y), 0.0))
        return np.asarray(total / n)


def _compute(truth: NDArray[Any], prediction: NDArray[Any], outputs: int) -> Floats:
    """MAE of each column, [C]: the one draw that takes every clip once."""
    group = np.zeros(len(truth), dtype=np.intp)
    value: Floats = _resampled(truth, prediction, group, np.ones((1, 1)), outputs)[0]
    return value


MAE: Final = Metric(
    name="mae",
    variant="mean",
    kind="regression",
    compute=_compute,
    resampled=_resampled,
    combine=mean_of_columns,
    low=float("inf"),
    high=0.0,
    source="mean absolute error; ExVo 2022 (arXiv:2205.01780) uses it for age, in years",
)
