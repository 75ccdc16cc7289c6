"""Distances between two sets of clips in a feature space: Fréchet (FID) and kernel (KID).

    FID = |m1 - m2|² + tr S1 + tr S2 - 2 tr (S1 S2)^½        means m and covariances S of features

It is the distance of two Gaussians (Heusel et al. 2017, arXiv:1706.08500; equation 2 of the
workshop paper). It depends on the feature space: two values compare only where both were made
with the same features and the same reference. It also depends on the number of clips: few clips
make it too large, far too large where they are fewer than the dimensions. ExVo Generate takes
100 clips an emotion in 256 dimensions, where the covariance cannot even be of full rank. So:

    frechet               the distance of the two sets as they are
    frechet_extrapolated  an estimate of what it would be with clips without end (FID-infinity)
    kernel_distance       another distance (KID), whose mean does not depend on the number of clips

``sound`` takes the trace from the singular values of R1ᵀ R2, where S = R Rᵀ, which are the roots
of the eigenvalues of R1ᵀ S2 R1: real and never negative, whatever the rank. ``official`` is what
the ExVo 2022 code computes: ``scipy.linalg.sqrtm`` of S1 S2, with 1e-6 added to both diagonals
where that root is not finite; it can fall below 0 by rounding.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from affectbench.errors import BadData, UnknownName
from affectbench.metrics.columns import numbers
from affectbench.types import Floats

OFFICIAL_EPSILON: Final = 1e-6  # added to the diagonals where the root is not finite
OFFICIAL_IMAGINARY: Final = 1e-3  # the largest imaginary part that is dropped
ASYMMETRY: Final = 1e-6  # of a covariance, beside its largest entry; float32 keeps it
NEGATIVE: Final = 1e-5  # eigenvalue of a covariance, beside its largest; float32 keeps it
# Features and moments beyond these are no measurements; within them nothing overflows.
LARGEST_FEATURE: Final = 1e30
LARGEST_MOMENT: Final = 1e100
SIZES: Final = 10  # subset sizes of the extrapolation, from half of the clips to all
ROWS_AT_ONCE: Final = 1024  # rows of a kernel matrix held at a time


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Mean and covariance of the features of a set of clips: all that the Fréchet distance needs.

    Both become float64.

    Raises:
        BadData: the shapes do not fit, a value of two or more clips is not finite, or the
            covariance is not symmetric.
    """

    mean: Floats  # [D]; NaN where there is no clip
    covariance: Floats  # [D, D], over N - 1; NaN where there are fewer than two clips
    clips: int | None = None  # N; None where it is not known, as of published statistics

    def __post_init__(self) -> None:
        mean, covariance = numbers(self.mean, "mean"), numbers(self.covariance, "covariance")
        if mean.ndim != 1 or not len(mean) or covariance.shape != (len(mean), len(mean)):
            raise BadData(
                f"Moments have a mean of the shape {mean.shape} and a covariance of the shape "
                f"{covariance.shape}; expected [D] and [D, D]."
            )
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "covariance", covariance)
        if not self.known:
            return
        if not all((np.abs(values) <= LARGEST_MOMENT).all() for values in (mean, covariance)):
            raise BadData(
                f"Moments hold values that are NaN or above {LARGEST_MOMENT:g}; expected finite "
                "ones. Compute them again with moments()."
            )
        if np.abs(covariance - covariance.T).max() > ASYMMETRY * np.abs(covariance).max():
            raise BadData("A covariance is not symmetric; expected one made by moments().")

    @property
    def known(self) -> bool:
        """Whether there are clips enough for a covariance: two."""
        return self.clips is None or self.clips >= 2


def moments(features: ArrayLike) -> Moments:
    """Mean and covariance of features, in float64.

    Args:
        features: [N, D], one row a clip.

    Returns:
        The covariance over N - 1, as ``numpy.cov``. NaN where it is undefined: the covariance of
        fewer than two clips, the mean of none.

    Raises:
        BadData: not a matrix of finite numbers.
    """
    x = _features(features)
    clips, dims = x.shape
    if clips < 2:
        mean = x[0] if clips else np.full(dims, np.nan)
        return Moments(mean, np.full((dims, dims), np.nan), clips)
    return Moments(x.mean(axis=0), np.cov(x, rowvar=False).reshape(dims, dims), clips)


