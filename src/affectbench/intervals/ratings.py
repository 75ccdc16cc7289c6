"""The ceiling that rating noise puts on a score, where the votes of the raters are counted.

Labels made of a few votes are noisy: another ten raters would have given other shares and
sometimes another majority. Even an oracle that knows what share of all people would choose each
emotion does not score 1 against them. The model: clips are of as many kinds as there are emotions,
the true shares of a kind follow a Dirichlet distribution, and the votes of a clip are multinomial
about its true shares. Given the votes the true shares are again Dirichlet, and draws of them stand
for what the oracle knows; they are scored against the labels.

One Dirichlet for all clips would be simpler and does not fit, since most clips are clearly of one
emotion or another; ``benchmarks/comparisons.py`` shows it by how far two halves of the votes agree.

The fit is by maximum likelihood: expectation and maximisation over the kinds (Dempster et al. 1977,
doi:10.1111/j.2517-6161.1977.tb01600.x), within it the fixed point of Minka 2000 (Estimating a
Dirichlet distribution), whose digamma differences are sums over tails of counts (Sklar 2014,
arXiv:1405.0099).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectbench.errors import AffectBenchError, BadData
from affectbench.types import Floats, Metric

MOST_ROUNDS: Final = 2_000  # of the fit
GAIN: Final = 0.002  # of the log-likelihood: a round that gains less is the last
FITS: Final = 20  # to clips that weigh differently, among which the draws are shared
SMALLEST: Final = 1e-6  # parameter of a Dirichlet: below, a share is 0 in practice
LARGEST: Final = 20.0  # its logarithm: above, all clips have the same shares in practice


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """The score of an oracle that knows the true shares, and what it was computed from."""

    metric: str  # "ccc.population"
    value: float  # mean over the draws; NaN where the metric is undefined
    low: float
    high: float
    level: float  # of the interval: how well the votes tell the true shares, if the model holds
    per_output: tuple[float, ...]  # [K] by emotion
    clips: int  # scored
    unrated: int  # clips without a vote, left out
    tied: int  # clips without one majority, left out of the ceiling of a classification
    votes_per_clip: float  # mean, of the clips with votes
    draws: int


@dataclass(frozen=True, slots=True)
class Kinds:
    """The fitted model: kinds of clips, each with a Dirichlet distribution of true shares."""

    weights: Floats  # [M] the share of the clips that are of each kind
    parameters: Floats  # [M, K] of the Dirichlet; 0 for an emotion without a vote

    def posterior(self, votes: NDArray[Any]) -> Floats:
        """How likely each clip is of each kind given its votes: [N, K] to [N, M]."""
        seen = self.parameters[0] > 0
        joint = _log_joint(votes[:, seen], self.weights, self.parameters[:, seen])
        return _normalised(joint)[0]

    def draw(self, votes: NDArray[Any], posterior: Floats, rng: np.random.Generator) -> Floats:
        """True shares [N, K] given votes [N, K] and what kinds they make likely [N, M]."""
        reached = np.cumsum(posterior, axis=1) > rng.random((len(votes), 1))
        reached[:, -1] = True  # the sum may end a rounding error below 1
        gammas = rng.standard_gamma(votes + self.parameters[reached.argmax(axis=1)])
        return np.asarray(gammas / gammas.sum(axis=1, keepdims=True))


def ceilings(
    metrics: Sequence[Metric],
    votes: ArrayLike,
    *,
    draws: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[Ceiling, ...]:
    """The ceiling of each metric on labels that are shares, or majorities, of counted votes.

    For a metric of regression the labels are the shares of the votes. For one of classification
    they are the emotion with the most votes, and clips where two or more emotions tie for it are
    left out, as they have no label.

    The oracle says the true shares as they are. Shares of few votes vary more than the true ones,
    so that a system that stretches its predictions to their spread can do better by CCC: up to the
    ceiling of Pearson's correlation.

    Args:
        metrics: rows of ``METRICS``, of regression or classification.
        votes: [N, K] how many raters chose each emotion; a row of NaN or zeros is not rated.
        draws: how often the true shares are drawn.
        level: coverage of the interval, between 0 and 1.
        seed: of the draws.

    Returns:
        The mean and the interval of the draws, from the same ones for all metrics. They hold for
        these clips, and for raters like these; nothing is known of raters who misunderstand the
        question together. Intervals at .95 were measured to hold in 80 to 95 % of cases where the
        model holds (``benchmarks/comparisons.py``); where it does not, no interval tells.

    Raises:
        BadData: votes are not whole counts [N, K], no clip has two, or none has a majority.
        AffectBenchError: a metric is of another kind, or ``draws`` or ``level`` is out of range.
    """
    _check_call(metrics, draws, level)
    given = _checked(votes)
    rated = given[given.sum(axis=1) > 0]
    clear = ~_tied(rated)
    if not clear.any() and any(metric.kind == "classification" for metric in metrics):
        raise BadData("Every clip has a tie for the most votes; expected one with a majority.")
    used = [clear if metric.kind == "classification" else clear | True for metric in metrics]
    each = [
        [
            _score(metric, rated[kept], shares[kept])
            for metric, kept in zip(metrics, used, strict=True)
        ]
        for shares in _drawn(rated, draws, np.random.default_rng(seed))
    ]
    return tuple(
        _summary(metric, np.stack(values), given, rated, kept, level)
        for metric, kept, values in zip(metrics, used, zip(*each, strict=True), strict=True)
    )


def _summary(
    metric: Metric,
    each: Floats,
    given: NDArray[Any],
    rated: NDArray[Any],
    kept: NDArray[np.bool_],
    level: float,
) -> Ceiling:
    """The ceiling of one metric from its values in each draw [B, K]."""
    combined = metric.combine(each)
    low, high = np.quantile(combined, ((1 - level) / 2, (1 + level) / 2)).tolist()
    return Ceiling(
        metric=metric.key,
        value=float(combined.mean()),
        low=low,
        high=high,
        level=level,
        per_output=tuple(each.mean(axis=0).tolist()),
        clips=int(kept.sum()),
        unrated=len(given) - len(rated),
        tied=int((~kept).sum()),
        votes_per_clip=float(rated.sum(axis=1).mean()),
        draws=len(each),
    )


def _drawn(votes: NDArray[Any], draws: int, rng: np.random.Generator) -> Iterator[Floats]:
    """True shares [N, K] of clips given their votes [N, K], from several fits of the model.

    Other clips would have given another fit. A fit stands for those where the clips weigh as in
    the Bayesian bootstrap (Rubin 1981, doi:10.1214/aos/1176345338).
    """
    likeliest = fit_votes(votes)
    rows, times = np.unique(votes, axis=0, return_counts=True)
    for share in np.array_split(np.arange(draws), min(FITS, draws)):
        kinds = _fitted(rows, rng.standard_gamma(times), likeliest)
        posterior = kinds.posterior(votes)
        for _ in share:
            yield kinds.draw(votes, posterior, rng)


def fit_votes(votes: NDArray[Any], *, kinds: int | None = None) -> Kinds:
    """The distribution of the true shares of clips, by maximum likelihood.

    Args:
        votes: [N, K] whole counts, at least one a clip.
        kinds: M, one for each emotion that has a vote, or 1: one Dirichlet for all clips.

    Raises:
        BadData: no clip has two votes, so that nothing tells clips that differ from raters that do.
    """
    if not (votes.sum(axis=1) > 1).any():
        raise BadData(
            "No clip has two votes; expected some, since it takes two raters of one clip to tell "
            "how far raters agree."
        )
    rows, times = np.unique(votes, axis=0, return_counts=True)
    seen = votes.any(axis=0)
    smooth = np.where(seen, rows + 0.5, 0)
    smooth /= smooth.sum(axis=1, keepdims=True)
    posterior = smooth[:, seen] ** 2 if kinds is None else np.ones((len(rows), 1))
    posterior /= posterior.sum(axis=1, keepdims=True)
    of_kind = posterior.T * times
    parameters = seen.sum() * (of_kind @ smooth) / of_kind.sum(axis=1, keepdims=True)
    return _fitted(rows, times, Kinds(of_kind.sum(axis=1) / times.sum(), parameters))


def _fitted(rows: NDArray[Any], times: NDArray[Any], start: Kinds) -> Kinds:
    """The likeliest kinds for distinct votes [U, K] that were given so many times [U].

    Two rounds point out a direction, in which the next step leaps if the likelihood allows
    (SQUAREM, Varadhan and Roland 2008, doi:10.1111/j.1467-9469.2007.00585.x).
    """
    seen = start.parameters[0] > 0
    rows = rows[:, seen]
    point = np.column_stack([start.weights, start.parameters[:, seen]])  # [M, 1 + K]
    for _ in range(MOST_ROUNDS):
        once, before = _round(rows, times, point)
        twice, after = _round(rows, times, once)
        leap = _leap(point, once, twice)
        point = twice
        if after - before < GAIN:
            break
        landed, there = _round(rows, times, leap)
        if there >= after:
            point = landed
    found = np.zeros((len(point), len(seen)))
    found[:, seen] = point[:, 1:]
    return Kinds(point[:, 0], found)


def _round(rows: NDArray[Any], times: NDArray[Any], point: Floats) -> tuple[Floats, float]:
    """Weights and parameters [M, 1 + K] that are likelier, and the log-likelihood of the given."""
    weights, parameters = point[:, 0], point[:, 1:]
    posterior, likelihood = _normalised(_log_joint(rows, weights, parameters))
    of_kind = posterior.T * times  # [M, U]
    improved = _improved(rows, of_kind, parameters)
    return np.column_stack([of_kind.sum(axis=1) / times.sum(), improved]), float(likelihood @ times)


def _leap(point: Floats, once: Floats, twice: Floats) -> Floats:
    """Where steps like the last two may lead, on the scale of logarithms; ``twice`` or further."""
    x, x1, x2 = (np.log(np.maximum(each, SMALLEST)) for each in (point, once, twice))
    step, bend = x1 - x, x2 - 2 * x1 + x
    length = max(1.0, float(np.linalg.norm(step)) / max(float(np.linalg.norm(bend)), SMALLEST))
    there = np.exp(np.clip(x + 2 * length * step + length**2 * bend, np.log(SMALLEST), LARGEST))
    there[:, 0] /= there[:, 0].sum()
    return np.asarray(there)


def _improved(rows: NDArray[Any], of_kind: Floats, parameters: Floats) -> Floats:
    """One step of Minka's fixed point for each kind, [M, K]; it never lowers the likelihood.

    Args:
        rows: [U, K] distinct votes.
        of_kind: [M, U] how many clips of each kind have them.
        parameters: [M, K].
    """
    rank = np.arange(int(rows.sum(axis=1).max()))
    grown = np.stack(
        [
            (_more_than(column, of_kind, rank) / (parameters[:, k, None] + rank)).sum(axis=1)
            for k, column in enumerate(rows.T)
        ],
        axis=1,
    )
    totals = _more_than(rows.sum(axis=1), of_kind, rank)
    shrunk = (totals / (parameters.sum(axis=1, keepdims=True) + rank)).sum(axis=1, keepdims=True)
    improved: Floats = np.maximum(parameters * grown / np.maximum(shrunk, SMALLEST), SMALLEST)
    return improved


def _more_than(counts: NDArray[Any], of_kind: Floats, rank: NDArray[Any]) -> Floats:
    """How many clips of each kind have more votes than each of ``rank``: [M, J]."""
    tallied = np.stack(
        [np.bincount(counts, weights=row, minlength=len(rank) + 1) for row in of_kind]
    )
    return np.asarray(np.cumsum(tallied[:, :0:-1], axis=1)[:, ::-1], dtype=np.float64)


def _log_joint(rows: NDArray[Any], weights: Floats, parameters: Floats) -> Floats:
    """Log-probability of a kind and its votes in a given order, [U, M]."""
    rank = np.arange(int(rows.sum(axis=1).max()))

    def rising(start: Floats, counts: NDArray[Any]) -> Floats:
        """Logarithm of start (start + 1) ... (start + counts - 1): [M] and [U] to [U, M]."""
        table = np.cumsum(np.log(start[:, None] + rank), axis=1)
        return np.hstack([np.zeros((len(start), 1)), table])[:, counts].T

    each = [rising(parameters[:, k], column) for k, column in enumerate(rows.T)]
    over = rising(parameters.sum(axis=1), rows.sum(axis=1))
    return np.asarray(np.log(np.maximum(weights, SMALLEST)) + sum(each) - over)


def _normalised(joint: Floats) -> tuple[Floats, Floats]:
    """The posterior of the kinds [U, M] and the log-likelihood of the votes [U]."""
    most = joint.max(axis=1, keepdims=True)
    share = np.exp(joint - most)
    total = share.sum(axis=1, keepdims=True)
    return share / total, (most + np.log(total))[:, 0]


def _check_call(metrics: Sequence[Metric], draws: int, level: float) -> None:
    """What can be wrong with a call whatever the votes."""
    for metric in metrics:
        if metric.kind not in ("regression", "classification"):
            raise AffectBenchError(
                f"{metric.key} is a {metric.kind} metric; votes have a ceiling in metrics of "
                "regression (their shares) and of classification (their majority)."
            )
    if draws < 1 or not 0 < level < 1:
        raise AffectBenchError(
            f"draws is {draws} and level {level}; expected at least 1 draw and 0 < level < 1."
        )


def _checked(votes: ArrayLike) -> NDArray[np.int64]:
    """Votes as whole counts [N, K], rows of NaN as zeros."""
    counts = np.array(votes, dtype=np.float64)
    if counts.ndim != 2 or counts.shape[1] < 2:
        raise BadData(
            f"Votes have the shape {counts.shape}; expected [N, K], one column for each of two or "
            "more emotions."
        )
    counts[np.isnan(counts).all(axis=1)] = 0
    bad = ~(np.isfinite(counts) & (counts >= 0) & (counts == np.round(counts))).all(axis=1)
    if bad.any():
        raise BadData(
            f"{bad.sum():,} of {len(counts):,} clips have votes that are not whole counts of 0 or "
            "more. Multiply shares by the number of raters, and round."
        )
    return counts.astype(np.int64)


def _tied(votes: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether two or more emotions have the most votes, [N]."""
    return np.asarray((votes == votes.max(axis=1, keepdims=True)).sum(axis=1) > 1)


def _score(metric: Metric, votes: NDArray[Any], true_shares: Floats) -> Floats:
    """The metric of the true shares against the labels that the votes make, [K]."""
    if metric.kind == "classification":
        return metric.compute(votes.argmax(axis=1), true_shares.argmax(axis=1), votes.shape[1])
    return metric.compute(votes / votes.sum(axis=1, keepdims=True), true_shares, votes.shape[1])
