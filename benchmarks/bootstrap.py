"""Bootstrap by speaker: counts and moments against a plain loop over draws, and what it covers.

    python benchmarks/bootstrap.py

Input: 19,815 clips, 10 outputs, 563 speakers, the size of the A-VB test part. The loop resamples
rows and computes ten CCCs with numpy; a few of its draws are timed and scaled, and have to give
the same numbers as the vectorised ones. Coverage: how often the 95 % interval of a simulation
with known truth holds the true value, by number of speakers, resampling speakers or clips. The
share of 500 simulations is itself known to about one point.
"""

from __future__ import annotations

import time

import numpy as np

from affectbench.intervals import bootstrap, draw_counts
from affectbench.metrics import METRICS, ccc
from affectbench.types import Floats

CLIPS, OUTPUTS, SPEAKERS = 19_815, 10, 563
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


def coverage(simulations: int = 500, per_speaker: int = 20) -> None:
    """Print how often the interval holds the CCC of a very large sample of the same kind."""
    rng = np.random.default_rng(1)
    true = np.mean(
        [ccc(x[:, 0], y[:, 0]) for x, y, _ in (corpus(rng, 20_000, 200_000, 1) for _ in range(10))]
    )
    print(f"\ncoverage of the 95 % interval of CCC, {simulations} simulations, true {true:.4f}")
    for speakers in (5, 8, 10, 20, 40, 80):
        held = {"speaker": 0, "clip": 0}
        for _ in range(simulations):
            truth, prediction, speaker = corpus(rng, speakers, speakers * per_speaker, 1)
            for label in held:
                groups = speaker if label == "speaker" else np.arange(len(speaker))
                score = bootstrap(
                    METRIC, truth, [prediction], groups, outputs=1, draws=1_000, group_by=label
                ).score
                held[label] += score.low <= true <= score.high
        shares = "   ".join(f"by {k} {v / simulations:6.1%}" for k, v in held.items())
        print(f"{speakers:4d} speakers   {shares}")


if __name__ == "__main__":
    speed()
    coverage()
