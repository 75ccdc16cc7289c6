"""Concordance correlation coefficient (CCC), in the three variants that papers mix up.

With n pairs, centred sums S and d the difference of the means:

    population  2 S_xy / (S_xx + S_yy + n d²)            variances and covariance over n
    sample      2 S_xy / (S_xx + S_yy + (n - 1) d²)      variances and covariance over n - 1
    official    (2 S_xy / n) / ((S_xx + S_yy) / (n - 1) + d²), float32 means, rounded to 4 decimals

``population`` is Lin's definition (1989, doi:10.2307/2532051) and the one to use. ``official`` is
what the ExVo 2022 and A-VB 2022 feature baselines compute: a perfect prediction scores (n - 1) / n.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectbench.errors import UnknownName
from affectbench.metrics.columns import (
    ROUNDING,
    centred,
    columns_of,
    mean_of_columns,
    value_of,
    values_of,
)
from affectbench.metrics.resampling import drawn_sums, of_all_clips
from affectbench.types import Floats, Metric

LIN: Final = "Lin 1989, Biometrics 45(1), doi:10.2307/2532051"


def ccc(truth: ArrayLike, prediction: ArrayLike, *, variant: str = "population") -> float:
    """Concordance correlation coefficient of one output.

    Args:
        truth: [N] labels. NaN is left out, pairwise except in ``official``.
        prediction: [N] predictions.
        variant: ``population``, ``sample`` or ``official``; see the head of this module.

    Returns:
        A value in -1..1 (``official`` with NaN in the input can leave that range). NaN where it
        is undefined: fewer than two pairs, or truth and prediction constant and equal.

    Raises:
        BadData: the two are not vectors of one length.
        UnknownName: there is no such variant.
    """
    return value_of(_of(variant), truth, prediction)


def ccc_per_column(
    truth: ArrayLike, prediction: ArrayLike, *, variant: str = "population"
) -> Floats:
    """CCC of each column: [N, C] and [N, C] to [C]; otherwise as ``ccc``."""
    return values_of(_of(variant), truth, prediction)


def _of(variant: str) -> Metric:
    metrics = {m.variant: m for m in (CCC_POPULATION, CCC_SAMPLE, CCC_OFFICIAL)}
    if variant not in metrics:
        raise UnknownName(f"No CCC variant is called '{variant}'. There are: {', '.join(metrics)}.")
    return metrics[variant]


def _prepared(
    x: Floats, y: Floats, known_x: NDArray[np.bool_], known_y: NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats]:
    """Truth and prediction centred and brought to one scale, and the difference of the centres.

    CCC does not change when both are divided by the same number, so nothing can overflow.
    """
    x, first_x, mean_x = centred(x, known_x)
    y, first_y, mean_y = centred(y, known_y)
    gap = (first_x - first_y) + (mean_x - mean_y)
    scale = np.maximum(np.maximum(np.abs(x).max(axis=0), np.abs(y).max(axis=0)), np.abs(gap))
    scale = np.where(np.isfinite(scale) & (scale > 0), scale, 1.0)
    return x / scale, y / scale, gap / scale


def _resampled(
    truth: NDArray[Any],
    prediction: NDArray[Any],
    group: NDArray[np.intp],
    counts: NDArray[Any],
    outputs: int,
    *,
    ddof: int,
) -> Floats:
    """Population (ddof 0) or sample (ddof 1) CCC of each draw and column, [B, C]."""
    x, y = columns_of(truth, prediction, outputs)
    if not len(x):
        return np.full((len(counts), outputs), np.nan)
    known = ~(np.isnan(x) | np.isnan(y))
    with np.errstate(all="ignore"):  # 0 / 0 and infinite input become NaN
        x, y, gap = _prepared(x, y, known, known)
        n, sx, sy, squares, sxy = drawn_sums(group, counts, known, x, y, x * x + y * y, x * y)
        bias = gap + (sx - sy) / n
        below = squares - (sx * sx + sy * sy) / n + (n - ddof) * bias**2
        value = np.clip(2 * (sxy - sx * sy / n) / below, -1.0, 1.0)
    return np.where((n >= 2) & (below > ROUNDING * squares), value, np.nan)


def _official_column(x: Floats, y: NDArray[np.float32]) -> float:
    """One column as the baselines compute it, [N] float64 and [N] float32.

    The variances are over len() - 1, NaN included; the covariance is a mean over known products.
    """
    if len(x) < 2 or np.isnan(x).all() or np.isnan(y).all():
        return float("nan")
    dx, dy = x - np.nanmean(x, dtype=np.float32), y - np.nanmean(y, dtype=np.float32)
    bias = np.nanmean(x, dtype=np.float32) - np.nanmean(y, dtype=np.float32)
    products = dx * dy
    if np.isnan(products).all():
        return float("nan")
    below = (np.nansum(dx**2) + np.nansum(dy**2)) / (len(x) - 1) + bias**2
    return float(round(2 * np.nanmean(products) / below, 4))


def _official(truth: NDArray[Any], prediction: NDArray[Any], outputs: int) -> Floats:
    """Official CCC of each column, [C], predictions as the float32 that a network gives."""
    x, y = columns_of(truth, prediction, outputs)
    with np.errstate(all="ignore"):
        y32 = y.astype(np.float32)
        return np.array([_official_column(x[:, c], y32[:, c]) for c in range(outputs)])


def _official_resampled(
    truth: NDArray[Any],
    prediction: NDArray[Any],
    group: NDArray[np.intp],
    counts: NDArray[Any],
    outputs: int,
) -> Floats:
    """Official CCC of each draw and column, [B, C], with float64 means.

    The float32 means of the rows of a draw cannot be had from sums; what that changes is of the
    order of 1e-7 and shows as a step of 1e-4 where it turns the rounding.
    """
    x, y = columns_of(truth, prediction, outputs)
    if not len(x):
        return np.full((len(counts), outputs), np.nan)
    known_x, known_y = ~np.isnan(x), ~np.isnan(y)
    both = known_x & known_y
    with np.errstate(all="ignore"):
        x, y, gap = _prepared(x, y, known_x, known_y)
        rows, nx, ny, n, sx, sy, squares, sxy, pair_x, pair_y = drawn_sums(
            group, counts, np.ones_like(x), known_x, known_y, both,
            x, y, x * x + y * y, x * y, x * both, y * both,
        )  # fmt: skip
        mx, my = sx / nx, sy / ny
        spread = (squares - sx * mx - sy * my) / (rows - 1)
        covariance = (sxy - mx * pair_y - my * pair_x) / n + mx * my
        below = spread + (gap + mx - my) ** 2
        value = np.round(2 * covariance / below, 4)
    return np.where((rows >= 2) & (below > ROUNDING * squares / rows), value, np.nan)


def _row(variant: str, compute: Any, resampled: Any, source: str, about: str) -> Metric:
    return Metric(
        name="ccc",
        variant=variant,
        kind="regression",
        compute=compute,
        resampled=resampled,
        combine=mean_of_columns,
        low=-1.0,
        high=1.0,
        source=source,
        about=f"mean over columns of the concordance correlation: {about}",
    )


_POPULATION: Final = partial(_resampled, ddof=0)
_SAMPLE: Final = partial(_resampled, ddof=1)
CCC_POPULATION: Final = _row(
    "population",
    of_all_clips(_POPULATION),
    _POPULATION,
    LIN,
    "2 S_xy / (S_xx + S_yy + n d²), all moments over n",
)
CCC_SAMPLE: Final = _row(
    "sample",
    of_all_clips(_SAMPLE),
    _SAMPLE,
    f"{LIN}, with every moment over n - 1",
    "2 S_xy / (S_xx + S_yy + (n - 1) d²), all moments over n - 1",
)
CCC_OFFICIAL: Final = _row(
    "official",
    _official,
    _official_resampled,
    "ExVo 2022 (arXiv:2205.01780) and A-VB 2022 (arXiv:2207.03572), feature baselines",
    "(2 S_xy / n) / ((S_xx + S_yy) / (n - 1) + d²) with float32 means, each column rounded to "
    "4 decimals before the mean",
)
