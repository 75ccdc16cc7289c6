"""An epoch of the multitask network: eight clips a step, and nearly all weights in one layer.

What a step costs is walking over the first layer, 128 x 6,373 weights for ComParE. A plain loop
does it a dozen times: gradient, its clearing, moments, update, each with room of its own. Here the
gradient of a row of weights is added up and used at once by Adam, and is never stored. That part is
compiled (numba). The layers behind it are small; they are written out, since a framework's
bookkeeping would cost more than they do. Tests hold the steps against PyTorch's autograd and Adam.

All parameters lie in one vector, in the order of ``shapes``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from affectbench.errors import MissingExtra

Floats32 = NDArray[np.floating[Any]]  # float32 throughout; numpy's own types lose it in a division
Layers = Mapping[str, Floats32]
Loss = Literal["bounded", "linear", "classes"]  # numbered so in multitask_loops

BATCH: Final = 8  # clips a step; the first layer is written out for so many
WIDE, MIDDLE, NARROW = 128, 64, 32  # units


@dataclass(frozen=True, slots=True)
class Head:
    """What one target is predicted by: its outputs, and the loss that they are trained with."""

    outputs: int  # C_t
    loss: Loss  # MSE behind a sigmoid, MSE, cross-entropy


def shapes(dim: int, heads: Sequence[Head]) -> dict[str, tuple[int, ...]]:
    """Name and shape of all parameters in their order; the heads' layers lie one on the other."""
    narrow, outputs = len(heads) * NARROW, sum(head.outputs for head in heads)
    return {
        **{"w1": (WIDE, dim), "b1": (WIDE,), "gain1": (WIDE,), "shift1": (WIDE,)},
        **{"w2": (MIDDLE, WIDE), "b2": (MIDDLE,), "gain2": (MIDDLE,), "shift2": (MIDDLE,)},
        **{"w3": (narrow, MIDDLE), "b3": (narrow,)},
        **{"w4": (outputs, NARROW), "b4": (outputs,), "log_variance": (len(heads),)},
    }


def views(flat: Floats32, of: Mapping[str, tuple[int, ...]]) -> dict[str, Floats32]:
    """The parameters of a vector by name; they share its memory."""
    ends = np.cumsum([int(np.prod(shape)) for shape in of.values()])[:-1]
    parts = zip(of.items(), np.split(flat, ends), strict=True)
    return {name: part.reshape(shape) for (name, shape), part in parts}


class Trainer:
    """Adam on all parameters, in place.

    Args:
        theta: [P] parameters; see ``shapes``.
        dim: D.
        heads: in the order of the targets.
        learning_rate: of Adam.
        weight_decay: added to the gradient, as Adam's in PyTorch.

    Raises:
        MissingExtra: numba is not installed.
    """

    def __init__(
        self,
        theta: Floats32,
        dim: int,
        heads: Sequence[Head],
        *,
        learning_rate: float,
        weight_decay: float,
    ) -> None:
        self.heads = tuple(heads)
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.steps = 0
        self._run = loops()
        of = shapes(dim, heads)
        self._rest = WIDE * dim  # where what lies behind w1 begins
        self._grad = np.zeros(theta.size - self._rest, np.float32)
        self._flat = (theta, np.zeros_like(theta), np.zeros_like(theta))
        self._layers, mean, square = (views(flat, of) for flat in self._flat)
        self._first = (self._layers["w1"], mean["w1"], square["w1"])
        self._slopes = views(self._grad, {name: of[name] for name in of if name != "w1"})
        self._x = np.zeros((BATCH, dim), np.float32)
        self._h = np.zeros((BATCH, WIDE), np.float32)
        self._dh = np.zeros((BATCH, WIDE), np.float32)

    def epoch(self, inputs: Floats32, labels: Floats32, order: NDArray[np.intp]) -> float:
        """One step for every eight clips, the last of those that are left.

        Args:
            inputs: [N, D].
            labels: [N, C] of all heads; NaN is left out, classes are one-hot.
            order: [N] the rows as they come.

        Returns:
            The mean loss of a clip, each measured before the step that it was part of; NaN or
            infinite when training has diverged.
        """
        total = 0.0
        with np.errstate(all="ignore"):  # the caller looks at the loss
            for start in range(0, len(order), BATCH):
                rows = order[start : start + BATCH]
                total += self._step(inputs, labels[rows], rows) * len(rows)
        return total / len(order)

    def _step(self, inputs: Floats32, labels: Floats32, rows: NDArray[np.intp]) -> float:
        here = len(rows)
        np.take(inputs, rows, axis=0, out=self._x[:here], mode="clip")
        self._run.first(self._layers["w1"], self._layers["b1"], self._x, self._h)
        loss, dh = gradients(self._h[:here], labels, self._layers, self._slopes, self.heads)
        self._dh[:here], self._dh[here:] = dh, 0  # of rows left from the batch before: no weight
        self.steps += 1
        beta1, beta2 = self._run.BETAS
        rate = (
            np.float32(self.learning_rate / (1 - beta1**self.steps)),
            np.float32(1 / np.sqrt(1 - beta2**self.steps)),
            np.float32(self.weight_decay),
        )
        self._run.first_adam(*self._first, self._x, self._dh, *rate)
        self._run.adam(*(flat[self._rest :] for flat in self._flat), self._grad, *rate)
        return loss


