"""Spearman's rho of bootstrap draws, from weights: nothing is ranked twice.

The clips are sorted once. In a draw a clip that was taken w times weighs w, and the mean rank of
clips that tie is the weight below them plus half of one more than their own. That equals ranking
the rows that the draw took, at the cost of a cumulative sum, and exactly: twice a rank less twice
the mean rank is a whole number, so that no sum is rounded up to 300,000 rows a draw.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affectbench.types import Floats

Whole = NDArray[np.int32]

CELLS_AT_ONCE: Final = 2**17  # clips times draws held at a time: 1 MiB of float64


def rho_of_draws(
    truth: Floats, prediction: Floats, group: NDArray[np.intp], counts: NDArray[Any]
) -> Floats:
    """Spearman's rho of each draw, [B]; NaN where a draw has fewer than two rows or is constant.

    Args:
        truth: [N] labels, none NaN.
        prediction: [N] predictions, none NaN.
        group: [N] group index of each clip.
        counts: [B, G] how often each draw took each group, whole numbers.
    """
    value = np.full(len(counts), np.nan)
    if len(truth):
        x, y = _Sorted(truth, group), _Sorted(prediction, group)
        tie_x = x.tie[y.clips]
        rows = max(1, CELLS_AT_ONCE // len(truth))
        for start in range(0, len(counts), rows):
            block = counts[start : start + rows].astype(np.int32)
            value[start : start + rows] = _rho(x, y, tie_x, block)
    return value


class _Sorted:
    """A vector [N] in ascending order: which clips, of which groups, and where K ties end."""

    def __init__(self, values: Floats, group: NDArray[np.intp]) -> None:
        self.clips = np.argsort(values, kind="stable")
        self.group = group[self.clips]
        ascending = values[self.clips]
        last = np.append(ascending[1:] != ascending[:-1], True)
        self.ends = np.flatnonzero(last)  # [K] place of the last clip of each tie
        self.tie = np.empty(len(values), dtype=np.intp)  # [N] tie of each clip, 0..K-1
        self.tie[self.clips] = np.cumsum(last) - last

    def weights(self, counts: Whole) -> Whole:
        """How often each draw takes each clip, in ascending order: [B, G] to [B, N]."""
        return np.take(counts, self.group, axis=1)


def _rho(x: _Sorted, y: _Sorted, tie_x: NDArray[np.intp], counts: Whole) -> Floats:
    """Rho of each draw [B]; ``tie_x`` [N] is the tie in the truth of the clips in y's order."""
    rank_x, squares_x = _ranks(x, x.weights(counts))
    weights = y.weights(counts)
    rank_y, squares_y = _ranks(y, weights)
    if len(y.ends) < len(y.clips):
        rank_y = np.take(rank_y, y.tie[y.clips], axis=1)
    rank_y *= weights
    # Not a BLAS product: its threads cost more than vectors of this length take.
    products = np.einsum("bn,bn->b", rank_y, np.take(rank_x, tie_x, axis=1))
    return _ratio(products, squares_x, squares_y, weights.sum(axis=1))


def _ranks(order: _Sorted, weights: Whole) -> tuple[Floats, Floats]:
    """Twice the mean rank of each tie, less n + 1, [B, K], and the sum of their squares [B]."""
    below = np.cumsum(weights, axis=1, dtype=np.int32)  # with the clip's own
    tied = weights
    if len(order.ends) < len(order.clips):
        below = np.take(below, order.ends, axis=1)
        tied = np.diff(below, axis=1, prepend=np.int32(0))
    twice = below - below[:, -1:]
    twice[:, 1:] += below[:, :-1]
    rank = twice.astype(np.float64)
    return rank, np.einsum("bk,bk->b", rank * tied, rank)


def _ratio(products: Floats, squares_x: Floats, squares_y: Floats, n: NDArray[Any]) -> Floats:
    """The correlation, in the order of ``numpy.corrcoef``, so that the last bit is equal."""
    with np.errstate(all="ignore"):  # draws of no or one row, and constants
        share = np.true_divide(1, n - 1)
        value = products * share / np.sqrt(squares_y * share) / np.sqrt(squares_x * share)
    defined = (squares_x > 0) & (squares_y > 0)  # so there are two rows or more
    return np.where(defined, np.clip(value, -1.0, 1.0), np.nan)
