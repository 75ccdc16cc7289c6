"""What listeners say of generated clips: HEEP, and S_GEN, the score of ExVo Generate.

HEEP is Pearson's correlation of what was meant and what was heard: of a target matrix T [N, C],
1 for the emotion that a clip was made for and 0 elsewhere, and a rating matrix H [N, C], the mean
intensity that listeners gave each clip for each emotion, 0..1. Equation 3 of the workshop paper
defines one number over both matrices; equation 4 then uses one an emotion, HEEP_e, and the code
of neither was published. The readings are:

    matrix  all N C cells of both, flattened: equation 3 as printed, one number
    column  column e of both: do clips meant as e get a higher e than the other clips?
    row     the cells of the clips meant as e: do these clips get a higher e than other emotions?
    means   the mean ratings of each target emotion, C by C, against the identity matrix: the
            wording of the ExVo 2022 repository, one number

S_GEN of an emotion is the mean of its inverted Fréchet distance and its HEEP:

    S_GEN_e = (1 / FID_e + HEEP_e) / 2

It has no upper bound: as FID falls to 0 it grows without limit. Over the emotions ``mean`` takes
those that have a value. ``published`` counts an emotion without a value as 0, as Table 6b does
with Triumph, for which the baseline made no clip: its ten numbers have the mean .1725 (the paper
and the repository print .174), the nine that were made have .1917.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectbench.errors import BadData, UnknownName
from affectbench.metrics.columns import numbers
from affectbench.metrics.correlation import pearson, pearson_per_column
from affectbench.types import Floats, Metric


def target_matrix(meant: ArrayLike, outputs: int) -> Floats:
    """T, [N, C]: a 1 in the column of the emotion that a clip was made for.

    Args:
        meant: [N] indices of the emotions, in 0..C-1.
        outputs: C.

    Raises:
        BadData: not a vector of such indices.
    """
    index = np.asarray(meant)
    whole = index.ndim == 1 and (np.issubdtype(index.dtype, np.integer) or not len(index))
    if not whole or ((index < 0) | (index >= outputs)).any():
        raise BadData(
            f"The emotions that clips were made for are not a vector of whole numbers in "
            f"0..{outputs - 1}; expected one index a clip."
        )
    return np.asarray(np.eye(outputs)[index.astype(np.intp)])


def heep(target: ArrayLike, rating: ArrayLike, *, variant: str = "matrix") -> Floats:
    """HEEP: how well the emotion that was heard follows the one that was meant.

    Args:
        target: [N, C], one 1 in each row and else 0; see ``target_matrix``.
        rating: [N, C] mean intensity over the raters of a clip, 0..1. Which raters are averaged,
            and what is done where one gave no rating, is up to the caller.
        variant: ``matrix``, ``column``, ``row`` or ``means``; see the head of this module.

    Returns:
        Values in -1..1: [C] for ``column`` and ``row``, else one number (an array of no
        dimension). NaN where it is undefined: no clip was meant as the emotion, the ratings that
        are compared are all the same, or in ``column`` all clips were meant as one emotion.
        ``means`` leaves out the rows of emotions that no clip was meant as.

    Raises:
        BadData: matrices of other shapes, a target that is not such a matrix, ratings that are
            NaN or outside 0..1.
        UnknownName: there is no such variant.

    Source: ExVo 2022 (arXiv:2205.01780); equation 3 of the workshop paper (arXiv:2403.14048).
    """
    if variant not in _READINGS:
        raise UnknownName(
            f"No HEEP variant is called '{variant}'. There are: {', '.join(_READINGS)}."
        )
    meant, heard = _matrices(target, rating)
    return _READINGS[variant](meant, heard)


def s_gen(frechet: ArrayLike, heep: ArrayLike, *, variant: str = "mean") -> float:
    """S_GEN over the emotions.

    Args:
        frechet: [C] Fréchet distance of each emotion; NaN where there is none.
        heep: [C] HEEP of each emotion, or one number for all; NaN where there is none.
        variant: ``mean`` or ``published``; see the head of this module.

    Returns:
        A value of -0.5 or more, without upper bound, infinite at a distance of 0. NaN where no
        emotion has a value.

    Raises:
        BadData: as ``s_gen_per_emotion``, or several rows.
        UnknownName: there is no such variant.
    """
    if variant not in _COMBINE:
        raise UnknownName(
            f"No S_GEN variant is called '{variant}'. There are: {', '.join(_COMBINE)}."
        )
    values = s_gen_per_emotion(frechet, heep)
    if values.ndim != 1:
        raise BadData(
            f"The distances have the shape {values.shape}; expected a vector [C]. "
            "For several rows use s_gen_per_emotion."
        )
    return float(_COMBINE[variant](values))


def s_gen_per_emotion(frechet: ArrayLike, heep: ArrayLike) -> Floats:
    """S_GEN of each emotion, (1 / FID + HEEP) / 2: [..., C] and [..., C] to [..., C].

    ``heep`` may also be one number for all emotions. NaN where either is; infinite at a distance
    of 0.

    Raises:
        BadData: other shapes, a distance below 0, or a HEEP outside -1..1.

    Source: equation 4 of the workshop paper (arXiv:2403.14048).
    """
    distance, agreement = numbers(frechet, "list of distances"), numbers(heep, "list of HEEPs")
    if distance.shape[-1:] in {(), (0,)} or agreement.shape not in {distance.shape, ()}:
        raise BadData(
            f"The Fréchet distances have the shape {distance.shape} and the HEEPs "
            f"{agreement.shape}; expected the same [..., C] in both, or one HEEP for all."
        )
    below = int((distance < 0).sum())
    if below:
        raise BadData(
            f"{below} of {distance.size} Fréchet distances are below 0; expected 0 or more. "
            "An extrapolated or official one can be, near 0; take the sound one of frechet()."
        )
    outside = int((np.abs(agreement) > 1).sum())
    if outside:
        raise BadData(
            f"{outside} of {agreement.size} HEEPs are outside -1..1; expected correlations."
        )
    with np.errstate(divide="ignore"):  # 1 / 0 is infinite, as S_GEN is there
        return np.asarray((1 / np.abs(distance) + agreement) / 2)  # abs: -0.0 is 0


def _matrices(target: ArrayLike, rating: ArrayLike) -> tuple[Floats, Floats]:
    """Both as float64 [N, C], and what they have to be."""
    meant, heard = numbers(target, "target"), numbers(rating, "rating")
    if meant.ndim != 2 or meant.shape != heard.shape:
        raise BadData(
            f"The target has the shape {meant.shape} and the rating {heard.shape}; expected "
            "[N, C] for both."
        )
    single = np.isin(meant, (0, 1)).all(axis=1) & (meant.sum(axis=1) == 1)
    if not single.all():
        raise BadData(
            f"{int((~single).sum()):,} of {len(meant):,} rows of the target are not one 1 and "
            "else 0; expected one emotion a clip, as target_matrix() gives."
        )
    unknown = int(np.isnan(heard).any(axis=1).sum())
    if unknown:
        raise BadData(
            f"The ratings of {unknown:,} of {len(heard):,} clips are missing; expected the mean "
            "over raters of each clip. Leave out of both matrices the clips that nobody rated."
        )
    outside = int(((heard < 0) | (heard > 1)).any(axis=1).sum())
    if outside:
        raise BadData(
            f"The ratings of {outside:,} of {len(heard):,} clips are outside 0..1; expected "
            "intensities in 0..1. Divide ratings of 1 to 100 by 100."
        )
    return meant, heard


def _matrix(meant: Floats, heard: Floats) -> Floats:
    return np.asarray(pearson(meant.ravel(), heard.ravel()))


def _row(meant: Floats, heard: Floats) -> Floats:
    clips = [meant[:, emotion] == 1 for emotion in range(meant.shape[1])]
    return np.array([pearson(meant[rows].ravel(), heard[rows].ravel()) for rows in clips])


def _means(meant: Floats, heard: Floats) -> Floats:
    clips = meant.sum(axis=0)
    made = clips > 0
    mean = (meant.T @ heard)[made] / clips[made, None]
    return np.asarray(pearson(np.eye(len(clips))[made].ravel(), mean.ravel()))


_READINGS: Final = {
    "matrix": _matrix,
    "column": pearson_per_column,
    "row": _row,
    "means": _means,
}


def _over_emotions(values: Floats, *, published: bool) -> Floats:
    """[..., C] to [...]: over the emotions that have a value, or all with 0 for none."""
    known = ~np.isnan(values)
    some = known.sum(axis=-1)
    count = values.shape[-1] if published else np.maximum(some, 1)
    total = np.where(known, values, 0.0).sum(axis=-1)
    return np.where(some > 0, total / count, np.nan)


def _compute(frechet: NDArray[Any], heep: NDArray[Any], outputs: int) -> Floats:
    """S_GEN of each emotion, [..., C]."""
    values = s_gen_per_emotion(frechet, heep)
    if values.shape[-1] != outputs:
        raise BadData(f"There are {values.shape[-1]} Fréchet distances; expected {outputs}.")
    return values


def _resampled(
    frechet: NDArray[Any],
    heep: NDArray[Any],
    group: NDArray[np.intp],
    counts: NDArray[Any],
    outputs: int,
) -> Floats:
    raise BadData(
        "S_GEN cannot be resampled from distances and HEEPs; expected the generated clips, which "
        "affectbench.generation resamples."
    )


def _s_gen(variant: str, source: str, about: str) -> Metric:
    return Metric(
        name="s_gen",
        variant=variant,
        kind="generation",
        compute=_compute,
        resampled=_resampled,
        combine=_COMBINE[variant],
        low=-0.5,
        high=float("inf"),
        source=source,
        about=f"mean over emotions of (1 / FID + HEEP) / 2, {about}",
    )


EXVO: Final = "ExVo 2022 (arXiv:2205.01780), equation 4 of the workshop paper (arXiv:2403.14048)"
_COMBINE: Final = {
    "mean": partial(_over_emotions, published=False),
    "published": partial(_over_emotions, published=True),
}
S_GEN_MEAN: Final = _s_gen("mean", EXVO, "of those that have a value")
S_GEN_PUBLISHED: Final = _s_gen(
    "published", f"{EXVO}, Table 6b", "0 for an emotion without a value"
)
