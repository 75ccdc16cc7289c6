"""How often intervals hold the true value, as measured on simulated speakers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from affectbench.types import Score

FEW: Final = 10  # groups below which a reader is told what to expect

# Method -> groups -> lowest and highest share, in percent, of 95 % intervals that held the true
# value, over the simulations of: python benchmarks/interval_coverage.py
COVERAGE: Final[Mapping[str, Mapping[int, tuple[int, int]]]] = {
    "percentile": {
        2: (46, 56),
        3: (73, 79),
        5: (81, 89),
        8: (85, 91),
        10: (88, 91),
        20: (90, 94),
        40: (92, 95),
        100: (94, 94),
        563: (94, 95),
    },
    "bca": {
        2: (37, 48),
        3: (62, 71),
        5: (78, 84),
        8: (82, 89),
        10: (86, 92),
        20: (89, 94),
        40: (90, 95),
        100: (92, 94),
        563: (93, 95),
    },
    "expanded": {
        2: (46, 56),
        3: (73, 80),
        5: (91, 96),
        8: (92, 95),
        10: (93, 95),
        20: (93, 95),
        40: (93, 96),
        100: (94, 95),
        563: (94, 95),
    },
    "jackknife": {
        2: (90, 96),
        3: (93, 96),
        5: (92, 96),
        8: (92, 96),
        10: (94, 96),
        20: (93, 96),
        40: (94, 97),
        100: (94, 95),
        563: (94, 95),
    },
}


def warn_few(score: Score) -> str | None:
    """A plain sentence where too few groups were resampled to trust the interval, else None."""
    if score.groups == 1:
        return f"There is only one {score.group_by}: no interval can be made."
    if not 0 < score.groups < FEW or score.method not in COVERAGE:
        return None
    measured = COVERAGE[score.method]
    groups = max(count for count in measured if count <= score.groups)
    low, high = measured[groups]
    return (
        f"Only {score.groups} {score.group_by}s were resampled: a few may not stand for all. In "
        f"simulations with {groups} groups, 95% intervals of this method ({score.method}) held "
        f"the true value in {low} to {high} of 100 cases."
    )