def frechet(one: ArrayLike | Moments, two: ArrayLike | Moments, *, variant: str = "sound") -> float:
    """Fréchet distance (FID) of two sets of clips.

    Args:
        one: [N, D] features or their moments.
        two: [M, D] features or their moments.
        variant: ``sound`` or ``official``; see the head of this module.

    Returns:
        A squared distance in the unit of the features squared. ``sound`` is 0 or more and 0 for
        equal moments; ``official`` can be negative by rounding. NaN where it is undefined: a set
        of fewer than two clips; in ``official`` also a root that is not finite either way.

    Raises:
        BadData: features or moments that cannot be used, or of different D; in ``official`` also
            a root whose diagonal has an imaginary part above 1e-3, as the ExVo 2022 code raises.
        UnknownName: there is no such variant.
    """
    if variant not in _DISTANCE:
        raise UnknownName(
            f"No variant of the Fréchet distance is called '{variant}'. "
            f"There are: {', '.join(_DISTANCE)}."
        )
    first, second = _moments_of(one), _moments_of(two)
    _same_dims(len(first.mean), len(second.mean))
    if not (first.known and second.known):
        return float("nan")
    return _DISTANCE[variant](first, second)


def frechet_extrapolated(
    features: ArrayLike,
    reference: ArrayLike | Moments,
    *,
    seed: int | np.random.Generator,
    sizes: Sequence[int] | None = None,
    draws: int = 5,
) -> float:
    """Fréchet distance to a reference as if there were clips without end (FID-infinity).

    The distance is too large by an amount that falls as 1 / N once there are clearly more clips
    than dimensions that matter. A line is fitted to the distance of random subsets against
    1 / size; where it meets 0 is the estimate. It needs N well above the number of dimensions
    with a share in the variance. With fewer clips the curve is steeper than 1 / N and only a part
    of the excess goes; ``benchmarks/frechet.py`` prints how much at 100 clips.

    Args:
        features: [N, D]. The extrapolation is over these clips only.
        reference: [M, D] features or their moments, taken as the truth: what their own finite
            number adds stays in.
        seed: of the subsets.
        sizes: of the subsets, each 2..N; ten from N / 2 to N where not given.
        draws: subsets of each size, drawn without replacement; their distances are averaged.

    Returns:
        An estimate in the unit of the features squared. It is not bounded below: near a distance
        of 0 it can be negative. NaN where it is undefined: fewer than four clips, or a reference
        of fewer than two.

    Raises:
        BadData: as ``frechet``; or sizes that are out of range or fewer than two.

    Source: Chong & Forsyth 2020, arXiv:1911.07023, who fit 15 sizes from a tenth of 50,000
    images to all. With few clips a tenth of them is too few; half leaves less of the excess in
    most of the cases of ``benchmarks/frechet.py``.
    """
    x, target = _features(features), _moments_of(reference)
    clips, dims = x.shape
    _same_dims(dims, len(target.mean))
    if draws < 1:
        raise BadData(f"draws is {draws}; expected 1 or more.")
    if clips < 4 or not target.known:
        return float("nan")
    if sizes is None:
        sizes = [int(size) for size in np.rint(np.linspace(clips / 2, clips, SIZES))]
    chosen = sorted(set(sizes))
    if len(chosen) < 2 or chosen[0] < 2 or chosen[-1] > clips:
        raise BadData(
            f"The subset sizes are {list(sizes)}; expected at least two different ones in "
            f"2..{clips}, the number of clips."
        )
    rng, root = np.random.default_rng(seed), _root(target.covariance)
    distance = []
    for size in chosen:
        subsets = [rng.permutation(clips)[:size] for _ in range(draws if size < clips else 1)]
        each = [_mean_and_root(x[rows]) for rows in subsets]
        distance.append(np.mean([_distance(m - target.mean, r, root) for m, r in each]))
    return float(np.polynomial.polynomial.polyfit(1 / np.array(chosen), distance, 1)[0])


def kernel_distance(one: ArrayLike, two: ArrayLike) -> float:
    """Kernel distance (KID): squared maximum mean discrepancy, unbiased, of a cubic kernel.

        k(x, y) = (x · y / D + 1)³
        KID = mean k(x, x') + mean k(y, y') - 2 mean k(x, y)        x' another clip than x

    Unlike the Fréchet distance it has no bias from the number of clips, and needs no covariance.

    Args:
        one: [N, D] features.
        two: [M, D] features.

    Returns:
        An estimate that is 0 on average for two sets of one kind, so that it can be negative. NaN
        where it is undefined: fewer than two clips in either.

    Raises:
        BadData: not matrices of finite numbers, or of different D.

    Source: Bińkowski et al. 2018, arXiv:1801.01401. They average over subsets of 1,000 clips to
    save memory; here all pairs are taken, which has the same mean and varies less.
    """
    x, y = _features(one), _features(two)
    _same_dims(x.shape[1], y.shape[1])
    n, m = len(x), len(y)
    if n < 2 or m < 2:
        return float("nan")
    within_x = _kernel_sum(x, x) - _cubic((x * x).sum(axis=1), x.shape[1]).sum()
    within_y = _kernel_sum(y, y) - _cubic((y * y).sum(axis=1), y.shape[1]).sum()
    between = _kernel_sum(x, y) / (n * m)
    return float(within_x / (n * (n - 1)) + within_y / (m * (m - 1)) - 2 * between)


