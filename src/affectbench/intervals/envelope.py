"""How far groups are apart by chance: the gaps of a model that ignores the group, simulated.

The labels of the groups are given to others, as many as there are of each, while truth and
predictions stay: a permutation test (DiCiccio et al. 2020, arXiv:2007.05124). What a label belongs
to decides who the others are: see ``by_group``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affectbench.intervals.draws import COUNT_BYTES
from affectbench.types import Floats, Metric

STREAM: Final = 2  # beside the seed, so that these are not the numbers of the bootstrap
UNITS, CLIPS, CLIPS_OF_UNITS = "units", "clips", "clips of each unit"
Index = NDArray[np.intp]


def gap(values: Floats) -> Floats:
    """Best less worst over the groups that have a value: [..., L] to [...].

    NaN where fewer than two have one.
    """
    spread = np.fmax.reduce(values, axis=-1) - np.fmin.reduce(values, axis=-1)
    return np.where((~np.isnan(values)).sum(axis=-1) > 1, spread, np.nan)


@dataclass(frozen=True, slots=True)
class Chance:
    """A system on labelled clips, and how its gap comes out when labels are permuted."""

    metric: Metric
    truth: Any
    seeds: Sequence[Any]  # [R] predictions
    outputs: Any
    label: Index  # [N] in 0..L-1
    unit: Index  # [N] in 0..U-1

    @property
    def permuted(self) -> str:
        """What can get another label: whole units, or clips, of all units or within each."""
        labels, units = int(self.label.max()) + 1, int(self.unit.max()) + 1
        if len(np.unique(self.label * units + self.unit)) > units:
            return CLIPS_OF_UNITS
        return CLIPS if labels == units else UNITS

    def gaps(self, permutations: int, seed: int) -> Floats:
        """The gap as the labels are, then that of each permutation, [1 + P].

        NaN where fewer than two groups have a value.
        """
        rng = np.random.default_rng((seed, STREAM))
        if self.permuted == UNITS:
            return self._by_units(permutations, rng)
        each_once = np.eye(int(self.label.max()) + 1, dtype=np.uint8)
        everywhere = self.permuted == CLIPS
        gaps = [gap(self._values(self.label, each_once))]
        for _ in range(permutations):
            label = rng.permutation(self.label) if everywhere else self._within_units(rng)
            gaps.append(gap(self._values(label, each_once)))
        return np.array(gaps)

    def _by_units(self, permutations: int, rng: np.random.Generator) -> Floats:
        """Gaps when whole units are permuted."""
        labels, units = int(self.label.max()) + 1, int(self.unit.max()) + 1
        of_unit = np.zeros(units, dtype=np.intp)
        of_unit[self.unit] = self.label
        gaps = [gap(self._of_units(of_unit[None], labels))]
        rows = max(1, COUNT_BYTES // (labels * units))
        for start in range(0, permutations, rows):
            repeated = np.tile(of_unit, (min(rows, permutations - start), 1))
            gaps.append(gap(self._of_units(rng.permuted(repeated, axis=1), labels)))
        return np.concatenate(gaps)

    def _of_units(self, of_unit: Index, labels: int) -> Floats:
        """The value of each group when units have these labels: [P, U] to [P, L]."""
        taken = of_unit[:, None, :] == np.arange(labels)[:, None]
        counts = taken.reshape(-1, of_unit.shape[1]).astype(np.uint8)
        return self._values(self.unit, counts).reshape(-1, labels)

    def _within_units(self, rng: np.random.Generator) -> Index:
        """The labels of the clips of each unit in another order, [N]."""
        label = np.empty_like(self.label)
        shuffled = np.lexsort((rng.random(len(label)), self.unit))
        label[np.argsort(self.unit, kind="stable")] = self.label[shuffled]
        return label

    def _values(self, group: Index, counts: NDArray[np.uint8]) -> Floats:
        """Mean over seeds of the combined value of the clips of some groups, [B, G] to [B]."""
        each = [
            self.metric.resampled(self.truth, one, group, counts, self.outputs)
            for one in self.seeds
        ]
        return np.asarray(self.metric.combine(np.stack(each)).mean(axis=0))


def of_clips(values: Any, rows: Index, *, axis: int = 0) -> Any:
    """Some clips of an array, or of each part of a composite's tuple."""
    if isinstance(values, tuple):
        return tuple(of_clips(part, rows, axis=axis) for part in values)
    return np.take(values, rows, axis=axis)