def gradients(
    h: Floats32, labels: Floats32, layers: Layers, slopes: Layers, heads: tuple[Head, ...]
) -> tuple[float, Floats32]:
    """The loss of a batch of n clips, and its gradient.

    Args:
        h: [n, 128] what the first layer gives.
        labels: [n, C].
        layers: the parameters.
        slopes: their gradients, to be written; but that of the first layer's weights.
        heads: in the order of the targets.

    Returns:
        The loss, and its gradient by ``h``, [n, 128].
    """
    run = loops()
    h1, hat1, deviation1 = run.norm(h, layers["gain1"], layers["shift1"])
    h2 = h1 @ layers["w2"].T + layers["b2"]
    h2, hat2, deviation2 = run.norm(h2, layers["gain2"], layers["shift2"])
    h3 = h2 @ layers["w3"].T + layers["b3"]
    last = ("w4", "b4", "log_variance")
    own, theirs = (tuple(of[name] for name in last) for of in (layers, slopes))
    loss, dh3 = run.heads(h3, labels, *_kinds(heads), own, theirs)
    dh2 = _dense_back(h2, layers["w3"], dh3, slopes["w3"], slopes["b3"])
    run.norm_back(h2, hat2, deviation2, layers["gain2"], dh2, slopes["gain2"], slopes["shift2"])
    dh1 = _dense_back(h1, layers["w2"], dh2, slopes["w2"], slopes["b2"])
    run.norm_back(h1, hat1, deviation1, layers["gain1"], dh1, slopes["gain1"], slopes["shift1"])
    dh1.sum(axis=0, out=slopes["b1"])
    return loss, dh1


def _dense_back(x: Floats32, w: Floats32, d: Floats32, dw: Floats32, dbias: Floats32) -> Floats32:
    """Gradients of x w' + bias: by weights and bias, written; by ``x``, returned."""
    np.matmul(d.T, x, out=dw)
    d.sum(axis=0, out=dbias)
    return d @ w


@cache
def _kinds(heads: tuple[Head, ...]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """[H] the losses, and [H + 1] where the outputs of each head begin among the C."""
    kinds = np.array([get_args(Loss).index(head.loss) for head in heads])
    return kinds, np.cumsum([0, *(head.outputs for head in heads)])


@cache
def loops() -> Any:
    """The module ``multitask_loops``.

    Raises:
        MissingExtra: numba is not installed.
    """
    try:
        return import_module("affectbench.systems.multitask_loops")
    except ModuleNotFoundError as error:
        raise MissingExtra("numba", "neural") from error
