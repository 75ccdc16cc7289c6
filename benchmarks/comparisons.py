"""Comparisons: speed against a plain loop, false alarms, power, gaps of groups, rating ceilings.

    python benchmarks/comparisons.py [folder of CREMA-D]

Speed: 19,815 clips, 10 outputs, 563 speakers, the size of the A-VB test part. The loop resamples
and swaps rows and computes ten CCCs with numpy; a few of its rounds are timed and scaled, and have
to give the same numbers. The rest are simulated test sets of speakers with 20 clips each, whose
truths and errors share a part; a share of 400 of them is itself known to one or two points.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from scipy.special import ndtri

from affectbench.corpora import crema_d
from affectbench.intervals import by_group, ceilings, compare, draw_counts, smallest_detectable
from affectbench.intervals.ratings import Kinds, fit_votes
from affectbench.metrics import METRICS
from affectbench.types import Floats, Metric

CCC, UAR = METRICS["ccc.population"], METRICS["uar.truth"]
CLIPS, OUTPUTS, SPEAKERS = 19_815, 10, 563
DRAWS, LOOPED = 10_000, 10
SIMULATIONS, TEST_SETS, FEW_DRAWS = 400, 20, 1_000
CLASSES, RECALL = 4, 0.6
CEILINGS = tuple(
    METRICS[key] for key in ("ccc.population", "pearson.mean", "spearman.mean", "uar.truth")
)


def shared(rng: np.random.Generator, speaker: np.ndarray, outputs: int = 1) -> Floats:
    """Standard normal numbers of which a speaker's clips share a part, [N, C]."""
    own = rng.normal(size=(speaker.max() + 1, outputs))[speaker]
    return (rng.normal(size=(len(speaker), outputs)) + own) / np.sqrt(2)


def errors(rng: np.random.Generator, speaker: np.ndarray, alike: float) -> tuple[Floats, Floats]:
    """Errors of two systems that correlate by ``alike``."""
    common, one, other = (shared(rng, speaker) for _ in range(3))
    mix = np.sqrt(alike), np.sqrt(1 - alike)
    return mix[0] * common + mix[1] * one, mix[0] * common + mix[1] * other


def ccc_of(slope: float, noise: float) -> float:
    """The CCC of slope * truth + noise * error, both standard normal."""
    return 2 * slope / (1 + slope**2 + noise**2)


def numbers(rng: np.random.Generator, speakers: int, alike: float, gain: float):
    """Two systems of regression; the second is ``gain`` better by CCC."""
    speaker = np.repeat(np.arange(speakers), 20)
    truth = shared(rng, speaker)
    nearer = np.linspace(0, 1, 10_001)
    better = ccc_of(0.5 + 0.5 * nearer, 0.5 - 0.5 * nearer)
    step = nearer[np.argmax(better >= better[0] + gain)]
    one, other = (0.5 * truth + 0.5 * error for error in errors(rng, speaker, alike))
    return truth, one[None], (other + step * (truth - other))[None], speaker


def unlike(rng: np.random.Generator, speakers: int, alike: float, gain: float):
    """Two systems of one CCC: the first hardly dares to leave the mean, the second is noisy."""
    speaker = np.repeat(np.arange(speakers), 20)
    truth = shared(rng, speaker)
    noise = np.sqrt(2 * 0.7 / (ccc_of(0.3, 0.2) + gain) - 1 - 0.7**2)
    timid, noisy = errors(rng, speaker, alike)
    return truth, (0.3 * truth + 0.2 * timid)[None], (0.7 * truth + noise * noisy)[None], speaker


def classes(rng: np.random.Generator, speakers: int, alike: float, gain: float):
    """Two systems of classification; the second is ``gain`` better by UAR."""
    speaker = np.repeat(np.arange(speakers), 20)
    truth = rng.integers(CLASSES, size=len(speaker))
    wrong = (truth + rng.integers(1, CLASSES, size=len(truth))) % CLASSES
    recalls = RECALL, RECALL + gain
    one, other = (
        np.where(error[:, 0] < ndtri(recall), truth, wrong)
        for error, recall in zip(errors(rng, speaker, alike), recalls, strict=True)
    )
    return truth, one[None], other[None], speaker


WORLDS = {"CCC": (CCC, 1, numbers), "UAR": (UAR, CLASSES, classes)}


def ccc_of_rows(truth: Floats, prediction: Floats) -> float:
    """Mean CCC over the columns."""
    mx, my = truth.mean(axis=0), prediction.mean(axis=0)
    covariance = ((truth - mx) * (prediction - my)).mean(axis=0)
    spread = truth.var(axis=0) + prediction.var(axis=0) + (mx - my) ** 2
    return float((2 * covariance / spread).mean())


