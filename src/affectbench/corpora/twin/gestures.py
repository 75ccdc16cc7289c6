"""What makes a laugh a laugh: pitch, voicing and breath over time, for each kind of burst."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from affectbench.types import Floats

FRAME_HZ: Final = 200


@dataclass(frozen=True, slots=True)
class Contours:
    """Values at 200 Hz, [F + 1] each."""

    pitch: Floats  # semitones above the speaker's habitual pitch
    voicing: Floats  # amplitude of the glottal pulses
    breath: Floats  # amplitude of the noise

    def toward(self, other: Contours, share: float) -> Contours:
        """These with ``share`` of the others mixed in."""
        return Contours(
            pitch=(1 - share) * self.pitch + share * other.pitch,
            voicing=(1 - share) * self.voicing + share * other.voicing,
            breath=(1 - share) * self.breath + share * other.breath,
        )


class Gesture:
    """Time axes and controls of one burst of F frames; every kind draws its contours from it."""

    def __init__(self, frames: int, how: Mapping[str, float], rng: np.random.Generator) -> None:
        self.rng = rng
        self.s = np.arange(frames + 1) / FRAME_HZ  # seconds
        self.u = self.s / self.s[-1]  # 0 to 1
        self.span = 2.0 ** (0.5 * how["range"])  # factor on pitch movement
        self.rate = 2.0 ** (0.35 * how["rate"])  # factor on rhythms
        self.attack_s = 0.09 * 2.0 ** (-0.8 * how["attack"])
        self.drift = 2.5 * how["slope"] * (self.u - 0.5)  # semitones
        self.level = 2.2 * how["pitch"]  # semitones

    def pitch(self, contour: Floats, at: float = 0.0) -> Floats:
        """``contour`` (semitones) widened by the range, with drift and level, about ``at``."""
        return np.asarray(at + self.level + self.drift + self.span * contour)

    def edges(self, release_s: float = 0.12) -> Floats:
        """An envelope that opens with the attack and closes before the end."""
        start = 0.04 + 0.06 * self.rng.random()
        end = self.s[-1] - 0.05
        rise = np.clip((self.s - start) / self.attack_s, 0, 1)
        fall = np.clip((end - self.s) / release_s, 0, 1)
        return np.asarray(_smooth(rise) * _smooth(fall))

    def calls(self, rate_hz: float, duty: float) -> tuple[Floats, Floats]:
        """A rhythm: envelope of its calls, and how far each call is (0 to 1; 1 in the gaps)."""
        wander = 0.12 * np.sin(2 * np.pi * (0.7 * self.s + self.rng.random()))
        place = (rate_hz * self.rate * self.s + wander + 0.2 * self.rng.random()) % 1
        within = np.minimum(place / duty, 1)
        sharp = np.clip(self.attack_s / 0.09, 0.4, 2.5)
        return np.sin(np.pi * within**sharp) ** 1.5, within

    def wave(self, hz: float) -> Floats:
        """A sine of that frequency from a random phase."""
        return np.asarray(np.sin(2 * np.pi * (hz * self.s + self.rng.random())))


def laugh(g: Gesture) -> Contours:
    """Rhythmic voiced calls, each falling in pitch, breath between them, fading out."""
    call, within = g.calls(4.6, 0.62)
    fade = g.edges() * np.exp(-1.1 * g.u)
    return Contours(
        pitch=g.pitch(2 - 2.5 * within - 3 * g.u, at=4),
        voicing=call * fade,
        breath=(0.06 + 0.25 * (within >= 1)) * fade,
    )


def cry(g: Gesture) -> Contours:
    """Long falling voice with a tremor, broken by sobs."""
    tremor = g.wave(5.5 * g.rate)
    sob, within = g.calls(0.75, 0.8)
    voicing = g.edges(0.3) * np.sqrt(sob) * (1 + 0.35 * tremor)
    return Contours(
        pitch=g.pitch(2.5 - 5 * within + 0.9 * tremor, at=5),
        voicing=voicing,
        breath=g.edges() * (0.08 + 0.3 * (within >= 1)),
    )


def gasp(g: Gesture) -> Contours:
    """One swelling inhalation, cut off, then near silence; hardly any voice."""
    end = np.clip(0.6 / g.rate, 0.3, 0.85)
    swell = np.clip(g.u / end, 0, 1) ** np.clip(g.attack_s / 0.06, 0.5, 4)
    cut = _smooth(np.clip((end + 0.06 - g.u) / 0.06, 0, 1))
    voiced = 0.12 * (g.rng.random() < 0.5)
    return Contours(
        pitch=g.pitch(4 * g.u, at=6), voicing=voiced * swell * cut, breath=swell * cut + 0.02
    )


def groan(g: Gesture) -> Contours:
    """Long, low, slowly swelling and sinking."""
    swell = np.sin(np.pi * np.clip(g.u, 0, 1) ** 0.7)
    return Contours(
        pitch=g.pitch(1.5 - 4 * g.u, at=-4),
        voicing=g.edges(0.4) * (0.3 + swell),
        breath=0.08 * g.edges(0.4),
    )


def grunt(g: Gesture) -> Contours:
    """One or two short low pushes."""
    pushes = 1 + int(g.rng.random() < 0.35)
    push = np.zeros_like(g.s)
    for index in range(pushes):
        past = g.s - 0.08 - 0.42 * index / g.rate
        rise = _smooth(np.clip(past / (0.4 * g.attack_s), 0, 1))
        push += rise * np.exp(-np.maximum(past, 0) * 9 * g.rate)
    return Contours(
        pitch=g.pitch(3 * push - 1.5, at=-5), voicing=push * g.edges(), breath=0.12 * push
    )


def pant(g: Gesture) -> Contours:
    """Rhythmic breath, in and out, without voice."""
    out, _ = g.calls(2.6, 0.55)
    turn = (np.sin(2 * np.pi * g.s * 1.3 * g.rate) > 0) * 0.3 + 0.7
    return Contours(
        pitch=g.pitch(np.zeros_like(g.s)),
        voicing=0.05 * out * g.edges(),
        breath=(out * turn + 0.03) * g.edges(),
    )


def scream(g: Gesture) -> Contours:
    """A high arc, loud all through."""
    arc = 4 * np.sin(np.pi * g.u**0.6)
    return Contours(
        pitch=g.pitch(arc + 0.4 * g.wave(7.0), at=13),
        voicing=g.edges(0.15) * (0.85 + 0.15 * g.wave(9.0)),
        breath=0.15 * g.edges(0.15),
    )


def other(g: Gesture) -> Contours:
    """Whatever is left: a held or slowly pulsing sound of any pitch course and breathiness."""
    bend = g.rng.normal(0, 3) * np.sin(np.pi * g.u) + g.rng.normal(0, 3) * (g.u - 0.5)
    pulse = 1 + g.rng.uniform(0, 0.8) * g.wave(g.rng.uniform(0.8, 2.5) * g.rate)
    breath = g.rng.uniform(0.05, 0.6)
    return Contours(
        pitch=g.pitch(bend, at=1),
        voicing=(1 - breath) * pulse * g.edges(),
        breath=breath * pulse * g.edges(),
    )


def _smooth(x: Floats) -> Floats:
    """0 to 1 with level ends."""
    return np.asarray(x * x * (3 - 2 * x))


GESTURES: Final[Mapping[str, Callable[[Gesture], Contours]]] = {
    "Cry": cry,
    "Gasp": gasp,
    "Groan": groan,
    "Grunt": grunt,
    "Laugh": laugh,
    "Other": other,
    "Pant": pant,
    "Scream": scream,
}
