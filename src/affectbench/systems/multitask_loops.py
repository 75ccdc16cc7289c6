"""The loops of ``multitask_step``, compiled. Importing this needs numba; it is done when one runs.

Arrays are float32. A batch is of 8 clips in the first layer, of n behind it. Gradients are written,
not added to what is there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Floats32 = NDArray[Any]
Function = TypeVar("Function", bound=Callable[..., Any])

UNITS: Final = 32  # of a head
BOUNDED, LINEAR, CLASSES = 0, 1, 2  # losses: MSE behind a sigmoid, MSE, cross-entropy
SLOPE: Final = np.float32(0.01)  # of LeakyReLU below 0
NORM_EPS: Final = np.float32(1e-5)
BETAS: Final = (0.9, 0.999)  # of Adam
BETA1, BETA2, ADAM_EPS = np.float32(BETAS[0]), np.float32(BETAS[1]), np.float32(1e-8)
NEW1, NEW2 = np.float32(1 - BETAS[0]), np.float32(1 - BETAS[1])
# Sums may be added up in any order and products fused; NaN and infinity keep their meaning.
FAST: Final = {"reassoc", "contract", "nsz"}


def compiled(function: Function) -> Function:
    """The function in machine code, when it is first called; numba keeps that on disk."""
    found: Any = numba.njit(cache=True, fastmath=FAST, error_model="numpy")(function)
    return cast("Function", found)


@compiled
def first(w: Floats32, bias: Floats32, x: Floats32, out: Floats32) -> None:
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


@compiled
def first_adam(
    w: Floats32,
    m: Floats32,
    v: Floats32,
    x: Floats32,
    dh: Floats32,
    step: np.float32,
    unbias: np.float32,
    decay: np.float32,
) -> None:
    """The gradient of the first layer's weights, dh' x, and Adam's step with it, row by row."""
    x0, x1, x2, x3, x4, x5, x6, x7 = x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]
    for i in range(w.shape[0]):
        d0, d1, d2, d3 = dh[0, i], dh[1, i], dh[2, i], dh[3, i]
        d4, d5, d6, d7 = dh[4, i], dh[5, i], dh[6, i], dh[7, i]
        row, means, squares = w[i], m[i], v[i]
        for j in range(row.shape[0]):
            grad = d0 * x0[j] + d1 * x1[j] + d2 * x2[j] + d3 * x3[j] + decay * row[j]
            grad += d4 * x4[j] + d5 * x5[j] + d6 * x6[j] + d7 * x7[j]
            mean = BETA1 * means[j] + NEW1 * grad
            square = BETA2 * squares[j] + NEW2 * grad * grad
            means[j] = mean
            squares[j] = square
            row[j] -= step * mean / (np.sqrt(square) * unbias + ADAM_EPS)