def speed() -> None:
    """Print the times and the ratio of a comparison."""
    rng = np.random.default_rng(0)
    speaker = rng.integers(SPEAKERS, size=CLIPS)
    truth = shared(rng, speaker, OUTPUTS)
    one, other = (0.5 * truth + 0.5 * shared(rng, speaker, OUTPUTS) for _ in range(2))
    rows = [np.flatnonzero(speaker == s) for s in range(SPEAKERS)]
    start = time.perf_counter()
    looped = []
    for count in draw_counts(np.random.default_rng(0), LOOPED, SPEAKERS):
        taken = np.concatenate([rows[s] for s in np.repeat(np.arange(SPEAKERS), count)])
        looped.append([ccc_of_rows(truth[taken], p[taken]) for p in (one, other)])
        swap = (rng.random(SPEAKERS) < 0.5)[speaker][:, None]
        ccc_of_rows(truth, np.where(swap, other, one))
        ccc_of_rows(truth, np.where(swap, one, other))
    loop_s = (time.perf_counter() - start) / LOOPED * DRAWS
    start = time.perf_counter()
    found = compare(CCC, truth, [one], [other], speaker, outputs=OUTPUTS, draws=DRAWS)
    took_s = time.perf_counter() - start
    same = compare(CCC, truth, [one], [other], speaker, outputs=OUTPUTS, draws=LOOPED)
    share = np.mean([a > b for a, b in looped])
    if abs(same.superiority - share) > 1e-12:
        raise SystemExit(f"the loop finds {share} and the vectorised draws {same.superiority}")
    print(f"{CLIPS:,} clips x {OUTPUTS}, {SPEAKERS} speakers, {DRAWS:,} draws and permutations")
    print(f"numpy loop {loop_s:8.1f} s   (from {LOOPED} rounds)")
    print(f"compare    {took_s:8.1f} s   {loop_s / took_s:5.0f} times faster   p {found.p:.3f}\n")


def told(rng: np.random.Generator, world, speakers: int, *, alike: float, gain: float) -> float:
    """In what share of test sets the two systems are told apart."""
    metric, outputs, make = world
    found = [
        compare(metric, *make(rng, speakers, alike, gain), outputs=outputs, draws=FEW_DRAWS)
        for _ in range(SIMULATIONS)
    ]
    return float(np.mean([one.significant for one in found]))


def alarms() -> None:
    """Print how often p is .05 or less although there is no difference."""
    print(f"p <= .05 without a difference, of {SIMULATIONS} test sets")
    print("speakers     CCC     UAR   CCC, timid against noisy")
    for speakers in (10, 40, 200):
        rng = np.random.default_rng(speakers)
        shares = [
            told(rng, world, speakers, alike=0.3, gain=0.0)
            for world in (*WORLDS.values(), (CCC, 1, unlike))
        ]
        print(f"{speakers:8d}  " + " ".join(f"{share:7.1%}" for share in shares))
    print()


def power() -> None:
    """Print the smallest detectable difference and how often a rival of that size is told."""
    print("smallest detectable difference (power 80 %), and how often a rival that much better is")
    print("told apart, in other test sets; the correlation is measured by compare")
    print("metric speakers  alike errors  correlation  difference (sd over test sets)    told")
    for name, world in WORLDS.items():
        for speakers in (10, 40, 200):
            for alike in (0.0, 0.6):
                rng = np.random.default_rng(speakers)
                correlation, size, spread = detectable(rng, world, speakers, alike)
                share = told(rng, world, speakers, alike=alike, gain=size)
                print(
                    f"{name:<6} {speakers:8d}  {alike:12.1f}  {correlation:11.2f}"
                    f"  {size:10.3f} ({spread:.3f}) {share:24.1%}"
                )
    print()


def detectable(
    rng: np.random.Generator, world, speakers: int, alike: float
) -> tuple[float, float, float]:
    """Correlation of two systems, smallest detectable difference, and its sd over test sets."""
    metric, outputs, make = world
    sets = [make(rng, speakers, alike, 0.0) for _ in range(TEST_SETS)]
    correlation = np.mean(
        [compare(metric, *one, outputs=outputs, draws=FEW_DRAWS).correlation for one in sets]
    )
    sizes = [
        smallest_detectable(
            metric, truth, one, speaker, outputs=outputs, correlation=max(correlation, 0)
        ).difference
        for truth, one, _, speaker in sets
    ]
    return float(correlation), float(np.nanmean(sizes)), float(np.nanstd(sizes))


def gaps() -> None:
    """Print how often the gap between four countries is beyond chance."""
    print(f"p <= .05 for the gap between four countries, of {SIMULATIONS} test sets of 40 speakers")
    for label, worse in (
        ("no country is served worse", 0.0),
        ("one has errors twice as large", 1.0),
    ):
        rng = np.random.default_rng(0)
        found = 0
        for _ in range(SIMULATIONS):
            speaker = np.repeat(np.arange(40), 20)
            truth, error = shared(rng, speaker), shared(rng, speaker)
            size = 0.5 * (1 + worse * (speaker % 4 == 0))[:, None]
            found += (
                by_group(
                    CCC, truth, (0.5 * truth + size * error)[None], speaker % 4, speaker,
                    outputs=1, draws=1, permutations=199,
                ).p
                <= 0.05
            )  # fmt: skip
        print(f"{label:<30} {found / SIMULATIONS:6.1%}")
    print()


