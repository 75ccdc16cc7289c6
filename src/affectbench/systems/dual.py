"""Linear support vector regressions of many targets at once, each to a stated duality gap.

    minimise over w:  |w|^2 / 2 + C sum_i loss(y_i - w.x_i),   loss "absolute" |r| or "squared" r^2

That is liblinear's problem with epsilon 0: x_i carries a constant 1 for the intercept, which is
regularised like any weight. liblinear takes one target after the other and one clip after the
other. Here all targets share each reading of the features and each factorisation:

- squared: it is ridge regression. One Cholesky factor serves all targets.
- absolute: the alternating direction method of multipliers splits the residuals off from the
  weights. A step is one ridge fit of all targets by the same factor, and a clipping.

How good a solution is is measured, not assumed: its primal value less the value of a feasible dual
point bounds how far it is from the optimum. Large problems are solved in single precision, which
halves memory and time. What a factor lacks in digits then does no harm: it only proposes changes
of the weights, and they follow from residuals that are computed from the features themselves.

Sources: Ho and Lin 2012, JMLR 13:3323-3348 (the problem and its dual); Boyd et al. 2011,
doi:10.1561/2200000016, sections 3.4 and 6.1 (the splitting, its relaxation and its penalty).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectbench.types import Floats

Loss = Literal["absolute", "squared"]
Solver = Callable[[NDArray[Any]], NDArray[Any]]

AIM: Final = 1e-5  # of the duality gap, relative to the primal value: where steps end
ENOUGH: Final = 1e-4  # of the same: what a solution must reach to be called converged
STEPS: Final = 3000  # at most, of the absolute loss
CORRECTIONS: Final = 20  # at most, of the squared loss; one or two are usual
LOOK_EVERY: Final = 5  # steps between two looks at the gap
BETTER: Final = 0.8  # part of the lowest gap so far below which a gap is a better one
PATIENCE: Final = 20  # looks without a better gap: single precision has no more to give
RELAXATION: Final = 1.7  # of the splitting; 1.5 to 1.8 is usual
FIRST_BALANCE: Final = 10  # step at which the penalty is looked at; then at 20, 40, 80, ...
UNBALANCED: Final = 1.5  # factor from which the penalty is changed
LARGEST_CHANGE: Final = 10.0  # of the penalty at once
# A factor in single precision is trusted where the ridge is at least this part of the largest
# eigenvalue: rounding must not drown what the ridge adds.
SINGLE: Final = 3e-8
ITERATIONS: Final = 10  # of the power iteration that estimates that eigenvalue
BLOCK: Final = 1024  # rows or columns that are brought to double precision at once


@dataclass(frozen=True, slots=True)
class Solution:
    """The machines of one loss and one C."""

    weights: Floats  # [D, K]
    gaps: Floats  # [K] duality gap relative to the primal value: at most so far from the optimum
    steps: int

    @property
    def converged(self) -> bool:
        """Whether every target is within ``ENOUGH`` of its optimum, for certain."""
        return bool(self.gaps.max() <= ENOUGH)


class _State(NamedTuple):
    """Where a fit ends: its place, the values [N, K] there, the gaps [K] and the steps."""

    place: NDArray[Any]
    values: NDArray[Any]
    gaps: Floats
    steps: int


class Machines:
    """The regressions of K targets on the same rows.

    Args:
        rows: [N, D] scaled features, finite, with a column of ones where an intercept is wanted.
            Their precision is that of the work, but a problem of more columns than rows is solved
            in double precision always: it shrinks to N x N.
        labels: [N, K] finite numbers of a size around 1.

    Memory: beside ``rows`` a square matrix of side min(N, D), and one more for each thread.
    """

    def __init__(self, rows: NDArray[Any], labels: NDArray[Any]) -> None:
        wide = rows.shape[1] > rows.shape[0]
        self._space: _Tall | _Wide = _Wide(rows) if wide else _Tall(rows)
        self._labels = labels.astype(self._space.dtype)
        self._given_up = False

    def fit(
        self, costs: Sequence[float], losses: Sequence[Loss]
    ) -> dict[tuple[float, Loss], Solution]:
        """The machines for each C and each loss.

        One thread a C, at most one a core: a product with so few columns waits for memory, so
        threads within it would only wait for each other. No result depends on their number.

        Returns:
            Weights and gaps. Look at ``converged``: steps end after ``STEPS`` at the latest.
        """
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        threads = min(os.cpu_count() or 1, len(costs))
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
            try:
                made = list(pool.map(lambda c: self._fit(c, losses), costs))
            except BaseException:
                self._given_up = True  # or leaving would wait for the threads to converge
                raise
        return {
            (c, loss): solution
            for c, solutions in zip(costs, made, strict=True)
            for loss, solution in solutions.items()
        }

    def _fit(self, c: float, losses: Sequence[Loss]) -> dict[Loss, Solution]:
        """Both losses from one ridge regression, where the absolute one starts."""
        squared = self._squared(c)
        made = {"squared": squared}
        if "absolute" in losses:
            made["absolute"] = self._absolute(c, squared)
        return {
            loss: Solution(self._space.weights(made[loss].place), made[loss].gaps, made[loss].steps)
            for loss in losses
        }

    def _squared(self, c: float) -> _State:
        """Ridge regression with the penalty 1 / 2C."""
        space, labels, ridge = self._space, self._labels, 1 / (2 * c)
        solve = space.factor(ridge)
        place = space.origin(labels.shape[1])
        values = np.zeros_like(labels)
        gaps = np.full(labels.shape[1], np.inf)
        steps = 0
        while steps < CORRECTIONS:
            steps += 1
            place = place + solve(space.pull(labels - values, place, ridge))
            values = space.values(place)
            left = labels - values
            miss = c * _sums(left, left)
            dual = left * (2 * c)  # the multipliers that belong to these residuals
            primal = space.squares(place, values) / 2 + miss
            reached = _sums(labels, dual) - space.dual_squares(dual) / 2 - miss
            before, gaps = gaps, _relative(primal, reached)
            if gaps.max() <= AIM / 10 or gaps.max() > BETTER * before.max():
                break
        return _State(place, values, gaps, steps)

    def _absolute(self, c: float, start: _State) -> _State:
        """The splitting, from the ridge regression of the same C."""
        space, labels, place, values = self._space, self._labels, start.place, start.values
        split = _Split(c, labels - values)
        solve = space.factor(split.ridge)
        gaps, best = np.full((2, labels.shape[1]), [[np.inf], [-np.inf]])
        lowest, waited = np.inf, 0
        for step in range(1, STEPS + 1):
            aim = labels - split.residuals + split.multipliers
            place = place + solve(space.pull(aim - values, place, split.ridge))
            values = space.values(place)
            if step % LOOK_EVERY == 0:
                best = np.maximum(best, self._dual(split))
                gaps = _relative(self._primal(c, place, values), best)
                waited += 1
                if gaps.max() < BETTER * lowest:
                    lowest, waited = float(gaps.max()), 0
                tired = waited >= PATIENCE and space.dtype == np.float32
                if gaps.max() <= AIM or tired or self._given_up:
                    break
            split.move(labels - values)
            if _doubled(step) and split.balance():
                del solve  # its factor, before the next is made
                solve = space.factor(split.ridge)
        return _State(place, values, gaps, step)

    def _primal(self, c: float, place: NDArray[Any], values: NDArray[Any]) -> Floats:
        """What is minimised, [K], with the absolute loss."""
        miss: Floats = np.abs(self._labels - values).sum(axis=0, dtype=np.float64)
        return self._space.squares(place, values) / 2 + c * miss

    def _dual(self, split: _Split) -> Floats:
        """Its bound from below, [K], by multipliers within -C..C."""
        dual = split.multipliers / split.ridge
        return _sums(self._labels, dual) - self._space.dual_squares(dual) / 2


class _Split:
    """What the splitting keeps of each row and target, [N, K]: residuals and multipliers.

    Multipliers are divided by the penalty, so they lie in +-C / penalty and have the unit of a
    residual. At first a multiplier spans its range while a residual changes by its usual size.
    """

    def __init__(self, c: float, left: NDArray[Any]) -> None:
        usual = float(np.abs(left).mean())
        self._c = c
        self._penalty = c / usual if usual > 0 else 1.0
        self._changes = (0.0, 0.0)  # length of the last move: of multipliers, of residuals
        self._part(left + np.sign(left) * self._most)

    @property
    def ridge(self) -> float:
        """What a step adds to the squares of the features."""
        return 1 / self._penalty

    @property
    def _most(self) -> float:
        return self._c / self._penalty

    def move(self, left: NDArray[Any]) -> None:
        """One step, towards what the weights leave of the labels, over-relaxed."""
        residuals, multipliers = self.residuals, self.multipliers
        self._part(RELAXATION * left + (1 - RELAXATION) * residuals + multipliers)
        self._changes = (
            float(np.linalg.norm(self.multipliers - multipliers)),
            float(np.linalg.norm(self.residuals - residuals)),
        )

    def balance(self) -> bool:
        """Change the penalty where one of the two moves much faster; whether it was changed."""
        multipliers, residuals = self._changes
        if not multipliers and not residuals:
            return False
        factor = (multipliers / residuals) ** 0.8 if residuals else LARGEST_CHANGE
        factor = min(max(factor, 1 / LARGEST_CHANGE), LARGEST_CHANGE)
        if 1 / UNBALANCED < factor < UNBALANCED:
            return False
        self._penalty *= factor
        self.multipliers /= factor
        return True

    def _part(self, both: NDArray[Any]) -> None:
        """Multipliers are what lies within their range, residuals what goes beyond."""
        self.multipliers = np.clip(both, -self._most, self._most)
        self.residuals = both - self.multipliers


class _Tall:
    """At least as many rows as columns: the place of a machine is its weights, [D, K]."""

    def __init__(self, rows: NDArray[Any]) -> None:
        self.dtype = rows.dtype
        self._rows = rows
        self._square = rows.T @ rows
        self._largest = _largest_eigenvalue(self._square)
        self._lock = Lock()

    def factor(self, ridge: float) -> Solver:
        """What turns a pull into a step: it solves with the Gram matrix plus the ridge."""
        from scipy.linalg import LinAlgError

        if self.dtype == np.float32 and ridge < SINGLE * self._largest:
            self._to_double()
        try:
            return _cholesky(self._square, ridge, self.dtype)
        except LinAlgError:  # rounding made it indefinite
            self._to_double()
            return _cholesky(self._square, ridge, self.dtype)

    def origin(self, targets: int) -> NDArray[Any]:
        return np.zeros((self._rows.shape[1], targets), self.dtype)

    def values(self, place: NDArray[Any]) -> NDArray[Any]:
        """[N, K] values of the rows."""
        values: NDArray[Any] = self._rows @ place
        return values

    def pull(self, left: NDArray[Any], place: NDArray[Any], ridge: float) -> NDArray[Any]:
        """The direction in which a ridge fit of what is left, [N, K], would move the place."""
        pull: NDArray[Any] = self._rows.T @ left - ridge * place
        return pull

    def squares(self, place: NDArray[Any], _values: NDArray[Any]) -> Floats:
        """[K] squared length of the weights at a place."""
        return _sums(place, place)

    def dual_squares(self, dual: NDArray[Any]) -> Floats:
        """[K] squared length of the weights that multipliers [N, K] make."""
        weights = self._rows.T @ dual
        return _sums(weights, weights)

    def weights(self, place: NDArray[Any]) -> Floats:
        """[D, K] weights at a place."""
        return place.astype(np.float64)

    def _to_double(self) -> None:
        with self._lock:  # threads share the matrix
            if self._square.dtype != np.float64:
                self._square = _products(self._rows)


class _Wide:
    """More columns than rows: weights are ``rows.T @ place``, and a place is [N, K].

    The methods are those of ``_Tall``.
    """

    def __init__(self, rows: NDArray[Any]) -> None:
        self.dtype = np.dtype(np.float64)
        self._rows = rows
        self._square = _products(rows.T)

    def factor(self, ridge: float) -> Solver:
        return _cholesky(self._square, ridge, self.dtype)

    def origin(self, targets: int) -> NDArray[Any]:
        return np.zeros((len(self._rows), targets))

    def values(self, place: NDArray[Any]) -> NDArray[Any]:
        values: NDArray[Any] = self._square @ place
        return values

    def pull(self, left: NDArray[Any], place: NDArray[Any], ridge: float) -> NDArray[Any]:
        return left - ridge * place

    def squares(self, place: NDArray[Any], values: NDArray[Any]) -> Floats:
        return _sums(place, values)

    def dual_squares(self, dual: NDArray[Any]) -> Floats:
        return _sums(dual, self._square @ dual)

    def weights(self, place: NDArray[Any]) -> Floats:
        columns = range(0, self._rows.shape[1], BLOCK)
        return np.concatenate([self._rows[:, at : at + BLOCK].T @ place for at in columns])


def _products(rows: NDArray[Any]) -> Floats:
    """``rows.T @ rows`` in double precision, without a copy of all rows."""
    square = np.zeros((rows.shape[1], rows.shape[1]))
    for at in range(0, len(rows), BLOCK):
        part = rows[at : at + BLOCK].astype(np.float64)
        square += part.T @ part
    return square


def _cholesky(square: NDArray[Any], ridge: float, dtype: Any) -> Solver:
    """What solves with a positive matrix plus a ridge on its diagonal, from one factor."""
    from scipy.linalg import cho_factor, cho_solve

    whole = square.copy()
    whole.flat[:: len(whole) + 1] += ridge
    # Of a symmetric matrix the transpose is itself, in the order that LAPACK overwrites in place.
    factor, _ = cho_factor(whole.T, lower=True, overwrite_a=True, check_finite=False)
    factor = factor.astype(dtype, copy=False)

    def solve(pull: NDArray[Any]) -> NDArray[Any]:
        step: NDArray[Any] = cho_solve((factor, True), pull, check_finite=False)
        return step

    return solve


def _largest_eigenvalue(square: NDArray[Any]) -> float:
    """Of a positive matrix, to some per cent, by power iteration."""
    vector = np.ones(len(square), square.dtype)
    length = float(np.linalg.norm(vector))
    for _ in range(ITERATIONS):
        if length > 0:
            vector = square @ (vector / length)
            length = float(np.linalg.norm(vector))
    return length


def _sums(left: NDArray[Any], right: NDArray[Any]) -> Floats:
    """[K] sums over rows of products, in double precision."""
    sums: Floats = np.einsum("nk,nk->k", left, right, dtype=np.float64)
    return sums


def _relative(primal: Floats, dual: Floats) -> Floats:
    """[K] gap between two values, relative to the first; 0 where that is 0."""
    gap = np.maximum(primal - dual, 0.0)
    return np.divide(gap, primal, out=np.zeros_like(gap), where=primal > 0)


def _doubled(step: int) -> bool:
    """Whether a step is ``FIRST_BALANCE`` times a power of two."""
    times, rest = divmod(step, FIRST_BALANCE)
    return rest == 0 and times & (times - 1) == 0
