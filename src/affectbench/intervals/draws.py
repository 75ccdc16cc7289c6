"""How often each group is taken: by the bootstrap, and by leaving one out at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affectbench.errors import BadData
from affectbench.types import Floats

TALLIED_AT_ONCE: Final = 256  # draws; a change of it changes every interval
DRAWS_AT_ONCE: Final = 10 * TALLIED_AT_ONCE
COUNT_BYTES: Final = 64 * 2**20  # of counts held at a time
Values = Callable[[NDArray[Any]], Floats]  # counts [B, G] -> values [B, K]


@dataclass(frozen=True, slots=True)
class Groups:
    """What is resampled: which clips belong together, and which groups are drawn from one pot."""

    index: NDArray[np.intp]  # [N] the group of each clip, in 0..G-1
    strata: NDArray[np.intp]  # [G] the stratum of each group, in 0..H-1; G is 0 where unknown

    @property
    def count(self) -> int:
        """G; 0 where the group of some clip is not known."""
        return len(self.strata)

    @property
    def pots(self) -> int:
        """H, strata: 1 where groups are not stratified."""
        return int(self.strata.max(initial=0)) + 1


def grouped(
    groups: Sequence[Any] | NDArray[Any], strata: Sequence[Any] | NDArray[Any] | None = None
) -> Groups:
    """Groups of clips, numbered in sorted order, so that the order of the clips changes nothing.

    Args:
        groups: [N] the group of each clip; None or NaN where it is not known.
        strata: [N] the stratum of each clip; None: all groups are of one.

    Raises:
        BadData: a stratum is not known, a group lies in two strata, or is alone in its own.
    """
    if strata is not None and len(strata) != len(groups):
        raise BadData(f"{len(strata):,} strata for {len(groups):,} clips; expected one for each.")
    if _some_unknown(groups):
        return Groups(np.zeros(len(groups), dtype=np.intp), np.zeros(0, dtype=np.intp))
    names, index = np.unique(np.asarray(groups), return_inverse=True)
    index = index.astype(np.intp)
    if strata is None:
        return Groups(index, np.zeros(len(names), dtype=np.intp))
    return Groups(index, _stratum_of_each(index, strata, len(names)))


def _some_unknown(labels: Sequence[Any] | NDArray[Any]) -> bool:
    return any(label is None or label != label for label in labels)  # noqa: PLR0124 - NaN


def _stratum_of_each(
    index: NDArray[np.intp], strata: Sequence[Any] | NDArray[Any], groups: int
) -> NDArray[np.intp]:
    """The stratum of each group, [G]. Strata may be labels, so that messages only count them."""
    if _some_unknown(strata):
        raise BadData("The stratum of some clips is not known; expected one for each.")
    pots, pot = np.unique(np.asarray(strata), return_inverse=True)
    of_group = np.zeros(groups, dtype=np.intp)
    of_group[index] = pot
    torn = len(np.unique(index[of_group[index] != pot]))
    if torn:
        raise BadData(
            f"{torn:,} of {groups:,} groups lie in more than one stratum; expected each in one. "
            "Stratify by what all clips of a group share."
        )
    alone = int((np.bincount(of_group, minlength=len(pots)) == 1).sum())
    if alone and groups > 1:
        raise BadData(
            f"{alone} of {len(pots)} strata hold a single group, and nothing can be drawn there; "
            "expected two groups or more in each. Merge strata, or leave them out."
        )
    return of_group


def draw_counts(
    rng: np.random.Generator, draws: int, groups: int, strata: NDArray[np.intp] | None = None
) -> NDArray[Any]:
    """How often each draw takes each group, [B, G] in the smallest integers that hold G.

    The multinomial counts are tallied from drawn indices: the same distribution, and far cheaper
    than G binomials a draw. A fixed number of draws at a time, so that larger blocks, which hold
    a multiple of them, change nothing.

    Args:
        rng: what draws.
        draws: B.
        groups: G, drawn with replacement as often as there are.
        strata: [G] stratum of each group: as many are drawn of each stratum as it has. None: all
            are of one.
    """
    counts = np.empty((draws, groups), dtype=np.min_scalar_type(groups))
    pots = [] if strata is None else [np.flatnonzero(strata == h) for h in np.unique(strata)]
    for start in range(0, draws, TALLIED_AT_ONCE):
        rows = counts[start : start + TALLIED_AT_ONCE]
        if len(pots) < 2:
            rows[:] = _tallied(rng, *rows.shape)
        else:
            for pot in pots:
                rows[:, pot] = _tallied(rng, len(rows), len(pot))
    return counts


def _tallied(rng: np.random.Generator, draws: int, groups: int) -> NDArray[np.intp]:
    """Multinomial counts [B, G]."""
    cells = rng.integers(groups, size=(draws, groups)) + groups * np.arange(draws)[:, None]
    return np.bincount(cells.ravel(), minlength=draws * groups).reshape(draws, groups)


def bootstrapped(values: Values, groups: Groups, draws: int, seed: int) -> Floats:
    """The values of each bootstrap draw, [B, K]; B is 1 or more."""
    rng = np.random.default_rng(seed)
    fitting = COUNT_BYTES // (groups.count * np.min_scalar_type(groups.count).itemsize)
    block = max(TALLIED_AT_ONCE, min(DRAWS_AT_ONCE, fitting // TALLIED_AT_ONCE * TALLIED_AT_ONCE))
    return np.concatenate(
        [
            values(draw_counts(rng, min(block, draws - start), groups.count, groups.strata))
            for start in range(0, draws, block)
        ]
    )


def left_out(values: Values, groups: Groups) -> Floats:
    """The values without one group each, [G, K]."""
    count = groups.count
    block = max(1, COUNT_BYTES // count)
    found = []
    for start in range(0, count, block):
        counts = np.ones((min(block, count - start), count), dtype=np.uint8)
        counts[np.arange(len(counts)), start + np.arange(len(counts))] = 0
        found.append(values(counts))
    return np.concatenate(found)