def known_ceilings(simulations: int = 60, raters: int = 8) -> None:
    """Print how often the interval of a ceiling holds what an oracle really gets."""
    kinds = Kinds(
        np.array([0.4, 0.35, 0.25]), np.array([[9.0, 1, 0.5, 0.5], [1, 6, 1, 1], [0.5, 0.5, 3, 4]])
    )
    names = "  ".join(f"{metric.name:>9}" for metric in CEILINGS)
    print(
        f"ceilings of {simulations} simulations with {raters} raters: bias, and intervals that hold"
    )
    print(f"clips             {names}")
    for clips in (300, 1_500):
        rng = np.random.default_rng(clips)
        gap, held = [], []
        for _ in range(simulations):
            blank = np.zeros((clips, 4), dtype=int)
            shares = kinds.draw(blank, kinds.posterior(blank), rng)
            votes = rng.multinomial(raters, shares)
            found = ceilings(CEILINGS, votes, draws=60)
            real = [oracle(metric, shares, votes) for metric in CEILINGS]
            gap.append([one.value - r for one, r in zip(found, real, strict=True)])
            held.append([one.low <= r <= one.high for one, r in zip(found, real, strict=True)])
        print(f"{clips:5d}  bias       " + "  ".join(f"{x:9.4f}" for x in np.mean(gap, axis=0)))
        print("       95 % holds " + "  ".join(f"{x:9.1%}" for x in np.mean(held, axis=0)))
    print()


def oracle(metric: Metric, shares: Floats, votes: np.ndarray) -> float:
    """The score of the shares against the labels that the votes make."""
    if metric.kind == "regression":
        labels = votes / votes.sum(axis=1, keepdims=True)
        return float(metric.combine(metric.compute(labels, shares, votes.shape[1])))
    clear = (votes == votes.max(axis=1, keepdims=True)).sum(axis=1) == 1
    pair = votes[clear].argmax(axis=1), shares[clear].argmax(axis=1)
    return float(metric.combine(metric.compute(*pair, votes.shape[1])))


def halves(votes: np.ndarray, rng: np.random.Generator) -> list[float]:
    """How well one half of the votes of each clip tells the other, by each metric."""
    one = np.stack([rng.multivariate_hypergeometric(row, row.sum() // 2) for row in votes])
    clear = (one == one.max(axis=1, keepdims=True)).sum(axis=1) == 1
    other = votes - one
    shares = one / one.sum(axis=1, keepdims=True)
    return [
        oracle(metric, *(a if metric.kind == "regression" else a[clear] for a in (shares, other)))
        for metric in CEILINGS
    ]


def crema(folder: Path) -> None:
    """Print the ceilings of CREMA-D, and how far data and model agree on halves of the votes."""
    if not folder.is_dir():
        print(f"no votes of CREMA-D: {folder} is not there")
        return
    clips = crema_d.read(folder).clips
    rng = np.random.default_rng(0)
    print("CREMA-D: what an oracle gets that knows what share of all people hears which emotion")
    print(f"{'':<34}" + "  ".join(f"{metric.name:>24}" for metric in CEILINGS))
    for modality in crema_d.MODALITIES.values():
        columns = [f"{modality}_{name}" for name in crema_d.EMOTIONS.values()]
        raters = clips[f"{modality}_raters"].to_numpy()
        votes = np.round(clips.select(columns).to_numpy() * raters[:, None]).astype(int)
        start = time.perf_counter()
        found = ceilings(CEILINGS, votes)
        took_s = time.perf_counter() - start
        cells = "  ".join(f"{one.value:8.3f} [{one.low:.3f}, {one.high:.3f}]" for one in found)
        print(f"{modality:<12} ceiling ({took_s:4.1f} s)      {cells}")
        made_by = {"half against half, data": votes}
        for kinds in (1, None):
            model = fit_votes(votes, kinds=kinds)
            blank = np.zeros_like(votes)
            shares = model.draw(blank, model.posterior(blank), rng)
            made = np.stack([rng.multinomial(n, p) for n, p in zip(raters, shares, strict=True)])
            made_by[f"  model of {len(model.weights)} kinds"] = made
        for label, made in made_by.items():
            print(f"{'':<8}{label:<26}" + "  ".join(f"{x:24.3f}" for x in halves(made, rng)))
        tied, mean = found[-1].tied, found[0].votes_per_clip
        print(f"{'':<8}{tied} of {len(votes):,} clips tied; {mean:.2f} votes a clip")


if __name__ == "__main__":
    speed()
    alarms()
    power()
    gaps()
    known_ceilings()
    crema(
        Path(
            sys.argv[1]
            if len(sys.argv) > 1
            else Path(__file__).parents[1] / "../shared/data/crema-d"
        )
    )
