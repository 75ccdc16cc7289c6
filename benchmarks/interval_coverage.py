"""How often the 95 % interval of each method holds the true value, on simulated speakers.

    python benchmarks/interval_coverage.py [--simulations 1500]

Speakers are drawn anew in each simulation; the true value is that of very many of them. All
methods get the same draws. ``clips`` is the percentile bootstrap of clips, which knows nothing of
speakers. A share of 1,500 simulations is itself known to about one point (two standard errors).

    ccc, spearman   label and error of a clip have a part that all clips of its speaker share: a
                    tenth of the variance of labels and 0.3 of that of errors; half of both where
                    it says strong
    uar             six classes, told more or less easily by speaker and by class of a speaker
    unequal         speakers have 1 to about 100 clips (log-normal), else all as many
    country         four countries to be told, a speaker is of one: UAR with and without strata

At the end the table ``COVERAGE`` of ``affectbench.intervals.coverage`` is printed as it has to be.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from affectbench.intervals import draw_counts
from affectbench.intervals.methods import bca, expanded, jackknife, method_for, percentile
from affectbench.metrics import METRICS
from affectbench.types import Floats, Metric

LEVEL, DRAWS = 0.95, 1_000
TOGETHER = 20  # simulations that share their draws; in a regression each is a column
MANY = 100  # speakers from which on they have 4 clips each, not 10, and clips are not resampled
GROUPS = (2, 3, 5, 8, 10, 20, 40, 100, 563)
IN_COUNTRIES = (8, 12, 20, 40, 564)  # of four countries: as many speakers of each
METHODS = ("percentile", "bca", "expanded", "jackknife")
Pair = tuple[np.ndarray, np.ndarray]  # truth and prediction
Sample = tuple[np.ndarray, np.ndarray, np.ndarray]  # and the speaker of each clip


@dataclass(frozen=True)
class Scenario:
    """A metric and the kind of clips that it is simulated on."""

    name: str
    metric: Metric
    outputs: int
    make: Callable[[np.random.Generator, np.ndarray], Pair]  # from the speaker of each clip
    unequal: bool = False

    def sample(self, rng: np.random.Generator, speakers: int, clips: int) -> Sample:
        """Clips of new speakers; ``clips`` is how many one has, in the mean."""
        sizes = np.full(speakers, clips)
        if self.unequal:
            sizes = np.maximum(1, np.round(clips * rng.lognormal(-0.5, 1, speakers)).astype(int))
        speaker = np.repeat(np.arange(speakers), sizes)
        return *self.make(rng, speaker), speaker

    def values(self, sample: Sample, counts: np.ndarray) -> Floats:
        """[B, simulations]: each column of a regression is one, a classification is one."""
        found = self.metric.resampled(*sample, counts, self.outputs)
        if self.metric.kind == "regression":
            return found
        return np.asarray(self.metric.combine(found))[:, None]


def numbers(rng: np.random.Generator, speaker: np.ndarray, *, labels: float, errors: float) -> Pair:
    """Independent columns of labels and predictions; the shares that speakers have in them."""

    def mixed(share: float) -> Floats:
        own = rng.normal(size=(len(speaker), TOGETHER))
        shared = rng.normal(size=(speaker[-1] + 1, TOGETHER))[speaker]
        return np.sqrt(1 - share) * own + np.sqrt(share) * shared

    truth = mixed(labels)
    return truth, 0.5 * truth + 0.5 * mixed(errors)


def classes(
    rng: np.random.Generator, speaker: np.ndarray, *, count: int, nested: bool = False
) -> Pair:
    """Classes and predictions; all clips of a speaker are of one class where nested."""
    speakers = speaker[-1] + 1
    truth = speaker % count if nested else rng.integers(count, size=len(speaker))
    ease = np.linspace(-0.7, 1.3, count)[truth] + rng.normal(size=speakers)[speaker]
    ease += 0.7 * rng.normal(size=(speakers, count))[speaker, truth]
    right = rng.random(len(speaker)) < 1 / (1 + np.exp(-ease))
    wrong = (truth + rng.integers(1, count, size=len(speaker))) % count
    return truth, np.where(right, truth, wrong)


def regression(name: str, key: str, labels: float, errors: float, **more: bool) -> Scenario:
    """A scenario of ``numbers``."""
    return Scenario(
        name,
        METRICS[key],
        TOGETHER,
        lambda rng, speaker: numbers(rng, speaker, labels=labels, errors=errors),
        **more,
    )


def recall(name: str, count: int, *, nested: bool = False, **more: bool) -> Scenario:
    """A scenario of ``classes``."""
    return Scenario(
        name,
        METRICS["uar.truth"],
        count,
        lambda rng, speaker: classes(rng, speaker, count=count, nested=nested),
        **more,
    )


SCENARIOS = (
    regression("ccc", "ccc.population", 0.1, 0.3),
    regression("ccc strong", "ccc.population", 0.5, 0.5),
    regression("ccc unequal", "ccc.population", 0.1, 0.3, unequal=True),
    regression("spearman", "spearman.mean", 0.1, 0.3),
    recall("uar", 6),
    recall("uar unequal", 6, unequal=True),
)
COUNTRY = recall("country", 4, nested=True)


def true_value(scenario: Scenario) -> float:
    """The value of very many speakers; how many clips they have does not change it."""
    rng = np.random.default_rng(0)
    found = [
        scenario.metric.compute(*scenario.sample(rng, 20_000, 4)[:2], scenario.outputs)
        for _ in range(2 if scenario.metric.kind == "regression" else 20)
    ]
    return float(np.mean(found))


def intervals(
    scenario: Scenario, sample: Sample, counts: np.ndarray, strata: np.ndarray
) -> dict[str, list[tuple[float, float]]]:
    """By method the interval of each simulation that the sample holds."""
    groups = counts.shape[1]
    value = scenario.values(sample, np.ones((1, groups)))[0]
    draws = scenario.values(sample, counts)
    alone = scenario.values(sample, 1 - np.eye(groups))
    ends = (scenario.metric.low, scenario.metric.high)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in METHODS}
    for own, drawn, left in zip(value.tolist(), draws.T, alone.T, strict=True):
        found["percentile"].append(percentile(drawn, LEVEL))
        found["bca"].append(bca(own, drawn, left, LEVEL, strata))
        found["expanded"].append(expanded(drawn, LEVEL, groups, int(strata.max()) + 1))
        found["jackknife"].append(jackknife(own, left, LEVEL, strata, ends))
    return found


def of_clips(scenario: Scenario, sample: Sample, counts: np.ndarray) -> list[tuple[float, float]]:
    """The percentile interval that resamples clips, of each simulation that the sample holds."""
    truth, prediction, speaker = sample
    drawn = scenario.values((truth, prediction, np.arange(len(speaker))), counts)
    return [percentile(one, LEVEL) for one in drawn.T]


def measured(
    scenario: Scenario, true: float, speakers: int, simulations: int, *, stratified: bool = False
) -> dict[str, tuple[float, float]]:
    """By method the share of intervals that hold the true value, and their median width."""
    rng = np.random.default_rng([1, speakers])
    strata = np.arange(speakers) % (scenario.outputs if stratified else 1)
    every: dict[str, list[tuple[float, float]]] = {}
    made = 0
    while made < simulations:
        counts = draw_counts(rng, DRAWS, speakers, strata)
        of_so_many: dict[int, np.ndarray] = {}  # counts of clips
        until = min(made + TOGETHER, simulations)
        while made < until:
            sample = scenario.sample(rng, speakers, 10 if speakers < MANY else 4)
            found = intervals(scenario, sample, counts, strata)
            clips = len(sample[2])
            if speakers < MANY and clips not in of_so_many:
                of_so_many[clips] = draw_counts(rng, DRAWS, clips)
            if speakers < MANY:
                found["clips"] = of_clips(scenario, sample, of_so_many[clips])
            for name, bounds in found.items():
                every.setdefault(name, []).extend(bounds)
            made += len(found["bca"])
    told = {}
    for name, bounds in every.items():
        low, high = np.array(bounds).T  # NaN, no interval, holds nothing
        share = np.mean((low <= true) & (true <= high))
        told[name] = (float(share), float(np.nanmedian(high - low)))
    return told


def line(label: str, speakers: int, told: dict[str, tuple[float, float]], auto: str) -> None:
    """One row of the table: share and median width by method, a star at what ``auto`` takes."""
    cells = (
        f"{100 * share:5.1f}{'*' if name == auto else ' '}{width:6.3f}"
        for name, (share, width) in told.items()
    )
    print(f"{label:<22}{speakers:5d}   " + "   ".join(cells), flush=True)


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--simulations", type=int, default=1500)
    simulations = parser.parse_args().simulations
    start = time.process_time()
    print(f"share in % of {simulations:,} intervals that hold the true value, and median width")
    print(f"{'':<22}speakers" + "".join(f"{name:>15}" for name in (*METHODS, "clips")))
    table: dict[str, dict[int, list[float]]] = {name: {} for name in METHODS}
    for scenario in SCENARIOS:
        true = true_value(scenario)
        for speakers in GROUPS:
            told = measured(scenario, true, speakers, simulations)
            line(scenario.name, speakers, told, method_for(speakers))
            for name in METHODS:
                table[name].setdefault(speakers, []).append(told[name][0])
    true = true_value(COUNTRY)
    for speakers in IN_COUNTRIES:
        for stratified in (False, True):
            told = measured(COUNTRY, true, speakers, simulations, stratified=stratified)
            label = f"country{', in strata' if stratified else ''}"
            line(label, speakers, told, method_for(speakers))
    print("\nCOVERAGE = {")
    for name, rows in table.items():
        cells = (f"{n}: ({100 * min(r):.0f}, {100 * max(r):.0f})" for n, r in rows.items())
        print(f'    "{name}": {{{", ".join(cells)}}},')
    print(f"}}\n{time.process_time() - start:.0f} s of one core")


if __name__ == "__main__":
    main()
