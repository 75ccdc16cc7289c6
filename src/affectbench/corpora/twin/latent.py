"""The planted model: what a speaker feels, how it sounds, and how raters hear it.

    latent z [N, 6] --+--> kind [N], the burst that is sounded --+--> sound (voice.py)
                      +--> control [N, 10], with execution noise +
                      +--> ratings = f(z) + rating noise          --> emotion and culture labels
    kind, z ------------> type label: the kind, or what confused raters take it for

Sound depends on labels through z and kind alone. So no listener can know more about a label than
an oracle that is told z, kind and country: ``ceiling.py`` computes what that oracle scores.
All weights below are invented; only the shares of the burst types are published.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from affectbench.corpora.exvo import COUNTRIES
from affectbench.corpora.twin.cast import TYPE_CLIPS, TYPES, Cast
from affectbench.types import Floats

LATENTS: Final = ("arousal", "valence", "power", "tension", "novelty", "softness")

# How strongly each emotion is heard: columns are LATENTS, the last is the intercept, which makes
# amusement and surprise frequent and triumph and awkwardness rare, as published.
EMOTION_WEIGHTS: Final = np.array(
    [
        [0.2, 0.7, -0.4, -0.5, 0.7, 0.9, -0.9],  # Awe
        [0.9, 0.9, 0.6, 0.0, 0.4, -0.4, -0.57],  # Excitement
        [0.3, 1.2, 0.2, -0.7, -0.2, -0.3, -0.32],  # Amusement
        [-0.6, -0.1, -0.7, 0.5, -0.1, 0.2, -1.33],  # Awkwardness
        [0.7, -0.8, -0.9, 0.6, 0.6, 0.2, -0.26],  # Fear
        [0.8, -1.0, -0.2, 1.0, 0.5, -0.4, -1.02],  # Horror
        [0.5, -0.9, -0.5, 0.9, -0.3, -0.2, -0.54],  # Distress
        [0.8, 0.8, 1.2, 0.2, -0.1, -0.6, -2.11],  # Triumph
        [-0.8, -0.9, -0.7, 0.0, -0.6, 0.5, -1.44],  # Sadness
        [0.5, 0.2, 0.0, -0.2, 1.4, 0.1, -0.01],  # Surprise
    ]
)
TWO_WEIGHTS: Final = np.array(
    [[0.0, 1.0, 0.2, -0.2, 0.0, 0.1, 0.1], [1.0, 0.0, 0.2, 0.2, 0.3, -0.2, 0.3]]
)  # valence, arousal
TYPE_WEIGHTS: Final = np.array(
    [
        [-0.2, -1.2, -0.6, 0.5, -0.4, 0.3],  # Cry
        [0.3, 0.1, -0.2, 0.0, 1.1, 0.4],  # Gasp
        [-0.7, -0.5, 0.1, 0.4, -0.5, 0.1],  # Groan
        [-0.4, -0.1, 0.8, 0.3, -0.3, -0.5],  # Grunt
        [0.4, 1.4, 0.1, -0.5, -0.3, -0.2],  # Laugh
        [-0.1, 0.2, 0.1, 0.0, 0.0, 0.0],  # Other
        [0.3, -0.1, -0.2, 0.2, -0.3, 0.8],  # Pant
        [1.1, -0.4, 0.5, 0.8, 0.4, -0.7],  # Scream
    ]
)
CONTROLS: Final = (
    "pitch",
    "range",
    "slope",
    "effort",
    "breath",
    "rough",
    "smile",
    "rate",
    "attack",
    "length",
)
CONTROL_WEIGHTS: Final = np.array(
    [
        [0.8, 0.0, -0.4, 0.3, 0.0, 0.0],  # pitch
        [0.4, 0.3, 0.0, 0.0, 0.5, 0.0],  # range
        [0.0, 0.0, 0.4, -0.2, 0.8, 0.0],  # slope
        [0.5, 0.0, 0.8, 0.0, 0.0, -0.2],  # effort
        [0.0, 0.0, 0.0, 0.0, 0.0, 1.0],  # breath
        [0.0, -0.2, 0.0, 1.0, 0.0, -0.1],  # rough
        [0.0, 1.0, 0.0, 0.0, 0.0, 0.0],  # smile
        [0.6, 0.4, 0.0, 0.0, 0.0, -0.4],  # rate
        [0.0, 0.0, 0.2, 0.0, 1.0, -0.2],  # attack
        [-0.4, 0.0, 0.3, -0.2, -0.2, 0.6],  # length
    ]
)

EXECUTION: Final = 0.2  # share of a control's variance that z does not explain
SPEAKER: Final = 0.1  # share of the variance of z that is the speaker's habit
ABROAD: Final = 0.3  # sd by which a country's habits and its raters' weights differ from the mean
RATING_NOISE: Final = 0.95  # sd, on the logit; of the mean over all raters of a clip
OUTGROUP_NOISE: Final = 1.3  # raters of another country than the speaker's are that much noisier
TWO_NOISE: Final = 0.85
AGREED: Final = 0.65  # share of clips whose type label is the sounded kind for certain


def country_habits() -> tuple[Floats, Floats]:
    """How countries differ, the same in every twin: shift of z [4, 6], emotion weights [4, 10, 7].

    Raters of a country hear with weights of their own; ``avb-culture`` is about that difference.
    """
    rng = np.random.default_rng(2022)
    habits = rng.normal(0, ABROAD, (len(COUNTRIES), len(LATENTS)))
    weights = EMOTION_WEIGHTS + rng.normal(0, ABROAD, (len(COUNTRIES), *EMOTION_WEIGHTS.shape))
    return habits - habits.mean(axis=0), weights


@dataclass(frozen=True, slots=True)
class Ratings:
    """Rating of C columns by each of P panels of raters, before any noise is drawn."""

    logit: NDArray[np.float32]  # [N, P, C]
    noise: NDArray[np.float32]  # [N, P] sd
    relative: bool  # True: a panel's ratings of a clip are divided by their maximum

    def rows(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> Ratings:
        """The same for some clips."""
        return Ratings(self.logit[chosen], self.noise[chosen], self.relative)

    def draw(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """One drawn rating of every clip, [N, P * C] in [0, 1], panel by panel."""
        noise = rng.standard_normal(self.logit.shape, dtype=np.float32) * self.noise[:, :, None]
        rating = 1 / (1 + np.exp(-(self.logit + noise)))
        if self.relative:
            rating /= rating.max(axis=-1, keepdims=True)
        return np.asarray(rating.reshape(len(rating), -1))


@dataclass(frozen=True, slots=True)
class Latent:
    """What the oracle is told of every clip, and the controls that shape its sound."""

    z: Floats  # [N, 6]
    control: NDArray[np.float32]  # [N, 10] unit variance, in the order of CONTROLS
    kind: NDArray[np.intp]  # [N] the burst that is sounded, index into TYPES
    type_chance: Floats  # [N, 8] P(type label | z, kind)
    ratings: dict[str, Ratings]  # high, two, culture


def type_chances(z: Floats) -> Floats:
    """P(kind | z), [N, 8]; over all clips the kinds have the published shares."""
    counts = np.sum(list(TYPE_CLIPS.values()), axis=0)
    share = counts / counts.sum()
    logit = z @ TYPE_WEIGHTS.T
    offset = np.log(share)
    for _ in range(50):  # a fixed point: each pass rescales every kind to its share
        chance = _softmax(logit + offset)
        offset += np.log(share / chance.mean(axis=0))
    return _softmax(logit + offset)


def draw_latent(
    cast: Cast, rng: np.random.Generator, *, speaker_offset: float = 0.0, alike: bool = False
) -> Latent:
    """Everything about every clip that comes before the ratings are drawn.

    Args:
        cast: speakers and clips.
        rng: what draws.
        speaker_offset: sd, on the logit, of what all raters add to each emotion (and to valence
            and arousal) of a speaker, whatever the clip. It cannot be heard: other clips of the
            speaker have to tell. What else is drawn does not depend on it.
        alike: whether speakers and countries have no habits: all feel the same things as often.
    """
    total, dims = len(cast.speaker), len(LATENTS)
    habits, weights = country_habits()
    habit = 0.0 if alike else SPEAKER
    own = rng.standard_normal((len(cast.name), dims))
    z = np.sqrt(habit) * own[cast.speaker]
    z += np.sqrt(1 - habit) * rng.standard_normal((total, dims))
    country = cast.country[cast.speaker]
    if not alike:
        z += habits[country]

    chance = type_chances(z)
    kind = np.argmax(np.log(chance) + rng.gumbel(size=chance.shape), axis=1)
    sure = np.eye(len(TYPES))[kind]
    unit = CONTROL_WEIGHTS / np.linalg.norm(CONTROL_WEIGHTS, axis=1, keepdims=True)
    control = np.sqrt(1 - EXECUTION) * z @ unit.T
    control += np.sqrt(EXECUTION) * rng.standard_normal(control.shape)

    foreign = country[:, None] != np.arange(len(COUNTRIES))
    panels = np.einsum("nd,pcd->npc", _with_one(z), weights)
    panel_noise = RATING_NOISE * np.where(foreign, OUTGROUP_NOISE, 1.0)
    added = rng.spawn(1)[0].standard_normal((len(cast.name), len(EMOTION_WEIGHTS) + 2))
    added = speaker_offset * added[cast.speaker]
    high, two = np.split(added, [len(EMOTION_WEIGHTS)], axis=1)
    panels += high[:, None]
    ratings = {
        "high": _ratings(_with_one(z) @ EMOTION_WEIGHTS.T + high, RATING_NOISE, relative=True),
        "two": _ratings(_with_one(z) @ TWO_WEIGHTS.T + two, TWO_NOISE, relative=False),
        "culture": Ratings(panels.astype(np.float32), panel_noise.astype(np.float32), True),
    }
    return Latent(
        z=z,
        control=control.astype(np.float32),
        kind=kind,
        type_chance=AGREED * sure + (1 - AGREED) * chance,
        ratings=ratings,
    )


def draw_types(latent: Latent, rng: np.random.Generator) -> NDArray[np.intp]:
    """The type label of every clip [N], index into TYPES."""
    noise = rng.gumbel(size=latent.type_chance.shape)
    return np.asarray(np.argmax(np.log(latent.type_chance) + noise, axis=1))


def _ratings(logit: Floats, noise: float, *, relative: bool) -> Ratings:
    one_panel = logit[:, None, :].astype(np.float32)
    return Ratings(one_panel, np.full((len(logit), 1), noise, dtype=np.float32), relative)


def _with_one(z: Floats) -> Floats:
    return np.column_stack([z, np.ones(len(z))])


def _softmax(logit: Floats) -> Floats:
    power = np.exp(logit - logit.max(axis=1, keepdims=True))
    return np.asarray(power / power.sum(axis=1, keepdims=True))
