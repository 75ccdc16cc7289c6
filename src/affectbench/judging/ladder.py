"""The ladder: scores released only in steps, so that attempts cannot be farmed.

Every exact score tells a little about the sealed labels. A team that hands in hundreds of files,
each a little different, can add that up (``benchmarks/adaptive_attack.py``). Blum and Hardt 2015,
"The Ladder: A Reliable Leaderboard for Machine Learning Competitions", arXiv:1502.04585,
Algorithm 1: a score is told only where it beats the best that was told before by more than a step,
and rounded to the step; else the best is told again.

The step is fixed when the labels are sealed. Were it the width of each file's own interval, a team
could make it as small as it likes by handing in predictions close to a constant.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isnan
from typing import Final

import numpy as np
import polars as pl

from affectbench.errors import BadData
from affectbench.scoring import Scoring, score_tables
from affectbench.truth import with_truth
from affectbench.types import Floats, Target, Task

AUTO_DRAWS: Final = 2_000


def improves(value: float, best: float | None, step: float, *, sign: int = 1) -> bool:
    """Whether a score is to be told.

    Args:
        value: the score; NaN never is told.
        best: the best that was told to the team, None if nothing was.
        step: by how much it has to be better.
        sign: -1 where less is better.
    """
    return not isnan(value) and (best is None or sign * (value - best) > step)


def rounded(value: float, step: float, to: Callable[[float], float] = round) -> float:
    """A multiple of ``step``, the nearest by default; NaN stays NaN."""
    return value if isnan(value) else round(to(round(value / step, 6)) * step, 10)


def step_of(truth: pl.DataFrame, task: Task, scoring: Scoring) -> float:
    """Half the width of the interval that a middling system would get on this truth.

    The system is made up: half truth, half noise, better for some speakers than for others.
    Two digits, so that the step tells nothing of the labels.

    Args:
        truth: ``clip``, the group column and the label columns.
        task: whose ranking metric is released.
        scoring: how the interval is made; at most ``AUTO_DRAWS`` draws.

    Raises:
        BadData: no interval can be made, since groups are unknown or there is only one.
    """
    draws = min(scoring.draws, AUTO_DRAWS)
    group_by = scoring.group_by or task.group
    table = with_truth(middling(truth, task, group_by, seed=scoring.seed), truth, task)
    short = Scoring(draws=draws, level=scoring.level, seed=scoring.seed, group_by=group_by)
    score = score_tables([table], task, short)[0][task.metric.key].score
    half = (score.high - score.low) / 2
    if isnan(half):
        raise BadData(
            f"No step can be found for {task.name}: there is no interval by {group_by} "
            f"({score.groups} groups). Name a step, such as --step 0.02."
        )
    return float(f"{half:.2g}")


def middling(truth: pl.DataFrame, task: Task, group_by: str, *, seed: int) -> pl.DataFrame:
    """``clip`` and ``prediction.<column>``, half right: of some groups more, of others less."""
    rng = np.random.default_rng(seed)
    index = np.arange(len(truth))
    if group_by in truth.columns:
        index = np.unique(truth[group_by].fill_null("").to_numpy(), return_inverse=True)[1]
    groups = int(index.max()) + 1
    skill = rng.uniform(0.4, 0.6, size=groups)[index]  # [N], the same for all columns
    lean = rng.normal(size=groups)[index]
    columns = [
        _half_right(truth[column], target, skill, lean, rng)
        for target in task.targets
        for column in target.columns
    ]
    return truth.select("clip").with_columns(columns)


def _half_right(
    true: pl.Series, target: Target, skill: Floats, lean: Floats, rng: np.random.Generator
) -> pl.Series:
    """Predictions of one column [N]: ``skill`` parts truth, the rest noise that leans by group."""
    name = f"prediction.{true.name}"
    if target.kind == "classification":
        right = rng.uniform(size=len(true)) < skill
        guess = rng.integers(len(target.classes), size=len(true))
        cells = [
            label if known and label is not None else target.classes[other]
            for label, known, other in zip(true, right.tolist(), guess.tolist(), strict=True)
        ]
        return pl.Series(name, cells, dtype=pl.String)
    values = true.to_numpy().astype(np.float64)
    mean, spread = np.nanmean(values), np.nanstd(values)
    noise = spread * (lean + rng.normal(size=len(true))) / np.sqrt(2)
    made = mean + skill * (np.nan_to_num(values, nan=mean) - mean) + (1 - skill) * noise
    return pl.Series(name, np.clip(made, target.low, target.high))
