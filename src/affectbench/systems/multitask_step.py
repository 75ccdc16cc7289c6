"""An epoch of the multitask network: eight clips a step, and nearly all weights in one layer.

What a step costs is walking over the first layer, 128 x 6,373 weights for ComParE. A plain loop
does it a dozen times: gradient, its clearing, moments, update, each with room of its own. Here the
gradient of a row of weights is added up and used at once by Adam, and is never stored. That part is
compiled (numba); the layers behind it are small and written out in numpy, since a framework's
bookkeeping would cost more than they do. Tests hold the steps against PyTorch's autograd and Adam.

All parameters lie in one vector, in the order of ``shapes``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from affectbench.errors import MissingExtra

Floats32 = NDArray[np.floating[Any]]  # float32 throughout; numpy's own types lose it in a division
Layers = Mapping[str, Floats32]
Loss = Literal["bounded", "linear", "classes"]

BATCH: Final = 8  # clips a step; the first layer is written out for so many
WIDE, MIDDLE, NARROW = 128, 64, 32  # units
SLOPE: Final = 0.01  # of LeakyReLU below 0
NORM_EPS: Final = 1e-5
BETAS: Final = (0.9, 0.999)  # of Adam
_BETA1, _BETA2, _EPS = np.float32(BETAS[0]), np.float32(BETAS[1]), np.float32(1e-8)
_NEW1, _NEW2 = np.float32(1 - BETAS[0]), np.float32(1 - BETAS[1])


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
        self._forward, self._first_adam, self._adam = compiled()
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
        self._forward(self._layers["w1"], self._layers["b1"], self._x, self._h)
        loss, dh = gradients(self._h[:here], labels, self._layers, self._slopes, self.heads)
        self._dh[:here], self._dh[here:] = dh, 0  # of rows left from the batch before: no weight
        self.steps += 1
        rate = (
            np.float32(self.learning_rate / (1 - BETAS[0] ** self.steps)),
            np.float32(1 / np.sqrt(1 - BETAS[1] ** self.steps)),
            np.float32(self.weight_decay),
        )
        self._first_adam(*self._first, self._x, self._dh, *rate)
        self._adam(*(flat[self._rest :] for flat in self._flat), self._grad, *rate)
        return loss


def gradients(
    h: Floats32, labels: Floats32, layers: Layers, slopes: Layers, heads: Sequence[Head]
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
    h1, hat1, deviation1 = _norm(h, layers["gain1"], layers["shift1"])
    h2, hat2, deviation2 = _norm(
        h1 @ layers["w2"].T + layers["b2"], layers["gain2"], layers["shift2"]
    )
    h3 = _leaky(h2 @ layers["w3"].T + layers["b3"])
    loss, dh3 = _heads(h3, labels, layers, slopes, heads)
    _leaky_back(h3, dh3)
    dh2 = _dense_back(h2, layers["w3"], dh3, slopes["w3"], slopes["b3"])
    dh2 = _norm_back(h2, hat2, deviation2, layers["gain2"], dh2, slopes["gain2"], slopes["shift2"])
    dh1 = _dense_back(h1, layers["w2"], dh2, slopes["w2"], slopes["b2"])
    dh = _norm_back(h1, hat1, deviation1, layers["gain1"], dh1, slopes["gain1"], slopes["shift1"])
    dh.sum(axis=0, out=slopes["b1"])
    return loss, dh


def _heads(
    h: Floats32, labels: Floats32, layers: Layers, slopes: Layers, heads: Sequence[Head]
) -> tuple[float, Floats32]:
    """sum_t(L_t exp(-s_t) / 2 + s_t / 2), and its gradient by ``h``, [n, H * 32]."""
    dh = np.empty_like(h)
    loss, first = 0.0, 0
    for t, head in enumerate(heads):
        of, units = slice(first, first + head.outputs), slice(t * NARROW, (t + 1) * NARROW)
        first += head.outputs
        z = h[:, units] @ layers["w4"][of].T + layers["b4"][of]
        own, dz = (_entropy if head.loss == "classes" else _squared)(
            z, labels[:, of], head.loss == "bounded"
        )
        log_variance = float(layers["log_variance"][t])
        weight = np.exp(-log_variance) / 2
        loss += own * weight + log_variance / 2
        slopes["log_variance"][t] = 0.5 - own * weight
        dz *= weight
        dh[:, units] = _dense_back(
            h[:, units], layers["w4"][of], dz, slopes["w4"][of], slopes["b4"][of]
        )
    return loss, dh


def _squared(z: Floats32, labels: Floats32, bounded: bool) -> tuple[float, Floats32]:
    """Sum over columns of the MSE of known labels, and its gradient by ``z``, [n, C_t]."""
    values: Floats32 = 1 / (1 + np.exp(-z)) if bounded else z
    error: Floats32 = values - labels
    known = ~np.isnan(labels)
    error[~known] = 0
    share: Floats32 = error / np.maximum(known.sum(axis=0, dtype=np.float32), 1)
    slope = 2 * share
    if bounded:
        slope *= values * (1 - values)
    return float((error * share).sum()), slope


def _entropy(z: Floats32, labels: Floats32, _bounded: bool) -> tuple[float, Floats32]:
    """Mean cross-entropy of logits and one-hot labels, and its gradient by ``z``, [n, C_t]."""
    z = z - z.max(axis=1, keepdims=True)
    powers = np.exp(z)
    total = powers.sum(axis=1, keepdims=True)
    loss = (np.log(total[:, 0]) - (z * labels).sum(axis=1)).mean()
    return float(loss), (powers / total - labels) / len(z)


def _norm(h: Floats32, gain: Floats32, shift: Floats32) -> tuple[Floats32, Floats32, Floats32]:
    """LayerNorm and LeakyReLU of [n, U]; with what the way back needs of it."""
    hat = h - _mean(h)
    deviation = np.sqrt(_mean(hat * hat) + NORM_EPS)
    hat /= deviation
    return _leaky(hat * gain + shift), hat, deviation


def _norm_back(
    h: Floats32,
    hat: Floats32,
    deviation: Floats32,
    gain: Floats32,
    dh: Floats32,
    dgain: Floats32,
    dshift: Floats32,
) -> Floats32:
    """The gradient by what ``_norm`` was given, of that by what it gave."""
    _leaky_back(h, dh)
    (dh * hat).sum(axis=0, out=dgain)
    dh.sum(axis=0, out=dshift)
    dhat = dh * gain
    given: Floats32 = (dhat - _mean(dhat) - hat * _mean(dhat * hat)) / deviation
    return given


def _mean(h: Floats32) -> Floats32:
    """[n, U] to [n, 1]; ``h.mean`` takes four times as long for so few."""
    mean: Floats32 = np.add.reduce(h, axis=1, keepdims=True) / np.float32(h.shape[1])
    return mean


def _leaky(h: Floats32) -> Floats32:
    higher: Floats32 = np.maximum(h, SLOPE * h)
    return higher


def _leaky_back(h: Floats32, dh: Floats32) -> None:
    """In place; what ``_leaky`` gave has the sign of what it was given."""
    np.multiply(dh, SLOPE, out=dh, where=h <= 0)


def _dense_back(x: Floats32, w: Floats32, d: Floats32, dw: Floats32, dbias: Floats32) -> Floats32:
    """Gradients of x w' + bias: by weights and bias, written; by ``x``, returned."""
    np.matmul(d.T, x, out=dw)
    d.sum(axis=0, out=dbias)
    return d @ w


