"""The best score that anything can reach on a twin, on average: what the oracle gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affectbench.corpora.twin.latent import Latent, Ratings
from affectbench.types import Floats

DRAWS: Final = 200
HOW: Final = (
    "An oracle knows every latent variable that shapes the sound (z, sounded kind, country) but "
    "not the rating noise. Regression: p = E[y|z], the mean of {draws} draws of the noise. For any "
    "predictor f(z), cov(f, y) = cov(f, p); at fixed spread it is largest for f linear in p, and "
    "CCC = 2 s sd(p) / (s^2 + var(y)) is largest at s = sd(y). So the oracle predicts "
    "mean(p) + (p - mean(p)) / r with r = sd(p) / sd(y), var(y) = var(p) + E[var(y|z)], and is "
    "scored on the labels as written: population CCC, mean over columns. Type: "
    "argmax P(c|z, kind) / P(c), the Bayes rule for mean recall over the classes in the truth. "
    "ExVo FewShot: as A-VB High, on all clips. ExVo MultiTask: the oracle knows country and age as "
    "well, so UAR = 1, MAE = 0 and S_MTL = 3 / (1 / CCC + 1); the sound tells them in part alone."
)


def ceilings(
    latent: Latent,
    labels: Mapping[str, NDArray[Any]],
    parts: Mapping[str, NDArray[np.bool_]],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """The oracle's score of each task in each part, as ``ceiling.json`` holds it.

    Args:
        latent: What the oracle is told.
        labels: Written labels [N, C] of high, two and culture, and class indices [N] of type.
        parts: Which clips [N] are in dev and in test.
        rng: Draws the rating noise that is averaged over.
    """
    found: dict[str, Any] = {}
    for name, ratings in latent.ratings.items():
        scores = {
            part: float(np.mean(ccc(labels[name][chosen], oracle(ratings.rows(chosen), rng))))
            for part, chosen in parts.items()
        }
        found[f"avb-{name}"] = {"metric": "ccc.population", **scores}
    prior = latent.type_chance.mean(axis=0)
    guess = np.argmax(latent.type_chance / prior, axis=1)
    scores = {part: mean_recall(labels["type"][c], guess[c]) for part, c in parts.items()}
    found["avb-type"] = {"metric": "uar.truth", **scores}
    high = found["avb-high"]
    found["exvo-fewshot"] = dict(high)
    bound = {part: 3 / (1 / high[part] + 1) for part in parts}
    found["exvo-multitask"] = {"metric": "s_mtl.sound", **bound}
    found["how"] = HOW.format(draws=DRAWS)
    return found


def oracle(ratings: Ratings, rng: np.random.Generator) -> Floats:
    """[N, C]: the function of z with the highest expected CCC. See ``HOW``."""
    mean, variance = expectation(ratings, rng)
    spread = mean.var(axis=0)
    r = np.sqrt(spread / (spread + variance.mean(axis=0)))
    centre = mean.mean(axis=0)
    return np.asarray(centre + (mean - centre) / r)


def expectation(ratings: Ratings, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """E[y|z] and var(y|z), each [N, C], by Monte Carlo over the rating noise."""
    total = np.zeros((len(ratings.logit), ratings.logit[0].size))
    squares = np.zeros_like(total)
    for _ in range(DRAWS):
        drawn = ratings.draw(rng)
        total += drawn
        squares += drawn.astype(float) ** 2
    mean = total / DRAWS
    return mean, (squares - DRAWS * mean**2) / (DRAWS - 1)


def ccc(truth: Floats, prediction: Floats) -> Floats:
    """Population concordance of each column, [C]."""
    gap = truth.mean(axis=0) - prediction.mean(axis=0)
    shared = np.mean((truth - truth.mean(axis=0)) * (prediction - prediction.mean(axis=0)), axis=0)
    return np.asarray(2 * shared / (truth.var(axis=0) + prediction.var(axis=0) + gap**2))


def mean_recall(truth: NDArray[np.intp], guess: NDArray[np.intp]) -> float:
    """Mean recall over the classes that are in ``truth``."""
    return float(np.mean([np.mean(guess[truth == c] == c) for c in np.unique(truth)]))
