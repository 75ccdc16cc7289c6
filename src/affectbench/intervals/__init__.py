"""How sure a number is: the one owner of what is resampled.

    score.py     the interval of a score, by group
    draws.py     how often each group is taken
    methods.py   intervals from resampled values, and which of them is the default
    coverage.py  how often they hold the true value

A group is what belongs together, whatever it is called: a speaker, a seed, a clip.
"""

from __future__ import annotations

from affectbench.intervals.coverage import warn_few
from affectbench.intervals.draws import draw_counts
from affectbench.intervals.methods import described
from affectbench.intervals.score import Intervals, bootstrap

__all__ = ["Intervals", "bootstrap", "described", "draw_counts", "warn_few"]
