"""What an attacker gains on sealed labels by handing in many files, with and without the ladder.

The attacker has an honest system and hands in variants of its predictions, to learn the sealed
labels from the scores. Three attacks, the first two after Blum and Hardt 2015 (arXiv:1502.04585):

    add up   every file is the honest one with random changes; the changes are then summed, each
             weighted by how far its score was above the mean (their boosting attack)
    climb    small random changes to the best file so far; kept where the told score is better
    leap     the same with changes so large that one could get over a step of the ladder

A fresh test, of clips that no score was ever told of, shows what is real: the same changes are
made there. What the attacker gains on the sealed test and not on the fresh one is learnt by heart.

Run: python benchmarks/adaptive_attack.py
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from affectbench.judging.card import DECIMALS
from affectbench.judging.ladder import improves, rounded, step_of
from affectbench.scoring import Scoring
from affectbench.tasks import TASKS
from affectbench.types import Task

CLIPS, SPEAKERS = 2_000, 100  # of the sealed test; the fresh one has as many
REPEATS = 5
SIZES = {  # of changes: share of clips that get their second choice, or size of added noise
    "classification": {"add up": 0.5, "climb": 0.005, "leap": 0.1},
    "regression": {"add up": 0.2, "climb": 0.005, "leap": 0.05},
}
LAST = 10  # attempts that "add up" keeps for trying how far to go

Scores = Callable[[np.ndarray], float]  # predictions of all clips -> the score that is told


@dataclass(frozen=True)
class World:
    """Clips 0..N-1 are sealed, N..2N-1 fresh."""

    task: Task
    truth: np.ndarray  # [2N] classes or [2N, C] values
    honest: np.ndarray  # predictions of the same shape
    second: np.ndarray  # the second choice of a classifier
    step: float

    def score(self, prediction: np.ndarray, *, fresh: bool = False) -> float:
        """The exact score on one of the tests."""
        rows = slice(CLIPS, None) if fresh else slice(CLIPS)
        metric, outputs = self.task.metric, self.task.target.outputs
        values = metric.compute(self.truth[rows], prediction[rows], outputs)
        return float(metric.combine(values))

    def change(self, prediction: np.ndarray, attack: str, rng: np.random.Generator) -> np.ndarray:
        """Random changes to predictions: noise, or the other of first and second choice."""
        size = SIZES[self.task.target.kind][attack]
        if self.task.target.kind == "regression":
            return prediction + size * rng.normal(size=prediction.shape)
        other = np.where(prediction == self.honest, self.second, self.honest)
        return np.where(rng.uniform(size=len(prediction)) < size, other, prediction)


def world(task: Task, rng: np.random.Generator) -> World:
    """Labels, and a system that is right about half of the time."""
    target, total = task.target, 2 * CLIPS
    speakers = [f"S{i % SPEAKERS}" for i in range(CLIPS)]
    columns: dict[str, list] = {"clip": [f"{i:05d}" for i in range(CLIPS)], "speaker": speakers}
    if target.kind == "classification":
        truth = rng.integers(target.outputs, size=total)
        wrong, other = (
            (truth + rng.integers(1, target.outputs, size=total)) % target.outputs for _ in range(2)
        )
        honest = np.where(rng.uniform(size=total) < 0.5, truth, wrong)
        near = (honest != truth) & (rng.uniform(size=total) < 0.5)
        second = np.where(near, truth, other)
        columns[target.columns[0]] = [target.classes[i] for i in truth[:CLIPS]]
    else:
        truth = np.clip(rng.normal(0.5, 0.2, size=(total, target.outputs)), 0, 1)
        honest = 0.5 * truth + 0.5 * rng.normal(0.5, 0.2, size=truth.shape)
        second = honest
        columns |= {name: truth[:CLIPS, i].tolist() for i, name in enumerate(target.columns)}
    step = step_of(pl.DataFrame(columns), task, Scoring(draws=1_000))
    return World(task, truth, honest, second, step)


Release = Callable[[World], Scores]
Attack = Callable[[World, Scores, int, np.random.Generator], np.ndarray]


def exact(world: World) -> Scores:
    """Every score is told, with the decimals of a card."""
    return lambda prediction: round(world.score(prediction), DECIMALS)


def ladder(world: World) -> Scores:
    """Scores are told in steps; else the best is told again."""
    best: float | None = None

    def tell(prediction: np.ndarray) -> float:
        nonlocal best
        value = world.score(prediction)
        if improves(value, best, world.step):
            best = rounded(value, world.step)
        return np.nan if best is None else best

    return tell


def climb(
    world: World, tell: Scores, attempts: int, rng: np.random.Generator, size: str = "climb"
) -> np.ndarray:
    """Keep a change where the score that is told got better."""
    best, told = world.honest, tell(world.honest)
    for _ in range(attempts - 1):
        tried = world.change(best, size, rng)
        if (now := tell(tried)) > told:
            best, told = tried, now
    return best


def add_up(world: World, tell: Scores, attempts: int, rng: np.random.Generator) -> np.ndarray:
    """Weigh random changes by their scores, sum them, and try how far to go that way."""
    honest, last = world.honest, min(LAST, attempts // 2)
    tried = [world.change(honest, "add up", rng) for _ in range(attempts - last)]
    told = np.array([tell(one) for one in tried])
    weights = told - told.mean()
    if not weights.any():
        return honest
    if world.task.target.kind == "regression":
        way = sum(w * (one - honest) for w, one in zip(weights, tried, strict=True))
        way /= np.sqrt(np.mean(way**2))
        candidates = [honest + size * way for size in np.geomspace(0.01, 0.3, last)]
    else:
        votes = sum(w * (one != honest) for w, one in zip(weights, tried, strict=True))
        limits = np.quantile(votes, np.linspace(0.7, 0.99, last))
        candidates = [np.where(votes > limit, world.second, honest) for limit in limits]
    return max((honest, *candidates), key=tell)


ATTACKS: dict[str, Attack] = {"add up": add_up, "climb": climb, "leap": partial(climb, size="leap")}


def gain(worlds: list[World], attack: Attack, release: Release, attempts: int) -> str:
    """Mean gain on the sealed test and on the fresh one."""
    gains = []
    for seed, here in enumerate(worlds):
        final = attack(here, release(here), attempts, np.random.default_rng(1_000 + seed))
        gains.append(
            [
                here.score(final, fresh=fresh) - here.score(here.honest, fresh=fresh)
                for fresh in (False, True)
            ]
        )
    sealed, fresh = np.mean(gains, axis=0)
    return f"{sealed:+.4f} / {fresh:+.4f}"


def main() -> None:
    """Print the gains."""
    print(f"{CLIPS:,} sealed clips of {SPEAKERS} speakers, mean of {REPEATS} runs; gain over the")
    print("honest score of the file that the attacker ends with, sealed test / fresh test\n")
    print(f"{'task':<10}{'attack':<8}{'attempts':>9}{'all told':>20}{'ladder, auto step':>24}")
    for name in ("avb-type", "avb-two"):
        worlds = [world(TASKS[name], np.random.default_rng(seed)) for seed in range(REPEATS)]
        step = np.mean([here.step for here in worlds])
        for label, attack in ATTACKS.items():
            for attempts in (5, 100, 1_000):
                cells = [gain(worlds, attack, release, attempts) for release in (exact, ladder)]
                print(
                    f"{name:<10}{label:<8}{attempts:>9,}{cells[0]:>20}{cells[1]:>20} ({step:.3f})"
                )


if __name__ == "__main__":
    main()
