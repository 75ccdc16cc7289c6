"""Spearman's and Pearson's correlation, per column and averaged: the measure of Emotion Share.

The ComParE 2023 Emotion Share task is ranked by the mean over nine emotions of Spearman's rho,
ties at their mean rank. The workshop paper prints "Pearson" in the caption of Table 5; its numbers
are Spearman's, and so is the code. Both are here, with the interval that was published:

    spearman.mean      ranks; interval by group like every other metric
    spearman.official  the same value; the interval is the mean of nine per-emotion intervals that
                       resample clips, which is not an interval of the mean (``published_bounds``)
    pearson.mean       as the caption says

Other means of the same rho are in circulation and give other numbers: see ``mean_spearman``.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectbench.errors import BadData, UnknownName
from affectbench.metrics.columns import (
    ROUNDING,
    centred,
    columns_of,
    mean_of_columns,
    numbers,
    value_of,
    values_of,
)
from affectbench.metrics.ranking import rho_of_draws
from affectbench.metrics.resampling import drawn_sums, of_all_clips
from affectbench.types import Floats, Metric

PUBLISHED_SEEDS: Final = 1000  # 0 to 999, each of one draw
PUBLISHED_LEVEL: Final = (0.025, 0.975)
OVER: Final = ("columns", "cells", "clips")


def spearman(truth: ArrayLike, prediction: ArrayLike) -> float:
    """Spearman's rho of one output: Pearson's correlation of the ranks, ties at their mean rank.

    Args:
        truth: [N] labels. NaN is left out, pairwise.
        prediction: [N] predictions.

    Returns:
        A value in -1..1; NaN where it is undefined: fewer than two pairs, or either is constant.
        Equal to ``scipy.stats.spearmanr`` to the last bit.

    Raises:
        BadData: the two are not vectors of one length.

    Source: Spearman 1904, doi:10.2307/1412159.
    """
    return value_of(SPEARMAN, truth, prediction)


def pearson(truth: ArrayLike, prediction: ArrayLike) -> float:
    """Pearson's correlation of one output; arguments, range and errors as ``spearman``.

    Source: Pearson 1895, doi:10.1098/rspl.1895.0041.
    """
    return value_of(PEARSON, truth, prediction)


def spearman_per_column(truth: ArrayLike, prediction: ArrayLike) -> Floats:
    """Spearman's rho of each column: [N, C] and [N, C] to [C]; otherwise as ``spearman``."""
    return values_of(SPEARMAN, truth, prediction)


def pearson_per_column(truth: ArrayLike, prediction: ArrayLike) -> Floats:
    """Pearson's correlation of each column: [N, C] and [N, C] to [C]; otherwise as ``pearson``."""
    return values_of(PEARSON, truth, prediction)


def mean_spearman(truth: ArrayLike, prediction: ArrayLike, *, over: str = "columns") -> float:
    """Spearman's rho of a matrix, in the readings that are in circulation.

    Args:
        truth: [N, C] labels.
        prediction: [N, C] predictions.
        over: ``columns``, the mean over emotions of the rho over clips, which is the official one;
            ``cells``, one rho over all N C cells; ``clips``, the mean over clips of the rho over
            its C emotions. The last two are not comparable with it: a predictor that always says
            the mean label vector is undefined in the first and far above 0 in the others.

    Returns:
        A value in -1..1; NaN where a rho that is averaged is undefined, or there is none.

    Raises:
        BadData: the two are not matrices of one shape.
        UnknownName: ``over`` is none of these.
    """
    x, y = numbers(truth, "truth"), numbers(prediction, "prediction")
    if x.ndim != 2 or x.shape != y.shape:
        raise BadData(f"The shapes are {x.shape} and {y.shape}; expected [N, C] for both.")
    if over not in OVER:
        raise UnknownName(f"over is '{over}'. Expected one of: {', '.join(OVER)}.")
    if not x.size:
        return float("nan")
    if over == "cells":
        return spearman(x.ravel(), y.ravel())
    values = spearman_per_column(x, y) if over == "columns" else spearman_per_column(x.T, y.T)
    return float(mean_of_columns(values))