def _cubic(products: Floats, dims: int) -> Floats:
    return np.asarray((products / dims + 1) ** 3)


def _kernel_sum(x: Floats, y: Floats) -> float:
    """Sum of the kernel over all pairs, in blocks of rows."""
    starts = range(0, len(x), ROWS_AT_ONCE)
    return sum(float(_cubic(x[i : i + ROWS_AT_ONCE] @ y.T, x.shape[1]).sum()) for i in starts)


def _sound(one: Moments, two: Moments) -> float:
    distance = _distance(one.mean - two.mean, _root(one.covariance), _root(two.covariance))
    return max(0.0, distance)


def _distance(gap: Floats, one: Floats, two: Floats) -> float:
    """|gap|² and the distance of two covariances, given as roots [D, R1] and [D, R2]."""
    overlap = np.linalg.svd(one.T @ two, compute_uv=False).sum()
    return float((gap**2).sum() + (one**2).sum() + (two**2).sum() - 2 * overlap)


def _root(covariance: Floats) -> Floats:
    """[D, D] to R, [D, rank], with R Rᵀ the covariance; eigenvalues that are rounding are left out.

    A zero eigenvalue comes out as some 1e-16, and its root would be 1e-8.
    """
    values, vectors = np.linalg.eigh(covariance)
    if values[0] < -NEGATIVE * np.abs(values).max():
        raise BadData(
            "A covariance has a negative eigenvalue; expected one made by moments() from features."
        )
    kept = values > values[-1] * len(values) * np.finfo(np.float64).eps
    return np.asarray(vectors[:, kept] * np.sqrt(values[kept]))


def _mean_and_root(x: Floats) -> tuple[Floats, Floats]:
    """Of rows [N, D], without the covariance: the mean [D] and a root [D, min(N, D)]."""
    mean = x.mean(axis=0)
    triangle = np.linalg.qr((x - mean) / np.sqrt(len(x) - 1), mode="r")
    return mean, np.asarray(triangle).T


def _official(one: Moments, two: Moments) -> float:
    """The steps of the ExVo 2022 code, in their order."""
    from scipy.linalg import LinAlgWarning, sqrtm

    s1, s2 = one.covariance, two.covariance
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LinAlgWarning)  # singular: the rule with few clips
        root = sqrtm(s1 @ s2)
        if not np.isfinite(root).all():
            offset = OFFICIAL_EPSILON * np.eye(len(s1))
            root = sqrtm((s1 + offset) @ (s2 + offset))
    diagonal = np.diagonal(root)
    if np.iscomplexobj(root) and not (np.abs(diagonal.imag) <= OFFICIAL_IMAGINARY).all():
        raise BadData(
            "The matrix root of the official Fréchet distance has an imaginary part of "
            f"{np.abs(diagonal.imag).max():.3g}; expected {OFFICIAL_IMAGINARY} at most. "
            "Use the variant 'sound', which has no such part."
        )
    gap = one.mean - two.mean
    return float(gap @ gap + np.trace(s1) + np.trace(s2) - 2 * diagonal.real.sum())


_DISTANCE: Final = {"sound": _sound, "official": _official}


def _features(features: ArrayLike) -> Floats:
    """[N, D] in float64, finite, D at least 1."""
    x = numbers(features, "set of features")
    if x.ndim != 2 or not x.shape[1]:
        raise BadData(f"Features have the shape {x.shape}; expected [N, D], one row a clip.")
    bad = int((~(np.abs(x) <= LARGEST_FEATURE)).any(axis=1).sum())
    if bad:
        raise BadData(
            f"The features of {bad:,} of {len(x):,} clips are NaN, infinite or above "
            f"{LARGEST_FEATURE:g}; expected finite numbers. Extract them again, or leave these "
            "clips out."
        )
    return x


def _moments_of(value: ArrayLike | Moments) -> Moments:
    return value if isinstance(value, Moments) else moments(value)


def _same_dims(one: int, two: int) -> None:
    if one != two:
        raise BadData(
            f"One set has {one:,} features a clip and the other {two:,}; expected the same "
            "features in both."
        )
