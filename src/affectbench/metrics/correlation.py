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

from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectbench.errors import BadData, UnknownName
from affectbench.metrics.agreement import ROUNDING, columns_of, mean_of_columns
from affectbench.metrics.resampling import drawn_sums
from affectbench.types import Floats, Metric

CELLS_AT_ONCE: Final = 2**17  # weights of clips held at a time as float64: 1 MiB, a cache's worth
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
    return _one_column(spearman_per_column, truth, prediction)


def pearson(truth: ArrayLike, prediction: ArrayLike) -> float:
    """Pearson's correlation of one output; arguments, range and errors as ``spearman``.

    Source: Pearson 1895, doi:10.1098/rspl.1895.0041.
    """
    return _one_column(pearson_per_column, truth, prediction)


def spearman_per_column(truth: ArrayLike, prediction: ArrayLike) -> Floats:
    """Spearman's rho of each column: [N, C] and [N, C] to [C]; otherwise as ``spearman``."""
    x = np.asarray(truth, dtype=np.float64)
    return SPEARMAN.compute(x, np.asarray(prediction), x.shape[1] if x.ndim == 2 else 1)


def pearson_per_column(truth: ArrayLike, prediction: ArrayLike) -> Floats:
    """Pearson's correlation of each column: [N, C] and [N, C] to [C]; otherwise as ``pearson``."""
    x = np.asarray(truth, dtype=np.float64)
    return PEARSON.compute(x, np.asarray(prediction), x.shape[1] if x.ndim == 2 else 1)


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
        A value in -1..1; NaN where a rho that is averaged is undefined.

    Raises:
        BadData: the two are not matrices of one shape.
        UnknownName: ``over`` is none of these.
    """
    x, y = np.asarray(truth, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    if x.ndim != 2 or x.shape != y.shape:
        raise BadData(f"The shapes are {x.shape} and {y.shape}; expected [N, C] for both.")
    if over not in OVER:
        raise UnknownName(f"over is '{over}'. Expected one of: {', '.join(OVER)}.")
    if over == "cells":
        return spearman(x.ravel(), y.ravel())
    values = spearman_per_column(x, y) if over == "columns" else spearman_per_column(x.T, y.T)
    return float(mean_of_columns(values))


def _one_column(per_column: Any, truth: ArrayLike, prediction: ArrayLike) -> float:
    """The value of two vectors."""
    x = np.asarray(truth, dtype=np.float64)
    if x.ndim != 1:
        raise BadData(f"The truth has the shape {x.shape}; expected a vector [N].")
    return float(per_column(x, prediction)[0])


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
    """Columns centred and brought to a largest value of 1, 0 where not known.

    The first known value is subtracted before the mean: a constant column becomes exactly 0.
    """
    first = values[np.argmax(known, axis=0), np.arange(values.shape[1])]
    shifted = np.where(known, values - first, 0.0)
    centred = np.where(known, shifted - shifted.sum(axis=0) / known.sum(axis=0), 0.0)
    scale = np.abs(centred).max(axis=0)
    return np.asarray(centred / np.where(scale > 0, scale, 1.0))


def _spearman_resampled(
    truth: NDArray[Any],
    prediction: NDArray[Any],
    group: NDArray[np.intp],
    counts: NDArray[Any],
    outputs: int,
) -> Floats:
    """Spearman's rho of each draw and column, [B, C].

    The clips are sorted once; in each draw a clip that was taken w times weighs w, and the mean
    rank of a tie group is the weight below it plus half of one more than its own. That equals
    ranking the rows that the draw took, at the cost of a cumulative sum.
    """
    x, y = columns_of(truth, prediction, outputs)
    value = np.full((len(counts), outputs), np.nan)
    for column in range(outputs):
        known = ~(np.isnan(x[:, column]) | np.isnan(y[:, column]))
        if known.any():
            ranked = _Ranked(x[known, column], y[known, column])
            rows = max(1, CELLS_AT_ONCE // int(known.sum()))
            clip_group = group[known]
            for start in range(0, len(counts), rows):
                block = counts[start : start + rows]
                value[start : start + rows, column] = ranked.rho(block[:, clip_group])
    return value


class _Ranked:
    """Two vectors, sorted once: rho under any weights of the clips."""

    def __init__(self, truth: Floats, prediction: Floats) -> None:
        self._order = np.argsort(truth, kind="stable")
        x, y = truth[self._order], prediction[self._order]
        self._starts_x = np.flatnonzero(np.append(True, x[1:] != x[:-1]))
        self._by_y = np.argsort(y, kind="stable")
        sorted_y = y[self._by_y]
        new = np.append(True, sorted_y[1:] != sorted_y[:-1])
        self._starts_y = np.flatnonzero(new)
        self._tie_y = np.empty(
            len(y), dtype=np.intp
        )  # the tie group of each clip, in truth's order
        self._tie_y[self._by_y] = np.cumsum(new) - 1

    def rho(self, weights: NDArray[Any]) -> Floats:
        """[B, N] weights, whole numbers, to [B]."""
        weights = np.take(weights, self._order, axis=1).astype(np.float64)
        n = weights.sum(axis=1, keepdims=True)
        sxx, rank_x = _centred_ranks(weights, self._starts_x, n)
        syy, rank_y = _centred_ranks(np.take(weights, self._by_y, axis=1), self._starts_y, n)
        weights *= np.take(rank_y, self._tie_y, axis=1)
        sxy = (np.add.reduceat(weights, self._starts_x, axis=1) * rank_x).sum(axis=1)
        return _ratio(sxy, sxx, syy, n[:, 0])


def _centred_ranks(weights: Floats, starts: NDArray[np.intp], n: Floats) -> tuple[Floats, Floats]:
    """Sum of squares [B] and mean rank less (n + 1) / 2 of each tie group [B, K].

    All of them are halves of whole numbers, so that the sums are exact.
    """
    tied = np.add.reduceat(weights, starts, axis=1)
    rank = np.cumsum(tied, axis=1)
    rank -= tied / 2
    rank -= n / 2
    return np.einsum("bk,bk,bk->b", tied, rank, rank), rank


def _ratio(sxy: Floats, sxx: Floats, syy: Floats, n: Floats) -> Floats:
    """The correlation, in the order of ``numpy.corrcoef``, so that the last bit is equal."""
    with np.errstate(all="ignore"):
        share = np.true_divide(1, n - 1)
        value = sxy * share / np.sqrt(syy * share) / np.sqrt(sxx * share)
    return np.where((n >= 2) & (sxx > 0) & (syy > 0), np.clip(value, -1.0, 1.0), np.nan)


def published_bounds(truth: Floats, prediction: Floats) -> tuple[Floats, Floats]:
    """The interval of each column as ComParE 2023 computes it.

    For each of the seeds 0 to 999 NumPy's legacy generator draws N clips with replacement, the
    same for every column; the bounds are the 2.5 % and 97.5 % quantiles of rho. What was
    published is the mean of the nine lower and of the nine upper bounds.

    Args:
        truth: [N, C] labels.
        prediction: [N, C] predictions.

    Returns:
        Lower and upper bounds, [C] each; NaN where a draw is undefined.
    """
    x, y = (np.asarray(a, dtype=np.float64).reshape(len(a), -1) for a in (truth, prediction))
    clips = len(x)
    counts = np.stack(
        [
            np.bincount(np.random.RandomState(seed).choice(clips, clips), minlength=clips)
            for seed in range(PUBLISHED_SEEDS)
        ]
    ).astype(np.uint16 if clips < 2**16 else np.uint32)
    rho = _spearman_resampled(x, y, np.arange(clips), counts, x.shape[1])
    low, high = np.quantile(rho, PUBLISHED_LEVEL, axis=0)
    return low, high


def _compute(
    truth: NDArray[Any], prediction: NDArray[Any], outputs: int, *, resampled: Any
) -> Floats:
    """The value of each column, [C]: the one draw that takes every clip once."""
    group = np.zeros(len(truth), dtype=np.intp)
    value: Floats = resampled(truth, prediction, group, np.ones((1, 1)), outputs)[0]
    return value


def _correlation(name: str, variant: str, resampled: Any, source: str, **more: Any) -> Metric:
    return Metric(
        name=name,
        variant=variant,
        kind="regression",
        compute=partial(_compute, resampled=resampled),
        resampled=resampled,
        combine=mean_of_columns,
        low=-1.0,
        high=1.0,
        source=source,
        **more,
    )


COMPARE: Final = "ComParE 2023 Emotion Share (arXiv:2304.14882)"
SPEARMAN: Final = _correlation(
    "spearman", "mean", _spearman_resampled, f"Spearman 1904, doi:10.2307/1412159; {COMPARE}"
)
SPEARMAN_OFFICIAL: Final = _correlation(
    "spearman",
    "official",
    _spearman_resampled,
    f"{COMPARE}, with the interval of its code",
    bounds=published_bounds,
)
PEARSON: Final = _correlation(
    "pearson",
    "mean",
    _pearson_resampled,
    "Pearson 1895, doi:10.1098/rspl.1895.0041; printed in the caption of Table 5 of the workshop "
    "paper (arXiv:2403.14048), whose numbers are Spearman's",
)