@compiled
def adam(
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
        m[j] = BETA1 * m[j] + NEW1 * g
        v[j] = BETA2 * v[j] + NEW2 * g * g
        w[j] -= step * m[j] / (np.sqrt(v[j]) * unbias + ADAM_EPS)


@compiled
def norm(h: Floats32, gain: Floats32, shift: Floats32) -> tuple[Floats32, Floats32, Floats32]:
    """LayerNorm and LeakyReLU of [n, U]: [n, U], and for the way back normalised values and [n]."""
    n, units = h.shape
    out, hat, deviation = np.empty_like(h), np.empty_like(h), np.empty(n, np.float32)
    for b in range(n):
        mean = np.float32(0)
        for i in range(units):
            mean += h[b, i]
        mean /= np.float32(units)
        square = np.float32(0)
        for i in range(units):
            square += (h[b, i] - mean) * (h[b, i] - mean)
        deviation[b] = np.sqrt(square / np.float32(units) + NORM_EPS)
        for i in range(units):
            hat[b, i] = (h[b, i] - mean) / deviation[b]
            value = hat[b, i] * gain[i] + shift[i]
            out[b, i] = value if value > 0 else SLOPE * value
    return out, hat, deviation


@compiled
def norm_back(
    h: Floats32,
    hat: Floats32,
    deviation: Floats32,
    gain: Floats32,
    d: Floats32,
    dgain: Floats32,
    dshift: Floats32,
) -> None:
    """In place of ``d``, the gradient by what ``norm`` gave, that by what it was given."""
    units = np.float32(h.shape[1])
    dgain[:] = 0
    dshift[:] = 0
    for b in range(h.shape[0]):
        mean, along = np.float32(0), np.float32(0)
        for i in range(h.shape[1]):
            if not h[b, i] > 0:  # what came out has the sign of what went in
                d[b, i] *= SLOPE
            dgain[i] += d[b, i] * hat[b, i]
            dshift[i] += d[b, i]
            d[b, i] *= gain[i]
            mean += d[b, i]
            along += d[b, i] * hat[b, i]
        for i in range(h.shape[1]):
            d[b, i] = (d[b, i] - mean / units - hat[b, i] * along / units) / deviation[b]


@compiled
def heads(
    h: Floats32,
    labels: Floats32,
    kinds: NDArray[np.intp],
    starts: NDArray[np.intp],
    layers: tuple[Floats32, Floats32, Floats32],
    slopes: tuple[Floats32, Floats32, Floats32],
) -> tuple[float, Floats32]:
    """The last layers: sum_t(L_t exp(-s_t) / 2 + s_t / 2), and its gradient by ``h``.

    Args:
        h: [n, H * 32], before its LeakyReLU.
        labels: [n, C]; NaN is left out, classes are one-hot.
        kinds: [H] the losses.
        starts: [H + 1] where the outputs of each head begin among the C, and C.
        layers: weights [C, 32], bias [C], s [H].
        slopes: room for their gradients.
    """
    (w, bias, s), (dw, dbias, ds) = layers, slopes
    dh, dz = np.zeros_like(h), np.zeros(labels.shape, np.float32)
    z = np.empty(labels.shape, np.float32)
    dw[:] = 0
    dbias[:] = 0
    total = 0.0
    for t in range(kinds.size):
        low, high, place = starts[t], starts[t + 1], t * UNITS
        for b in range(h.shape[0]):
            for c in range(low, high):
                z[b, c] = bias[c]
                for i in range(UNITS):
                    x = h[b, place + i]
                    z[b, c] += w[c, i] * (x if x > 0 else SLOPE * x)
        if kinds[t] == CLASSES:
            loss = _entropy(z, labels, low, high, dz)
        else:
            loss = _squared(z, labels, low, high, kinds[t] == BOUNDED, dz)
        weight = np.exp(-s[t]) / 2
        total += loss * weight + s[t] / 2
        ds[t] = 0.5 - loss * weight
        for b in range(h.shape[0]):
            for c in range(low, high):
                d = np.float32(dz[b, c] * weight)
                dbias[c] += d
                for i in range(UNITS):
                    x = h[b, place + i]
                    dw[c, i] += d * (x if x > 0 else SLOPE * x)
                    dh[b, place + i] += d * (w[c, i] if x > 0 else SLOPE * w[c, i])
    return total, dh


@compiled
def _squared(
    z: Floats32, labels: Floats32, low: int, high: int, bounded: bool, dz: Floats32
) -> float:
    """Sum over columns of the MSE of known labels; ``dz`` gets its gradient by ``z``."""
    loss = 0.0
    for c in range(low, high):
        known = 0
        for b in range(z.shape[0]):
            known += not np.isnan(labels[b, c])
        for b in range(z.shape[0]):
            if np.isnan(labels[b, c]):
                continue
            value, slope = z[b, c], np.float32(1)
            if bounded:
                value = 1 / (1 + np.exp(-value))
                slope = value * (1 - value)
            error = value - labels[b, c]
            loss += error * error / known
            dz[b, c] = 2 * error * slope / known
    return loss


@compiled
def _entropy(z: Floats32, labels: Floats32, low: int, high: int, dz: Floats32) -> float:
    """Mean cross-entropy of logits and one-hot labels; ``dz`` gets its gradient by ``z``."""
    n, loss = z.shape[0], 0.0
    for b in range(n):
        top, powers = z[b, low], np.float32(0)
        for c in range(low, high):
            top = max(top, z[b, c])
        for c in range(low, high):
            powers += np.exp(z[b, c] - top)
        for c in range(low, high):
            loss += labels[b, c] * (np.log(powers) + top - z[b, c]) / n
            dz[b, c] = (np.exp(z[b, c] - top) / powers - labels[b, c]) / n
    return loss
