"""How sure a number is: the one owner of what is resampled.

    score.py     the interval of a score, by group
    draws.py     how often each group is taken
    methods.py   intervals from resampled values, and which of them is the default
    coverage.py  how often they hold the true value
    paired.py    two systems on the same clips: the difference and its p-value
    ties.py      several systems: corrected p-values, and the ranks that each may have
    power.py     the smallest difference that a test set would show
    groups.py    a score by country, sex, age, role or speaker, and the gap against chance
    ratings.py   the ceiling that rating noise puts on a score

A group is what belongs together, whatever it is called: a speaker, a seed, a clip.
"""

from __future__ import annotations

from affectbench.intervals.coverage import warn_few
from affectbench.intervals.draws import draw_counts
from affectbench.intervals.groups import GroupReport, age_bands, by_group
from affectbench.intervals.methods import described
from affectbench.intervals.paired import Comparison, compare
from affectbench.intervals.power import Detectable, smallest_detectable
from affectbench.intervals.ratings import Ceiling, ceilings
from affectbench.intervals.score import Intervals, bootstrap
from affectbench.intervals.ties import Comparisons, compare_all, holm

__all__ = [
    "Ceiling",
    "Comparison",
    "Comparisons",
    "Detectable",
    "GroupReport",
    "Intervals",
    "age_bands",
    "bootstrap",
    "by_group",
    "ceilings",
    "compare",
    "compare_all",
    "described",
    "draw_counts",
    "holm",
    "smallest_detectable",
    "warn_few",
]
