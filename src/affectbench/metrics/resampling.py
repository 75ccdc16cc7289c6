"""Sums over bootstrap draws: what every vectorised metric is made of.

A metric that is a function of sums over clips needs no resampled rows. The sums are taken once per
group, and a draw that took group g three times counts the sums of g three times.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affectbench.types import Floats

COUNTS_AT_ONCE: Final = 2**20  # counts held as float64 at a time: 8 MiB


def drawn_sums(
    group: NDArray[np.intp], counts: NDArray[Any], *columns: NDArray[Any]
) -> list[Floats]:
    """Sums of clip values over the clips of each draw.

    Args:
        group: [N] group index of each clip, in 0..G-1.
        counts: [B, G] how often each draw took each group.
        columns: arrays [N, C], finite where the sum shall be.

    Returns:
        For each of ``columns`` its sums, [B, C].
    """
    draws, groups = counts.shape
    values = np.concatenate(columns, axis=1)
    per_group = np.stack(
        [np.bincount(group, weights=value, minlength=groups) for value in values.T], axis=1
    )
    rows = max(1, COUNTS_AT_ONCE // groups)
    sums = np.concatenate(
        [counts[i : i + rows].astype(np.float64) @ per_group for i in range(0, draws, rows)]
    )
    return np.split(sums, len(columns), axis=1)


def of_all_clips(resampled: Callable[..., Floats]) -> Callable[[Any, Any, Any], Floats]:
    """``compute`` of a metric from its ``resampled``: the draw that takes every clip once."""
    return partial(_of_all_clips, resampled=resampled)


def _of_all_clips(
    truth: NDArray[Any], prediction: NDArray[Any], outputs: int, *, resampled: Any
) -> Floats:
    group = np.zeros(len(truth), dtype=np.intp)
    values: Floats = resampled(truth, prediction, group, np.ones((1, 1)), outputs)[0]
    return values
