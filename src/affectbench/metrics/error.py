"""Mean absolute error (MAE): how far off a prediction is, in the unit of the label."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectbench.metrics.columns import columns_of, mean_of_columns, value_of, values_of
from affectbench.metrics.resampling import drawn_sums, of_all_clips
from affectbench.types import Floats, Metric


def mae(truth: ArrayLike, prediction: ArrayLike) -> float:
    """Mean absolute error of one output.

    Args:
        truth: [N] labels. NaN is left out, pairwise.
        prediction: [N] predictions in the same unit.

    Returns:
        A value of 0 or more in that unit, 0 for a perfect prediction; NaN where there is no pair
        or one is infinite.

    Raises:
        BadData: the two are not vectors of numbers of one length.

    Source: as scikit-learn's ``mean_absolute_error``, which ExVo 2022 (arXiv:2205.01780) uses.
    """
    return value_of(MAE, truth, prediction)


def mae_per_column(truth: ArrayLike, prediction: ArrayLike) -> Floats:
    """Mean absolute error of each column: [N, C] and [N, C] to [C]; otherwise as ``mae``."""
    return values_of(MAE, truth, prediction)


def _resampled(
    truth: NDArray[Any],
    prediction: NDArray[Any],
    group: NDArray[np.intp],
    counts: NDArray[Any],
    outputs: int,
) -> Floats:
    """MAE of each draw and column, [B, C]; a column with an infinite error is NaN in all draws."""
    x, y = columns_of(truth, prediction, outputs)
    known = ~(np.isnan(x) | np.isnan(y))
    with np.errstate(all="ignore"):  # 0 / 0 and infinite input become NaN
        error = np.where(known, np.abs(x - y), 0.0)
        n, total = drawn_sums(group, counts, known, np.where(np.isinf(error), np.nan, error))
        return np.asarray(total / n)


MAE: Final = Metric(
    name="mae",
    variant="mean",
    kind="regression",
    compute=of_all_clips(_resampled),
    resampled=_resampled,
    combine=mean_of_columns,
    low=float("inf"),
    high=0.0,
    source="ExVo 2022 (arXiv:2205.01780) uses it for age, in years",
    about="mean over columns of the mean absolute error over clips, in the unit of the label",
)
