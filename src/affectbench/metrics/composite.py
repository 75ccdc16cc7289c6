"""S_MTL, the score of ExVo MultiTask: the harmonic mean of emotion, country and age.

    S_MTL = 3 / (1 / C + 1 / U + MAE)        C mean CCC, U UAR of the country, MAE of the age

The paper prints M for the third term; only M = 1 / MAE gives its numbers: a CCC of .416, a UAR of
.506 and an MAE of 4.22 years make .349, with M = MAE they would make .650. The unit of the age
counts: it is years.

``official`` is what the ExVo 2022 code computes: the mean of rounded official CCCs, the UAR over
the union of classes, the result rounded to 4 decimals; where a term is negative it is undefined.
``sound`` takes population CCCs and the UAR over the classes of the truth; it is 0 where C or U is
0 or less, since no positive term can make up for one that is not, and undefined (NaN) only where a
term is. An age without error counts as 1 / MAE without limit, and leaves 3 / (1 / C + 1 / U).
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affectbench.errors import BadData, UnknownName
from affectbench.metrics.agreement import CCC_OFFICIAL, CCC_POPULATION
from affectbench.metrics.classification import UAR_TRUTH, UAR_UNION
from affectbench.metrics.error import MAE
from affectbench.types import Floats, Metric


def s_mtl(mean_ccc: float, uar: float, mae: float, *, variant: str = "sound") -> float:
    """S_MTL of its three parts.

    Args:
        mean_ccc: mean CCC over the ten emotions, -1..1.
        uar: unweighted average recall of the country, 0..1.
        mae: mean absolute error of the age in years, 0 or more.
        variant: ``sound`` or ``official``; see the head of this module.

    Returns:
        A value of 0 or more; 1.5 at most, with an age without error. NaN where a part is NaN, and
        in ``official`` where ``mean_ccc`` or ``uar`` is negative.

    Raises:
        BadData: ``mae`` is negative; a negated or inverted error was handed in.
        UnknownName: there is no such variant.
    """
    if variant not in _COMBINE:
        raise UnknownName(
            f"No S_MTL variant is called '{variant}'. There are: {', '.join(_COMBINE)}."
        )
    if mae < 0:
        raise BadData(f"The MAE is {mae}; expected 0 or more, in years, neither negated nor 1/MAE.")
    return float(_COMBINE[variant](np.array([mean_ccc, uar, mae])))


def _sound(values: Floats) -> Floats:
    """[..., 3] to [...]; 0 where the CCC or the UAR is not above 0."""
    agreement, recall, error = np.moveaxis(values, -1, 0)
    with np.errstate(all="ignore"):  # 1 / 0 is infinite, and 3 / infinity is 0
        value = 3 / (1 / agreement + 1 / recall + error)
    none = (agreement <= 0) | (recall <= 0)
    return np.where(np.isnan(values).any(axis=-1), np.nan, np.where(none, 0.0, value))


def _official(values: Floats) -> Floats:
    """[..., 3] to [...]: ``scipy.stats.hmean`` of C, U and 1 / MAE, rounded to 4 decimals.

    The routine gives 0 where a term is 0, NaN where one is negative or NaN.
    """
    with np.errstate(all="ignore"):  # 1 / 0 is infinite, and 3 / infinity is 0
        terms = np.concatenate([values[..., :2], 1 / values[..., 2:]], axis=-1)
        value = 3 / (1 / np.abs(terms)).sum(axis=-1)  # abs: -0.0 is a zero like any other
    undefined = (np.isnan(terms) | (terms < 0)).any(axis=-1)
    return np.where(undefined, np.nan, np.round(value, 4))


def _resampled(
    truth: tuple[NDArray[Any], ...],
    prediction: tuple[NDArray[Any], ...],
    group: NDArray[np.intp],
    counts: NDArray[Any],
    outputs: tuple[int, ...],
    *,
    parts: tuple[Metric, ...],
) -> Floats:
    """The combined value of each part in each draw, [B, 3]."""
    each = _each(parts, truth, prediction, outputs)
    return np.stack(
        [part.combine(part.resampled(x, y, group, counts, c)) for part, x, y, c in each], axis=-1
    )


def _compute(
    truth: tuple[NDArray[Any], ...],
    prediction: tuple[NDArray[Any], ...],
    outputs: tuple[int, ...],
    *,
    parts: tuple[Metric, ...],
) -> Floats:
    """The combined value of each part, [3]."""
    each = _each(parts, truth, prediction, outputs)
    return np.array([float(part.combine(part.compute(x, y, c))) for part, x, y, c in each])


def _each(
    parts: tuple[Metric, ...],
    truth: tuple[NDArray[Any], ...],
    prediction: tuple[NDArray[Any], ...],
    outputs: tuple[int, ...],
) -> list[tuple[Metric, NDArray[Any], NDArray[Any], int]]:
    """Each part with its truth, prediction and C, all of the same clips."""
    given = (len(truth), len(prediction), len(outputs))
    if set(given) != {len(parts)}:
        raise BadData(
            f"Truth, prediction and outputs hold {given} parts; expected {len(parts)} each: "
            f"{', '.join(part.key for part in parts)}."
        )
    clips = {len(array) for array in truth}
    if len(clips) > 1:
        raise BadData(
            f"The parts have {' and '.join(f'{n:,}' for n in sorted(clips))} clips; "
            "expected the same clips in all of them."
        )
    return list(zip(parts, truth, prediction, outputs, strict=True))


def _s_mtl(variant: str, parts: tuple[Metric, ...], source: str, about: str) -> Metric:
    return Metric(
        name="s_mtl",
        variant=variant,
        kind="composite",
        compute=partial(_compute, parts=parts),
        resampled=partial(_resampled, parts=parts),
        combine=_COMBINE[variant],
        low=0.0,
        high=1.5,
        source=source,
        about=f"3 / (1 / C + 1 / U + MAE) of mean CCC, UAR and MAE in years: {about}",
        parts=parts,
    )


EXVO: Final = "ExVo 2022 (arXiv:2205.01780), equation 1 of the workshop paper"
_COMBINE: Final = {"sound": _sound, "official": _official}
S_MTL_SOUND: Final = _s_mtl(
    "sound", (CCC_POPULATION, UAR_TRUTH, MAE), EXVO, "0 where C or U is not above 0"
)
S_MTL_OFFICIAL: Final = _s_mtl(
    "official",
    (CCC_OFFICIAL, UAR_UNION, MAE),
    f"{EXVO}, as its code computes it",
    "of official CCCs, rounded to 4 decimals, undefined where C is negative",
)
