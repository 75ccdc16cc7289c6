"""Columns of truth and prediction: what every metric of regression is given, and its mean."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectbench.errors import BadData
from affectbench.types import Floats, Metric

# A sum of squares this small beside the squares it was made from is rounding error: it is zero.
ROUNDING: Final = 1e-12


def value_of(metric: Metric, truth: ArrayLike, prediction: ArrayLike) -> float:
    """The value of one output: vectors [N] of a metric of regression.

    Raises:
        BadData: the two are not vectors of numbers of one length.
    """
    x = numbers(truth, "truth")
    if x.ndim != 1:
        raise BadData(
            f"The truth has the shape {x.shape}; expected a vector [N]. "
            f"For several columns use {metric.name}_per_column."
        )
    return float(metric.compute(x, numbers(prediction, "prediction"), 1)[0])


def values_of(metric: Metric, truth: ArrayLike, prediction: ArrayLike) -> Floats:
    """The value of each column: [N, C] and [N, C] to [C]; a vector is one column.

    Raises:
        BadData: the two are not matrices of numbers of one shape.
    """
    x = numbers(truth, "truth")
    if x.ndim not in {1, 2}:
        raise BadData(f"The truth has the shape {x.shape}; expected a matrix [N, C].")
    return metric.compute(x, numbers(prediction, "prediction"), x.shape[1] if x.ndim == 2 else 1)


def numbers(values: ArrayLike, what: str) -> Floats:
    """Values as float64; None and what a masked array hides are NaN.

    Raises:
        BadData: they are no numbers, or rows of different lengths.
    """
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "biufO":  # text and dates would be converted, too
            raise TypeError(array.dtype)
        array = array.astype(np.float64, copy=False)
    except (TypeError, ValueError):
        raise BadData(
            f"The {what} is no array of numbers. Expected numbers in rows of one length, "
            "NaN where one is missing."
        ) from None
    if hasattr(values, "filled"):  # a masked array
        array = np.where(getattr(values, "mask", False), np.nan, array)
    return array


def columns_of(
    truth: NDArray[Any], prediction: NDArray[Any], outputs: int
) -> tuple[Floats, Floats]:
    """Both as float64 [N, C]; a vector is one column.

    Raises:
        BadData: the shapes differ, or are not [N, ``outputs``] with at least one column.
    """
    if truth.shape != prediction.shape:
        raise BadData(
            f"The truth has the shape {truth.shape} and the prediction {prediction.shape}; "
            "expected the same number of clips and columns in both."
        )
    x, y = (
        np.asarray(a[:, None] if a.ndim == 1 else a, dtype=np.float64) for a in (truth, prediction)
    )
    if x.ndim != 2 or x.shape[1] != outputs or not outputs:
        raise BadData(
            f"Truth and prediction have the shape {truth.shape}; expected [N, {outputs or 'C'}]."
        )
    return x, y


def centred(values: Floats, known: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """Columns less their first known value and then their mean, 0 where not known.

    Subtracting a value first makes a constant column exactly zero, and a huge offset harmless.

    Returns:
        The centred columns [N, C], the first values [C] and the means after subtracting them [C].
    """
    first = values[np.argmax(known, axis=0), np.arange(values.shape[1])]
    shifted = np.where(known, values - first, 0.0)
    mean = shifted.sum(axis=0) / known.sum(axis=0)
    return np.where(known, shifted - mean, 0.0), first, mean


def mean_of_columns(values: Floats) -> Floats:
    """Mean over the outputs, NaN where any of them is: [..., C] to [...]."""
    return np.asarray(values.mean(axis=-1))
