"""What a few clips tell of a speaker: variances between and within speakers, drawn episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affectbench.types import Floats

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Prior:
    """How much the mean of a few clips is believed, column by column.

    The best guess of a speaker's mean from k clips is ``centre + weight(k) * (their mean -
    centre)`` with ``weight(k) = k / (k + strength)``: the prior counts as so many clips.
    """

    centre: Floats  # [D] mean over all clips
    strength: Floats  # [D] variance within speakers over variance between; inf: no difference

    def shift(self, mean: Floats, count: Rows) -> Floats:
        """[n, D]: how far speakers are guessed to be from the centre.

        Args:
            mean: [n, D] over clips of each.
            count: [n] of how many clips; of none the shift is 0.
        """
        return weight(count[:, None], self.strength) * (mean - self.centre)


def weight(count: Rows, strength: Floats) -> Floats:
    """``k / (k + strength)``; 0 for no clips, and for an infinite prior."""
    known = count > 0
    return np.asarray(np.where(known, count / (np.where(known, count, 1) + strength), 0.0))


def prior(values: Floats, speakers: Sequence[str | None]) -> Prior:
    """The prior that the clips of many speakers teach.

    Variances are those of the one-way random-effects model, by the method of moments for groups
    of unequal size; clips of unknown speakers count for the centre alone. Where no two speakers
    are known, or no speaker has two clips, speakers are taken not to differ.

    Args:
        values: [N, D], without NaN.
        speakers: [N].

    Source: Searle, Casella & McCulloch 1992, Variance Components, section 3.6.
    """
    centre = values.mean(axis=0)
    place, speaker_count = numbered(speakers)
    known = place >= 0
    sizes = np.bincount(place[known], minlength=speaker_count)
    total = sizes.sum()
    if speaker_count < 2 or total == speaker_count:
        return Prior(centre, np.full(values.shape[1], np.inf))
    means = np.zeros((speaker_count, values.shape[1]))
    np.add.at(means, place[known], values[known])
    means /= sizes[:, None]
    inside = np.square(values[known] - means[place[known]]).sum(axis=0)
    within = inside / (total - speaker_count)
    spread = sizes @ np.square(means - sizes @ means / total) / (speaker_count - 1)
    usual_size = (total - np.square(sizes).sum() / total) / (speaker_count - 1)
    between = (spread - within) / usual_size
    differ = between > 0
    return Prior(centre, np.where(differ, within / np.where(differ, between, 1.0), np.inf))


def numbered(speakers: Sequence[str | None]) -> tuple[Rows, int]:
    """[N] the number of each clip's speaker, -1 where unknown; and how many speakers there are."""
    names = sorted({name for name in speakers if name is not None})
    numbers = {name: number for number, name in enumerate(names)}
    return np.array([-1 if n is None else numbers[n] for n in speakers], dtype=np.intp), len(names)


def drawn_support(speakers: Sequence[str | None], shots: int, rng: np.random.Generator) -> Rows:
    """[N, shots]: for each clip the rows of that many other clips of its speaker, at random.

    A speaker with fewer others gives what there is: -1 stands for none, and for unknown speakers.
    """
    drawn = np.full((len(speakers), shots), -1, dtype=np.intp)
    place, _ = numbered(speakers)
    by_speaker = np.split(
        np.argsort(place, kind="stable"), np.cumsum(np.bincount(place + 1, minlength=1))[:-1]
    )[1:]
    for rows in by_speaker:
        order = rng.permutation(rows)
        for turn in range(min(shots, len(rows) - 1)):
            drawn[order, turn] = np.roll(order, -1 - turn)
    return drawn


def mean_of(values: Floats, drawn: Rows) -> tuple[Floats, Rows]:
    """Means [n, D] of the drawn rows [n, k] of values [N, D], and how many [n, D] were known.

    NaN and -1 are left out; the mean of none is 0.
    """
    chosen = values[drawn]
    known = (drawn >= 0)[..., None] & ~np.isnan(chosen)
    count = known.sum(axis=1)
    return np.where(known, chosen, 0.0).sum(axis=1) / np.maximum(count, 1), count