@cache
def compiled() -> tuple[Callable[..., None], ...]:
    """``_first_forward``, ``_first_adam`` and ``_adam``, compiled; kept on disk by numba.

    Raises:
        MissingExtra: numba is not installed.
    """
    try:
        import numba
    except ModuleNotFoundError as error:
        raise MissingExtra("numba", "neural") from error
    # Sums may be added up in any order and products fused; NaN and infinity keep their meaning.
    settings: dict[str, Any] = {
        "cache": True,
        "fastmath": {"reassoc", "contract", "nsz"},
        "error_model": "numpy",
    }
    return tuple(numba.njit(**settings)(f) for f in (_first_forward, _first_adam, _adam))


def _first_forward(w: Floats32, bias: Floats32, x: Floats32, out: Floats32) -> None:
    """[8, D] clips through the first layer to [8, 128], each row of weights read once."""
    x0, x1, x2, x3, x4, x5, x6, x7 = x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]
    for i in range(w.shape[0]):
        row = w[i]
        a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = np.float32(0)
        for j in range(row.shape[0]):
            a0 += row[j] * x0[j]
            a1 += row[j] * x1[j]
            a2 += row[j] * x2[j]
            a3 += row[j] * x3[j]
            a4 += row[j] * x4[j]
            a5 += row[j] * x5[j]
            a6 += row[j] * x6[j]
            a7 += row[j] * x7[j]
        for b, value in enumerate((a0, a1, a2, a3, a4, a5, a6, a7)):
            out[b, i] = value + bias[i]


def _first_adam(
    w: Floats32,
    m: Floats32,
    v: Floats32,
    x: Floats32,
    dh: Floats32,
    step: np.float32,
    unbias: np.float32,
    decay: np.float32,
) -> None:
    """Gradient of the first layer's weights, dh' x, and Adam's step with it, row by row."""
    x0, x1, x2, x3, x4, x5, x6, x7 = x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]
    for i in range(w.shape[0]):
        d0, d1, d2, d3 = dh[0, i], dh[1, i], dh[2, i], dh[3, i]
        d4, d5, d6, d7 = dh[4, i], dh[5, i], dh[6, i], dh[7, i]
        row, first, second = w[i], m[i], v[i]
        for j in range(row.shape[0]):
            grad = d0 * x0[j] + d1 * x1[j] + d2 * x2[j] + d3 * x3[j] + decay * row[j]
            grad += d4 * x4[j] + d5 * x5[j] + d6 * x6[j] + d7 * x7[j]
            mean = _BETA1 * first[j] + _NEW1 * grad
            square = _BETA2 * second[j] + _NEW2 * grad * grad
            first[j] = mean
            second[j] = square
            row[j] -= step * mean / (np.sqrt(square) * unbias + _EPS)


def _adam(
    w: Floats32,
    m: Floats32,
    v: Floats32,
    grad: Floats32,
    step: np.float32,
    unbias: np.float32,
    decay: np.float32,
) -> None:
    """Adam's step of the other parameters."""
    for j in range(w.shape[0]):
        g = grad[j] + decay * w[j]
        m[j] = _BETA1 * m[j] + _NEW1 * g
        v[j] = _BETA2 * v[j] + _NEW2 * g * g
        w[j] -= step * m[j] / (np.sqrt(v[j]) * unbias + _EPS)
