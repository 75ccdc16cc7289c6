"""``fewshot-zscore``: speaker statistics from a few clips, on functionals, over a linear SVM."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from affectbench.splits import SUPPORT
from affectbench.systems.linear import LinearSVM
from affectbench.systems.personal.gains import RULE, gain_of
from affectbench.systems.personal.speakers import (
    Prior,
    Rows,
    drawn_support,
    mean_of,
    numbered,
    prior,
    weight,
)
from affectbench.systems.training import check_features, check_part
from affectbench.types import Floats, Part, Recipe, Task

DRAWS: Final = 5  # of support clips, for each clip of dev
PLAIN: Final = "nothing"
WAYS: Final = {  # what is adapted -> whether features and outputs are
    PLAIN: (False, False),
    "features": (True, False),
    "outputs": (False, True),
    "features and outputs": (True, True),
}

SETTINGS: Final[Mapping[str, Any]] = {
    "base": "linear SVM, C chosen on dev: what k = 0 is",
    "features": "the speaker's mean, guessed from the support clips, is taken off; the SVM is then "
    "one that was trained on clips of train from which that of k others was taken off",
    "outputs": "the mean error of the support clips is taken off (regression)",
    "shrunk": "k / (k + a); of features a is the variance within over that between speakers of "
    "train, of outputs a is such that the squared error over draws from dev is least",
    "scale": "not by speaker: two clips do not tell a standard deviation",
    "adapted": f"features, outputs or both: {RULE}",
    "draws": DRAWS,
}


@dataclass(frozen=True, slots=True)
class Way:
    """What is done with a number of support clips."""

    machine: LinearSVM  # of features as they are, or as ``normalised`` makes them
    normalised: bool
    strength: Floats  # [C] of the prior of a speaker's error; inf: outputs are left as they are
    report: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tried:
    """A machine on clips of dev, each beside drawn support clips of its speaker."""

    values: Floats  # [M, C] for M = DRAWS * N clips
    error: Floats  # [M, C] mean error of the support clips
    count: Rows  # [M, C] of how many known labels


class SpeakerStatistics:
    """A linear SVM made a speaker's by the means of k support clips.

    Two things may set a speaker apart, and each has its remedy:

    - The features lie elsewhere: a low voice. The speaker's mean, guessed from the support clips
      without their labels, is taken off, and another SVM is asked, one that was trained on clips
      from which the mean of k others of the same speaker had been taken off in the same way.
    - The same sound has other labels. The mean error of the support clips, which takes their
      labels, is taken off the outputs. Of regression alone: two clips say little of thirty classes.

    Both are shrunk towards no change, and each is done only if over support clips drawn from dev
    it gains more than it may by chance over speakers: where speakers do not differ the model stays
    the plain one, to the last bit. A blank label of a support clip is left out of its column. More
    than two support clips are used as two are, with the weight that they have.

    Args:
        task: names target and metric.
        seed: of the draws and of the SVM.
        mode: there is one.

    Source: shrinkage as in Efron & Morris 1975, doi:10.1080/01621459.1975.10479864.
    """

    def __init__(self, task: Task, seed: int, mode: str = "sound") -> None:
        del mode
        self.task = task
        self.seed = seed
        self.plain = LinearSVM(task, seed)
        self.ways: dict[int, Way] = {}  # by number of support clips
        self._prior = Prior(np.zeros(1), np.zeros(1))
        self._own: tuple[Way, Floats, Floats] | None = None  # way, shift [1, D], offset [1, C]

    def fit(self, train: Part, dev: Part) -> SpeakerStatistics:
        """Learn the plain SVM, and what one and two support clips are good for.

        Raises:
            BadData: as ``LinearSVM.fit``.
        """
        self.plain.fit(train, dev)
        self._prior = prior(train.features.astype(np.float64), train.speakers)
        for shots in range(1, SUPPORT + 1):
            rng = np.random.default_rng([self.seed, shots])
            machine = LinearSVM(self.task, self.seed)
            machine.fit(*(self._normalised(part, shots, rng) for part in (train, dev)))
            self.ways[shots] = self._chosen(machine, dev, shots, rng)
        return self

    def refit(self, train: Part, dev: Part) -> SpeakerStatistics:
        """Learn again from train and dev; what is adapted, and how far, stays as ``fit`` chose."""
        self.plain.refit(train, dev)
        for shots, way in self.ways.items():
            if way.normalised:
                rng = np.random.default_rng([self.seed, shots])
                way.machine.refit(*(self._normalised(part, shots, rng) for part in (train, dev)))
        return self

    def adapt(self, support: Part) -> SpeakerStatistics:
        """Another model, for the speaker of the support clips; this one stays as it is.

        Raises:
            BadData: there is no clip, or its features are NaN.
        """
        check_features(support)
        way = self.ways[min(len(support.clips), max(self.ways))]
        everyone = np.arange(len(support.clips))[None]
        shift = np.zeros((1, support.features.shape[1]))
        if way.normalised:
            shift = self._shift(support.features, everyone)
        offset = np.zeros((1, self.task.target.outputs))
        if np.isfinite(way.strength).any() and support.labels.size:
            errors = support.labels - _asked(way.machine, support, shift)
            mean, count = mean_of(errors, everyone)
            offset = weight(count, way.strength) * mean
        own = copy.copy(self)
        own._own = way, shift, offset
        return own

    def predict(self, part: Part) -> Floats:
        """[N, C]: values in the range of the labels, or decision scores of the classes."""
        if self._own is None:
            return self.plain.predict(part)
        way, shift, offset = self._own
        return self._bounded(_asked(way.machine, part, shift) + offset)

    def report(self) -> dict[str, Any]:
        """The plain SVM, and by number of support clips what is adapted and what it gains."""
        return {
            "plain": self.plain.report(),
            "support": {str(shots): way.report for shots, way in self.ways.items()},
        }

    def _shift(self, features: np.ndarray[Any, Any], drawn: Rows) -> Floats:
        """[n, D]: how far the speakers of the drawn rows [n, k] are guessed to be off."""
        mean, count = mean_of(features.astype(np.float64), drawn)
        return self._prior.shift(mean, count[:, 0])

    def _normalised(self, part: Part, shots: int, rng: np.random.Generator) -> Part:
        """The part with the guessed mean of its speaker taken off each clip, from drawn others."""
        return _off(part, self._shift(part.features, drawn_support(part.speakers, shots, rng)))

    def _chosen(self, machine: LinearSVM, dev: Part, shots: int, rng: np.random.Generator) -> Way:
        """What to do with that many support clips, by what it gains over draws from dev."""
        check_part(self.task, "dev", dev)
        draws = [drawn_support(dev.speakers, shots, rng) for _ in range(DRAWS)]
        tried = {
            normalised: self._tried(asked, dev, draws, normalised)
            for normalised, asked in ((False, self.plain), (True, machine))
        }
        truth = np.concatenate([dev.labels] * DRAWS)
        place, _ = numbered(dev.speakers * DRAWS)
        plain = tried[False].values
        outputs = self.task.target.outputs
        none = np.full(outputs, np.inf)
        best = Way(self.plain, False, none, {})
        told, most = {}, 0.0
        for name, (normalised, shifted) in WAYS.items():
            if shifted and self.task.target.kind == "classification":
                continue
            values, strength = tried[normalised].values, none
            if shifted:
                offset, strength = _fitted(tried[normalised], truth, place, shots)
                values = self._bounded(values + offset)
            found = gain_of(self.task, truth, values, plain, place)
            told[name] = found._asdict()
            if found.low > 0 and found.gain > most:
                most = found.gain
                asked = machine if normalised else self.plain
                best = Way(asked, normalised, strength, {"adapted": name})
        report = {"adapted": PLAIN, **best.report, "on_dev": told}
        if np.isfinite(best.strength).any():
            report["weight_of_error"] = weight(np.full(outputs, shots), best.strength).tolist()
        return replace(best, report=report)

    def _tried(self, asked: LinearSVM, dev: Part, draws: list[Rows], normalised: bool) -> Tried:
        """The machine on all clips of dev, once for each draw of their support."""
        found = []
        shots = draws[0].shape[1]
        for drawn in draws:
            shift = self._shift(dev.features, drawn) if normalised else np.zeros((1, 1))
            values = _asked(asked, dev, shift)
            if self.task.target.kind == "classification":
                found.append((values, np.zeros(values.shape), np.zeros(values.shape, np.intp)))
                continue
            # Each support clip, as it sounds once its speaker's guessed mean is taken off.
            sizes = len(dev.clips), shots, self.task.target.outputs
            errors = np.empty(sizes)
            for turn in range(shots):
                there = _rows(dev, drawn[:, turn])
                errors[:, turn] = there.labels - _asked(asked, there, shift)
            errors[drawn < 0] = np.nan
            within = np.arange(errors[..., 0].size).reshape(sizes[:2])
            found.append((values, *mean_of(errors.reshape(-1, sizes[2]), within)))
        return Tried(*(np.concatenate(each) for each in zip(*found, strict=True)))

    def _bounded(self, values: Floats) -> Floats:
        """Values [n, C] within the range of the labels; scores of classes as they are."""
        target = self.task.target
        return values if target.kind == "classification" else values.clip(target.low, target.high)


def _fitted(tried: Tried, truth: Floats, place: Rows, shots: int) -> tuple[Floats, Floats]:
    """What the errors of support clips are worth, by least squares on the errors of queries.

    Returns:
        Offsets [M, C], each with the weight that the other speakers teach; and the strength [C] of
        the prior that all of them teach.
    """
    error = truth - tried.values
    full = (tried.count == shots) & ~np.isnan(error)
    groups = int(place.max()) + 2  # the last one: unknown speakers, who have no support
    moments = []
    for product in (error * tried.error, np.square(tried.error)):
        sums = np.zeros((groups, error.shape[1]))
        np.add.at(sums, place, np.where(full, product, 0.0))
        moments.append((sums.sum(axis=0), sums.sum(axis=0) - sums))
    (shared, others_shared), (square, others_square) = moments
    strength = _strength(shared, square, shots)
    others = _strength(others_shared, others_square, shots)
    return weight(tried.count, others[place]) * tried.error, strength


def _strength(shared: Floats, square: Floats, shots: int) -> Floats:
    """The strength whose weight at that many clips is ``shared / square``, between 0 and 1."""
    slope = np.clip(shared / np.where(square > 0, square, 1.0), 0.0, 1.0)
    return np.where(slope > 0, shots * (1 - slope) / np.where(slope > 0, slope, 1.0), np.inf)


def _asked(machine: LinearSVM, part: Part, shift: Floats) -> Floats:
    """[N, C]: what the machine says of the clips with the shift [N or 1, D] taken off."""
    return machine.predict(_off(part, shift))


def _off(part: Part, shift: Floats) -> Part:
    """The part with a shift [N or 1, D] taken off its features."""
    return replace(part, features=(part.features - shift).astype(np.float32))


def _rows(part: Part, rows: Rows) -> Part:
    """Some clips of a part, in that order."""
    clips = tuple(part.clips[row] for row in rows)
    speakers = tuple(part.speakers[row] for row in rows)
    return Part(clips, part.features[rows], part.labels[rows], speakers)


FEWSHOT_ZSCORE: Final = Recipe(
    name="fewshot-zscore",
    suffix="fewshot-zscore",
    title="linear SVM, speaker statistics",
    build=SpeakerStatistics,
    refit=True,
    adapts=True,
    settings=SETTINGS,
    source="ours: the cheap one of the personalise protocol",
)
