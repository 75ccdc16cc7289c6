"""How sure a number is: the one owner of what is resampled.

    score.py  the interval of a score, by group
"""

from __future__ import annotations

from affectbench.intervals.score import Intervals, bootstrap, draw_counts, warn_few

__all__ = ["Intervals", "bootstrap", "draw_counts", "warn_few"]
