"""Unweighted average recall (UAR), in the two readings that differ when classes are missing.

``truth`` averages over the classes that occur in the truth. ``union`` averages over the classes
that occur in the truth or among the predictions, as scikit-learn's ``recall_score`` with
``average="macro"`` does: a class that is only predicted counts as a recall of 0.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectbench.errors import BadData, UnknownName, listing
from affectbench.metrics.resampling import drawn_sums
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
    metric = metrics[variant]
    recalls = metric.compute(codes[: len(x)], codes[len(x) :], len(classes))
    return float(metric.combine(recalls))


def _labels(labels: ArrayLike, what: str) -> NDArray[Any]:
    """Labels as a vector of text or integers."""
    array = np.asarray(labels)
    if array.ndim != 1:
        raise BadData(f"The {what} has the shape {array.shape}; expected a vector [N] of labels.")
    if array.dtype.kind == "O":
        missing = sum(label is None or isinstance(label, float) for label in array)
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


def _resampled(
    truth: NDArray[Any],
    prediction: NDArray[Any],
    group: NDArray[np.intp],
    counts: NDArray[Any],
    outputs: int,
    *,
    union: bool,
) -> Floats:
    """Recall of each class in each draw, [B, C]; NaN for a class that is not averaged over."""
    if truth.shape != prediction.shape:
        raise BadData(
            f"The truth has the shape {truth.shape} and the prediction {prediction.shape}; "
            "expected the same clips in both."
        )
    classes = np.arange(outputs)
    true = _codes(truth, outputs)[:, None] == classes
    predicted = _codes(prediction, outputs)[:, None] == classes
    hits, occurs, named = drawn_sums(group, counts, true & predicted, true, predicted)
    counted = (occurs > 0) | (named > 0) if union else occurs > 0
    return np.where(counted, hits / np.maximum(occurs, 1), np.nan)


def _compute(truth: NDArray[Any], prediction: NDArray[Any], outputs: int, *, union: bool) -> Floats:
    """Recall of each class, [C]: the one draw that takes every clip once."""
    group = np.zeros(len(truth), dtype=np.intp)
    recalls: Floats = _resampled(truth, prediction, group, np.ones((1, 1)), outputs, union=union)[0]
    return recalls


def _mean_of_defined(values: Floats) -> Floats:
    """Mean over the classes that have a value, NaN where none has: [..., C] to [...]."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=-1)
    total = np.where(defined, values, 0.0).sum(axis=-1)
    return np.asarray(np.where(count, total / np.maximum(count, 1), np.nan))


UAR_TRUTH: Final = Metric(
    name="uar",
    variant="truth",
    kind="classification",
    compute=partial(_compute, union=False),
    resampled=partial(_resampled, union=False),
    combine=_mean_of_defined,
    low=0.0,
    high=1.0,
    source="Schuller et al. 2009, The INTERSPEECH 2009 Emotion Challenge: mean recall per class",
)
UAR_UNION: Final = Metric(
    name="uar",
    variant="union",
    kind="classification",
    compute=partial(_compute, union=True),
    resampled=partial(_resampled, union=True),
    combine=_mean_of_defined,
    low=0.0,
    high=1.0,
    source='scikit-learn recall_score(average="macro"), as A-VB 2022 (arXiv:2207.03572) uses it',
)
