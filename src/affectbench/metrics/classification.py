"""Unweighted average recall (UAR), in the two readings that differ when classes are missing.

Accuracy, the share of clips that are right, stands beside it: it is what a majority class wins.

``truth`` averages over the classes that occur in the truth. ``union`` averages over the classes
that occur in the truth or among the predictions, as scikit-learn's ``recall_score`` with
``average="macro"`` does: a class that is only predicted counts as a recall of 0.
"""

from __future__ import annotations

from functools import partial
from math import isnan
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectbench.errors import BadData, UnknownName, listing
from affectbench.metrics.resampling import drawn_sums, of_all_clips
from affectbench.types import Floats, Metric


def uar(truth: ArrayLike, prediction: ArrayLike, *, variant: str = "truth") -> float:
    """Unweighted average recall of label arrays.

    Args:
        truth: [N] labels: strings or integers, none missing.
        prediction: [N] labels of the same kind.
        variant: ``truth`` or ``union``; see the head of this module.

    Returns:
        A value in 0..1; NaN where there is no clip.

    Raises:
        BadData: shapes differ, a label is missing, or one holds text and the other numbers.
        UnknownName: there is no such variant.
    """
    metrics = {metric.variant: metric for metric in (UAR_TRUTH, UAR_UNION)}
    if variant not in metrics:
        raise UnknownName(f"No UAR variant is called '{variant}'. There are: {', '.join(metrics)}.")
    return _of_labels(metrics[variant], truth, prediction)


def accuracy(truth: ArrayLike, prediction: ArrayLike) -> float:
    """Share of the clips whose class is right; arguments and errors as ``uar``.

    Returns:
        A value in 0..1; NaN where there is no clip.
    """
    return _of_labels(ACCURACY, truth, prediction)


def _of_labels(metric: Metric, truth: ArrayLike, prediction: ArrayLike) -> float:
    """The combined value of a metric of label arrays."""
    x, y = _labels(truth, "truth"), _labels(prediction, "prediction")
    if x.shape != y.shape:
        raise BadData(f"{len(x):,} true labels and {len(y):,} predicted ones; expected as many.")
    if not len(x):
        return float("nan")
    if (x.dtype.kind == "U") != (y.dtype.kind == "U"):
        raise BadData(
            f"The truth holds {x.dtype} and the prediction {y.dtype}; expected labels of one kind. "
            "Decode class indices into names, or encode the names."
        )
    classes, codes = np.unique(np.concatenate([x, y]), return_inverse=True)
    values = metric.compute(codes[: len(x)], codes[len(x) :], len(classes))
    return float(metric.combine(values))


def _labels(labels: ArrayLike, what: str) -> NDArray[Any]:
    """Labels as a vector of text or integers."""
    # a list as it is: NumPy would make the text "nan" of a NaN among names
    array = np.asarray(labels, dtype=object if isinstance(labels, list | tuple) else None)
    if array.ndim != 1:
        raise BadData(f"The {what} has the shape {array.shape}; expected a vector [N] of labels.")
    if array.dtype.kind in "OT":
        missing = sum(
            label is None or (isinstance(label, float) and isnan(label)) for label in array
        )
        if missing:
            raise BadData(f"The {what} lacks {missing:,} labels; leave those clips out of both.")
        array = np.array(array.tolist())
    if len(array) and array.dtype.kind not in "Uiub":
        raise BadData(
            f"The {what} holds {array.dtype}; expected labels as text or integers, none missing."
        )
    return array


def _codes(labels: NDArray[Any], outputs: int) -> NDArray[np.intp]:
    """Class indices [N], all in 0..C-1."""
    if labels.ndim != 1 or labels.dtype.kind not in "iub":
        raise BadData(
            f"Classes have the shape {labels.shape} and the type {labels.dtype}; "
            "expected [N] integer class indices."
        )
    outside = labels[(labels < 0) | (labels >= outputs)]
    if len(outside):
        raise BadData(
            f"Class indices {listing(np.unique(outside).tolist())} are outside 0..{outputs - 1}."
        )
    return labels.astype(np.intp)


def _tallied(
    truth: NDArray[Any],
    prediction: NDArray[Any],
    group: NDArray[np.intp],
    counts: NDArray[Any],
    outputs: int,
) -> tuple[Floats, Floats, Floats]:
    """Hits, true and predicted clips of each class in each draw, [B, C] each."""
    if truth.shape != prediction.shape:
        raise BadData(
            f"The truth has the shape {truth.shape} and the prediction {prediction.shape}; "
            "expected the same clips in both."
        )
    classes = np.arange(outputs)
    true = _codes(truth, outputs)[:, None] == classes
    predicted = _codes(prediction, outputs)[:, None] == classes
    hits, occurs, named = drawn_sums(group, counts, true & predicted, true, predicted)
    return hits, occurs, named


def _recalls(*call: Any, union: bool) -> Floats:
    """Recall of each class in each draw, [B, C]; NaN for a class that is not averaged over."""
    hits, occurs, named = _tallied(*call)
    counted = (occurs > 0) | (named > 0) if union else occurs > 0
    return np.where(counted, hits / np.maximum(occurs, 1), np.nan)


def _shares(*call: Any) -> Floats:
    """Share of all clips of a draw that are of a class and right, [B, C]: they sum to accuracy."""
    hits, occurs, _ = _tallied(*call)
    clips = occurs.sum(axis=1, keepdims=True)
    return np.where(clips > 0, hits / np.maximum(clips, 1), np.nan)


def _mean_of_defined(values: Floats) -> Floats:
    """Mean over the classes that have a value, NaN where none has: [..., C] to [...]."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=-1)
    total = np.where(defined, values, 0.0).sum(axis=-1)
    return np.asarray(np.where(count, total / np.maximum(count, 1), np.nan))


def _sum(values: Floats) -> Floats:
    """Sum over the classes: [..., C] to [...]."""
    return np.asarray(values.sum(axis=-1))


def _row(name: str, variant: str, resampled: Any, combine: Any, source: str, about: str) -> Metric:
    return Metric(
        name=name,
        variant=variant,
        kind="classification",
        compute=of_all_clips(resampled),
        resampled=resampled,
        combine=combine,
        low=0.0,
        high=1.0,
        source=source,
        about=about,
    )


UAR_TRUTH: Final = _row(
    "uar",
    "truth",
    partial(_recalls, union=False),
    _mean_of_defined,
    "Schuller et al. 2009, The INTERSPEECH 2009 Emotion Challenge: mean recall per class",
    "mean of the recalls of the classes that occur in the truth",
)
UAR_UNION: Final = _row(
    "uar",
    "union",
    partial(_recalls, union=True),
    _mean_of_defined,
    'scikit-learn recall_score(average="macro"), as A-VB 2022 (arXiv:2207.03572) uses it',
    "mean of the recalls of the classes that occur in the truth or among the predictions: one "
    "that is only predicted counts as 0",
)
ACCURACY: Final = _row(
    "accuracy",
    "share",
    _shares,
    _sum,
    'scikit-learn accuracy_score; "weighted accuracy" in older work on emotion',
    "share of all clips whose class is right; the values of the classes sum to it",
)
