"""What an adaptation gains over none on clips of dev, and whether that is more than chance."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from affectbench.intervals import methods
from affectbench.systems.personal.speakers import Rows
from affectbench.types import Floats, Task

LEVEL: Final = 0.95  # of the interval of a gain
RULE: Final = (
    f"the most gain on dev among those whose {LEVEL:.0%} interval, a jackknife by speaker, is "
    "above 0; nothing where there is none"
)


class Gain(NamedTuple):
    """By how much the task's metric is better, with its interval; NaN where undefined."""

    gain: float
    low: float
    high: float


def gain_of(task: Task, truth: Any, values: Floats, plain: Floats, place: Rows) -> Gain:
    """The gain of values over those of the plain model, both [M, C], on the same clips.

    Args:
        task: names the metric; a gain is above 0 where it is better, whatever its direction.
        truth: [M, C] or [M].
        values: with adaptation.
        plain: without.
        place: [M] the number of each clip's speaker, -1 where unknown: never left out.

    Returns:
        No interval where a value is undefined without some speaker, or there are fewer than two;
        NaN throughout where a prediction is not finite.
    """
    if np.isnan(values).any() or np.isposinf(values).any():
        return Gain(np.nan, *methods.NO_BOUNDS)
    metric = task.metric
    speakers = int(place.max(initial=-1)) + 1
    group = np.where(place < 0, speakers, place)
    counts = np.ones((speakers + 1, speakers + 1), dtype=np.uint8)
    counts[np.arange(speakers), np.arange(speakers)] = 0  # the last row: all speakers
    both = []
    for given in (values, plain):
        told = given.argmax(axis=1) if task.target.kind == "classification" else given
        each = metric.resampled(truth, told, group, counts, task.target.outputs)
        both.append(metric.combine(each))
    gains = (both[0] - both[1]) * (1 if metric.high >= metric.low else -1)
    value, alone = float(gains[-1]), gains[:-1]
    if not np.isfinite(gains).all() or speakers < 2:
        return Gain(value, *methods.NO_BOUNDS)
    strata = np.zeros(speakers, dtype=np.intp)
    ends = (-np.inf, np.inf)
    return Gain(value, *methods.jackknife(value, alone, LEVEL, strata, ends))
