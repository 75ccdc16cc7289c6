"""Fréchet distance: the symmetric form against ``scipy.linalg.sqrtm``, and what few clips do to it.

    python benchmarks/frechet.py

Speed: 256 dimensions, the size of the ExVo features, from the same moments; the two have to give
the same number. Bias: 100 and 1,000 clips of a known Gaussian against the moments of another, so
that the true distance is known; the mean of ten sets. How far the distance is off depends on how
many dimensions hold the variance: in ``flat`` all 256, in ``1/k`` and ``1/k²`` the k-th has that
share of the first. The line in 1 / N is fitted from half of the clips, as by default, and from a
tenth, as Chong & Forsyth do with 50,000 images.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from affectbench.metrics.frechet import Moments, frechet, frechet_extrapolated, moments

DIMS, REPEATS, SETS = 256, 15, 10
SPECTRA = {"flat": 0, "1/k": 1, "1/k²": 2}  # exponents


def best_ms(call: Callable[[], float]) -> tuple[float, float]:
    """The shortest time of some repeats, in ms, and the value."""
    took = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        value = call()
        took.append(1000 * (time.perf_counter() - start))
    return min(took), value


def speed(clips: int) -> None:
    """Print the times of both variants, and the ratio."""
    rng = np.random.default_rng(0)
    mixed = rng.standard_normal((clips, DIMS)) @ rng.standard_normal((DIMS, DIMS)) / DIMS**0.5
    one, two = moments(mixed), moments(rng.standard_normal((2_000, DIMS)))
    official_ms, expected = best_ms(lambda: frechet(one, two, variant="official"))
    sound_ms, value = best_ms(lambda: frechet(one, two))
    if abs(value - expected) > 1e-6 * expected:
        raise SystemExit(f"the two forms differ: {value} and {expected}")
    print(
        f"{clips:5,} clips, {DIMS} dimensions   sqrtm {official_ms:6.1f} ms   symmetric "
        f"{sound_ms:6.1f} ms   {official_ms / sound_ms:4.1f} times faster   "
        f"difference {abs(value - expected):.1e}"
    )


def bias(clips: int, spectrum: str) -> None:
    """Print the mean error of the plain and the extrapolated distance, and their spread."""
    variance = np.arange(1, DIMS + 1, dtype=np.float64) ** -SPECTRA[spectrum]
    reference = Moments(np.zeros(DIMS), np.diag(variance))
    stretch, shift = 1.3**0.5, 0.5 * np.sqrt(variance) * (np.arange(DIMS) < 4)
    true = (shift**2).sum() + (stretch - 1) ** 2 * variance.sum()
    tenth = [int(size) for size in np.linspace(clips / 10, clips, 15)]
    found = []
    for seed in range(SETS):
        noise = np.random.default_rng(seed).standard_normal((clips, DIMS))
        features = stretch * np.sqrt(variance) * noise + shift
        found.append(
            (
                frechet(features, reference),
                frechet_extrapolated(features, reference, seed=seed, draws=1),
                frechet_extrapolated(features, reference, seed=seed, sizes=tenth, draws=1),
            )
        )
    error, spread = np.mean(found, axis=0) - true, np.std(found, axis=0, ddof=1)
    each = "".join(f"{e:+10.3f} ± {s:6.3f}" for e, s in zip(error, spread, strict=True))
    print(f"{clips:5,} clips   {spectrum:<5} true {true:7.3f}   {each}")


if __name__ == "__main__":
    for n in (100, 2_000):
        speed(n)
    print(f"\nerror (mean ± sd of {SETS} sets)          as it is     from a half     from a tenth")
    for n in (100, 1_000):
        for name in SPECTRA:
            bias(n, name)
