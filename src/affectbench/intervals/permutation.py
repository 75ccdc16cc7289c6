"""A permutation test over groups: could the difference between two systems be chance?

If it did not matter which system a prediction came from, then in any groups the two could swap
theirs, and the difference that was found would be one like any other (Good 2005, Permutation,
Parametric and Bootstrap Tests of Hypotheses, chapter 3).

The test is exact where the systems are interchangeable. Where two systems of equal score err in
very different ways, one with timid and one with noisy predictions, it finds a difference less often
than it might, not more often (``benchmarks/comparisons.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isnan, lcm
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affectbench.intervals.draws import COUNT_BYTES, DRAWS_AT_ONCE, Groups
from affectbench.types import Floats, Metric

ROUNDING: Final = 1e-10  # of the larger value: differences this close count as equal
STREAM: Final = 1  # beside the seed, so that permutations are not those of the bootstrap's numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Permuted:
    """A p-value and what it was counted from."""

    p: float = float("nan")  # two-sided
    permutations: int = 0  # defined ones
    exact: bool = False  # whether these are all that there are
    undefined: int = 0


def enumerable(groups: int, permutations: int) -> bool:
    """Whether there are no more ways to swap groups than ``permutations``.

    Swapping the other groups instead only turns the sign, so that the first group may stay.
    """
    return groups <= permutations.bit_length()


def permuted(
    metric: Metric,
    truth: Any,
    first: Sequence[Any],
    second: Sequence[Any],
    groups: Groups,
    *,
    outputs: Any,
    permutations: int,
    seed: int,
) -> Permuted:
    """The p-value of the difference between two systems.

    All seeds of a group swap together: the k-th of the first system with the k-th of the second.
    Where one has fewer seeds, they are gone through again until both come to an end (2 and 3 seeds:
    six pairs), which leaves both means as they are.

    Args:
        metric: what both are scored by.
        truth: as the metric takes it.
        first: predictions of the first system, one a seed.
        second: of the second system.
        groups: what swaps; two or more.
        outputs: C.
        permutations: how many are drawn, or all where there are no more.
        seed: of what is drawn.

    Returns:
        p is the share of the permutations whose difference is as large as the one that was found,
        or larger, in either direction; the one that was found is one of them. Undefined ones are
        counted and left out. All is undefined where the difference itself is.
    """
    differences = _swapping(metric, truth, first, second, groups, outputs)
    (found,), scale = differences(np.zeros((1, groups.count), dtype=np.uint8))
    if isnan(found):
        return Permuted()
    least = abs(found) - ROUNDING * scale
    hits = undefined = 0
    for swapped in _swaps(groups.count, permutations, seed):
        drawn = np.abs(differences(swapped)[0])
        hits += int((drawn >= least).sum())
        undefined += int(np.isnan(drawn).sum())
    exact = enumerable(groups.count, permutations)
    made = 2 ** (groups.count - 1) if exact else permutations
    itself = 0 if exact else 1  # an enumeration holds the difference that was found
    return Permuted(
        p=(hits + itself) / (made - undefined + itself),
        permutations=made - undefined,
        exact=exact,
        undefined=undefined,
    )


def _swapping(
    metric: Metric,
    truth: Any,
    first: Sequence[Any],
    second: Sequence[Any],
    groups: Groups,
    outputs: Any,
) -> Callable[[NDArray[np.uint8]], tuple[Floats, float]]:
    """How the difference depends on which groups are swapped.

    The clips of both systems stand one below the other as 2 G groups, of which a system takes G.
    """
    pairs = lcm(len(first), len(second))
    stacked = [_stacked(first[k % len(first)], second[k % len(second)]) for k in range(pairs)]
    twice = _stacked(truth, truth)
    index = np.concatenate([groups.index, groups.count + groups.index])

    def differences(swapped: NDArray[np.uint8]) -> tuple[Floats, float]:
        """[P, G] of 0 and 1 to the differences [P] and the size of the values."""
        kept = 1 - swapped
        counts = np.block([[kept, swapped], [swapped, kept]])
        each = [metric.resampled(twice, one, index, counts, outputs) for one in stacked]
        one, other = np.split(metric.combine(np.stack(each)).mean(axis=0), 2)
        return one - other, float(np.abs([one[0], other[0]]).max())

    return differences


def _stacked(first: Any, second: Any) -> Any:
    """Clips of both, one below the other; of a composite in each part."""
    if isinstance(first, tuple):
        return tuple(_stacked(*part) for part in zip(first, second, strict=True))
    return np.concatenate([first, second])


def _swaps(groups: int, permutations: int, seed: int) -> Iterator[NDArray[np.uint8]]:
    """Which groups are swapped, in blocks of rows [P, G]: each with a probability of one half."""
    if enumerable(groups, permutations):
        numbers = np.arange(2 ** (groups - 1), dtype=">u8")
        packed = np.packbits(
            np.unpackbits(numbers.view(np.uint8).reshape(-1, 8), axis=1)[:, -groups:], axis=1
        )
    else:
        rng = np.random.default_rng((seed, STREAM))
        packed = rng.integers(256, size=(permutations, -(-groups // 8)), dtype=np.uint8)
    rows = max(1, min(DRAWS_AT_ONCE, COUNT_BYTES // (4 * groups)))
    for start in range(0, len(packed), rows):
        yield np.unpackbits(packed[start : start + rows], axis=1, count=groups)
