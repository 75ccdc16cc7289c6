"""Bootstrap draws of CCC and Spearman, and ComParE's interval, against loops over the rows.

    python benchmarks/metrics.py

Inputs have the sizes of the two largest test parts: A-VB Culture, 19,815 clips x 40 columns of 563
speakers, and Emotion Share, 10,143 clips x 9 columns whose labels 3,477 seeds share. The loops
resample rows and call NumPy or ``scipy.stats.spearmanr``; some of their draws are timed and scaled.
Spearman's have to be equal to the last bit, CCC's to 1e-10. One process does all of it; its peak
memory is printed after each part.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from affectbench.intervals import bootstrap
from affectbench.metrics import METRICS
from affectbench.metrics.correlation import PUBLISHED_LEVEL, PUBLISHED_SEEDS, published_bounds
from affectbench.types import Floats

DRAWS, LOOPED = 10_000, 8
CULTURE = {"clips": 19_815, "columns": 40, "groups": 563}
SHARE = {"clips": 10_143, "columns": 9, "groups": 3_477}


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """What the call returns, and the seconds it took."""
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


def line(what: str, seconds: float, note: str = "") -> None:
    """One row of the printed table."""
    print(f"  {what:<44} {seconds:8.2f} s   {note}")


def memory() -> None:
    """Print the peak memory of the process so far."""
    print(f"  peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB\n")


def rows_of(count: np.ndarray, group: np.ndarray) -> np.ndarray:
    """The rows that a draw took."""
    return np.repeat(np.arange(len(group)), count[group])


def mean_ccc(x: Floats, y: Floats) -> float:
    """The mean over columns of the population CCC, as one writes it with NumPy."""
    mx, my = x.mean(axis=0), y.mean(axis=0)
    covariance = ((x - mx) * (y - my)).mean(axis=0)
    return (2 * covariance / (x.var(axis=0) + y.var(axis=0) + (mx - my) ** 2)).mean()


def mean_rho(x: Floats, y: Floats) -> float:
    """The mean over columns of SciPy's Spearman."""
    return np.mean([spearmanr(x[:, c], y[:, c]).statistic for c in range(x.shape[1])])


def agreement() -> None:
    """CCC, its three variants with all their intervals."""
    clips, columns, speakers = CULTURE.values()
    rng = np.random.default_rng(0)
    group = rng.integers(speakers, size=clips)
    truth = rng.random((clips, columns))
    prediction = 0.5 * truth + 0.5 * rng.random((clips, columns))
    print(f"CCC, {clips:,} clips x {columns}, {DRAWS:,} draws of {speakers} speakers")

    counts = rng.multinomial(speakers, np.full(speakers, 1 / speakers), size=LOOPED)
    drawn = [rows_of(count, group) for count in counts]
    expected, took_s = timed(lambda: [mean_ccc(truth[r], prediction[r]) for r in drawn])
    loop_s = took_s / LOOPED * DRAWS
    line("NumPy loop, population alone", loop_s, f"(from {LOOPED} draws)")
    metric = METRICS["ccc.population"]
    got = metric.combine(metric.resampled(truth, prediction, group, counts, columns))
    if not np.allclose(got, expected, rtol=0, atol=1e-10):
        raise SystemExit(f"CCC: the loop and the draws differ by {np.abs(got - expected).max()}")
    total_s = 0.0
    for variant in ("population", "sample", "official"):
        _, took_s = timed(
            lambda variant=variant: bootstrap(
                METRICS[f"ccc.{variant}"], truth, [prediction], group, outputs=columns, draws=DRAWS
            )
        )
        total_s += took_s
        line(f"affectbench, {variant}", took_s, f"{loop_s / took_s:5.0f} times faster")
    line("all three", total_s)
    memory()


def ranks() -> None:
    """Spearman: draws of groups, and the published interval."""
    clips, columns, seeds = SHARE.values()
    rng = np.random.default_rng(0)
    group = np.concatenate([np.arange(seeds), rng.integers(seeds, size=clips - seeds)])
    truth = rng.random((seeds, columns))[group]
    prediction = 0.5 * truth + 0.3 * rng.normal(size=(clips, columns))
    print(f"Spearman, {clips:,} clips x {columns}, labels shared by {seeds:,} seeds")

    counts = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=LOOPED)
    drawn = [rows_of(count, group) for count in counts]
    expected, took_s = timed(lambda: [mean_rho(truth[r], prediction[r]) for r in drawn])
    loop_s = took_s / LOOPED * DRAWS
    line(f"SciPy loop, {DRAWS:,} draws of seeds", loop_s, f"(from {LOOPED} draws)")
    metric = METRICS["spearman.mean"]
    got = metric.combine(metric.resampled(truth, prediction, group, counts, columns))
    if not np.array_equal(got, expected):
        raise SystemExit("Spearman: the loop and the draws differ")
    _, took_s = timed(
        lambda: bootstrap(metric, truth, [prediction], group, outputs=columns, draws=DRAWS)
    )
    line("affectbench", took_s, f"{loop_s / took_s:5.0f} times faster, to the last bit")

    expected, took_s = timed(lambda: looped_bounds(truth[:, 0], prediction[:, 0]))
    loop_s = took_s * columns
    line("SciPy loop, published interval", loop_s, "(from one column)")
    (low, high), took_s = timed(lambda: published_bounds(truth, prediction))
    if (low[0], high[0]) != expected:
        raise SystemExit("published interval: the loop and ours differ")
    line("affectbench", took_s, f"{loop_s / took_s:5.0f} times faster, to the last bit")
    memory()


def looped_bounds(truth: Floats, prediction: Floats) -> tuple[float, float]:
    """The published interval of a column as ComParE's code goes about it."""
    values = []
    for seed in range(PUBLISHED_SEEDS):
        np.random.seed(seed)  # noqa: NPY002 - the legacy generator is what was published
        rows = np.random.choice(range(len(truth)), len(truth))  # noqa: NPY002
        values.append(spearmanr(truth[rows], prediction[rows]).statistic)
    low, high = np.quantile(values, PUBLISHED_LEVEL)
    return low, high


if __name__ == "__main__":
    agreement()
    ranks()