def _pearson_resampled(
    truth: NDArray[Any],
    prediction: NDArray[Any],
    group: NDArray[np.intp],
    counts: NDArray[Any],
    outputs: int,
) -> Floats:
    """Pearson's correlation of each draw and column, [B, C]."""
    x, y = columns_of(truth, prediction, outputs)
    if not len(x):
        return np.full((len(counts), outputs), np.nan)
    known = ~(np.isnan(x) | np.isnan(y))
    with np.errstate(all="ignore"):  # 0 / 0 and infinite input become NaN
        x, y = _standard(x, known), _standard(y, known)
        n, sx, sy, sxx, syy, sxy = drawn_sums(group, counts, known, x, y, x * x, y * y, x * y)
        vx, vy = sxx - sx * sx / n, syy - sy * sy / n
        value = np.clip((sxy - sx * sy / n) / np.sqrt(vx * vy), -1.0, 1.0)
    return np.where((n >= 2) & (vx > ROUNDING * sxx) & (vy > ROUNDING * syy), value, np.nan)


def _standard(values: Floats, known: NDArray[np.bool_]) -> Floats:
    """Columns centred and brought to a largest value of 1, 0 where not known."""
    values, _, _ = centred(values, known)
    scale = np.abs(values).max(axis=0)
    return np.asarray(values / np.where(scale > 0, scale, 1.0))


def _spearman_resampled(
    truth: NDArray[Any],
    prediction: NDArray[Any],
    group: NDArray[np.intp],
    counts: NDArray[Any],
    outputs: int,
) -> Floats:
    """Spearman's rho of each draw and column, [B, C]."""
    x, y = columns_of(truth, prediction, outputs)
    known = ~(np.isnan(x) | np.isnan(y))
    value = np.empty((len(counts), outputs))
    for c in range(outputs):
        rows = known[:, c]
        value[:, c] = rho_of_draws(x[rows, c], y[rows, c], group[rows], counts)
    return value


def published_bounds(truth: Floats, prediction: Floats) -> tuple[Floats, Floats]:
    """The interval of each column as ComParE 2023 computes it, to the last bit.

    For each of the seeds 0 to 999 NumPy's legacy generator draws N clips with replacement, the
    same for every column; the bounds are the 2.5 % and 97.5 % quantiles of rho. What was
    published is the mean of the nine lower and of the nine upper bounds.

    Args:
        truth: [N, C] labels. NaN is left out of each draw, pairwise; the published code has no
            value then.
        prediction: [N, C] predictions.

    Returns:
        Lower and upper bounds, [C] each; NaN where a draw is undefined, or there is no clip.

    Raises:
        BadData: the two are not of one shape.
    """
    x, y = numbers(truth, "truth"), numbers(prediction, "prediction")
    outputs = x.shape[1] if x.ndim == 2 else 1
    x, y = columns_of(x, y, outputs)
    clips = len(x)
    if not clips:
        return np.full(outputs, np.nan), np.full(outputs, np.nan)
    counts = np.empty((PUBLISHED_SEEDS, clips), dtype=np.min_scalar_type(clips))
    for seed in range(PUBLISHED_SEEDS):
        drawn = np.random.RandomState(seed).choice(clips, clips)
        counts[seed] = np.bincount(drawn, minlength=clips)
    rho = _spearman_resampled(x, y, np.arange(clips), counts, outputs)
    low, high = np.quantile(rho, PUBLISHED_LEVEL, axis=0)
    return low, high


def _correlation(
    name: str, variant: str, resampled: Any, source: str, about: str, **bounds: Any
) -> Metric:
    return Metric(
        name=name,
        variant=variant,
        kind="regression",
        compute=of_all_clips(resampled),
        resampled=resampled,
        combine=mean_of_columns,
        low=-1.0,
        high=1.0,
        source=source,
        about=about,
        **bounds,
    )


COMPARE: Final = "ComParE 2023 Emotion Share (arXiv:2304.14882)"
RHO: Final = "mean over columns of Spearman's rho over clips, ties at their mean rank"
SPEARMAN: Final = _correlation(
    "spearman", "mean", _spearman_resampled, f"Spearman 1904, doi:10.2307/1412159; {COMPARE}", RHO
)
SPEARMAN_OFFICIAL: Final = _correlation(
    "spearman",
    "official",
    _spearman_resampled,
    f"{COMPARE}, with the interval of its code",
    f"{RHO}; beside it the published interval: bounds of each column from 1,000 draws of clips, "
    "then their mean",
    bounds=published_bounds,
    bounds_level=PUBLISHED_LEVEL[1] - PUBLISHED_LEVEL[0],
    bounds_draws=PUBLISHED_SEEDS,
)
PEARSON: Final = _correlation(
    "pearson",
    "mean",
    _pearson_resampled,
    "Pearson 1895, doi:10.1098/rspl.1895.0041; printed in the caption of Table 5 of the workshop "
    "paper (arXiv:2403.14048), whose numbers are Spearman's",
    "mean over columns of Pearson's correlation over clips",
)
