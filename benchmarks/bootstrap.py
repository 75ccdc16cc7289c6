"""Bootstrap by speaker: counts and moments against a plain loop over draws.

    python benchmarks/bootstrap.py

Input: 19,815 clips, 10 outputs, 563 speakers, the size of the A-VB test part. The loop resamples
rows and computes ten CCCs with numpy; a few of its draws are timed and scaled, and have to give
the same numbers as the vectorised ones. Then all three CCCs of A-VB Culture, 40 outputs, with the
default method and with BCa. What the intervals cover is in ``coverage.py``.
"""

from __future__ import annotations

import resource
import time

import numpy as np

from affectbench.intervals import bootstrap, draw_counts
from affectbench.metrics import METRICS
from affectbench.types import Floats

CLIPS, OUTPUTS, CULTURE, SPEAKERS = 19_815, 10, 40, 563
DRAWS, LOOPED = 10_000, 60
METRIC = METRICS["ccc.population"]


def corpus(rng: np.random.Generator, speakers: int, clips: int, outputs: int):
    """Labels and predictions whose errors have a part that all clips of a speaker share."""
    speaker = rng.integers(speakers, size=clips)
    truth = rng.normal(size=(clips, outputs)) + rng.normal(size=(speakers, outputs))[speaker]
    error = rng.normal(size=(clips, outputs)) + rng.normal(size=(speakers, outputs))[speaker]
    return truth, 0.5 * truth + 0.5 * error, speaker


def looped(truth: Floats, prediction: Floats, speaker: np.ndarray, counts: np.ndarray) -> Floats:
    """Mean CCC of each draw, [B], from the rows that it took."""
    rows = [np.flatnonzero(speaker == s) for s in range(counts.shape[1])]
    scores = []
    for count in counts:
        taken = np.concatenate([rows[s] for s in np.repeat(np.arange(len(count)), count)])
        x, y = truth[taken], prediction[taken]
        mx, my = x.mean(axis=0), y.mean(axis=0)
        covariance = ((x - mx) * (y - my)).mean(axis=0)
        scores.append((2 * covariance / (x.var(axis=0) + y.var(axis=0) + (mx - my) ** 2)).mean())
    return np.array(scores)


def speed() -> None:
    """Print the times, the ratio and the largest difference."""
    truth, prediction, speaker = corpus(np.random.default_rng(0), SPEAKERS, CLIPS, OUTPUTS)
    counts = draw_counts(np.random.default_rng(0), LOOPED, SPEAKERS)
    start = time.perf_counter()
    expected = looped(truth, prediction, speaker, counts)
    loop_s = (time.perf_counter() - start) / LOOPED * DRAWS
    got = METRIC.combine(METRIC.resampled(truth, prediction, speaker, counts, OUTPUTS))
    worst = np.abs(got - expected).max()
    if worst > 1e-10:
        raise SystemExit(f"the loop and the vectorised draws differ by {worst:.1e}")
    print(f"{CLIPS:,} clips x {OUTPUTS} outputs, {DRAWS:,} draws; largest difference {worst:.1e}")
    print(f"numpy loop, {SPEAKERS} speakers   {loop_s:8.2f} s   (from {LOOPED} draws)")
    for label, groups in (("speaker", speaker), ("clip", np.arange(CLIPS))):
        start = time.perf_counter()
        found = bootstrap(
            METRIC, truth, [prediction], groups, outputs=OUTPUTS, draws=DRAWS, group_by=label
        ).score
        took_s = time.perf_counter() - start
        # The loop resamples speakers, so only that row can be set against it.
        ratio = f"{loop_s / took_s:5.0f} times faster" if label == "speaker" else ""
        print(
            f"affectbench, by {label:<8}      {took_s:8.2f} s   {ratio:<20}"
            f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}]"
        )


def everything() -> None:
    """Print the time and memory of all CCCs of A-VB Culture, by the default method and by BCa."""
    truth, prediction, speaker = corpus(np.random.default_rng(0), SPEAKERS, CLIPS, CULTURE)
    prediction = prediction.astype(np.float32)
    before_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n{CLIPS:,} clips x {CULTURE} outputs, {DRAWS:,} draws, {SPEAKERS} speakers")
    for method in ("auto", "bca"):
        start = time.perf_counter()
        for key in ("ccc.population", "ccc.sample", "ccc.official"):
            score = bootstrap(
                METRICS[key], truth, [prediction], speaker, outputs=CULTURE, draws=DRAWS,
                method=method,
            ).score  # fmt: skip
        took_s = time.perf_counter() - start
        print(f"three CCCs, {score.method:<10} {took_s:8.2f} s")
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"most memory {peak_mib:,.0f} MiB, {peak_mib - before_mib:,.0f} MiB above the clips")


if __name__ == "__main__":
    speed()
    everything()
