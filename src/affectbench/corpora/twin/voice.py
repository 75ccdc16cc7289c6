"""Synthesis of one vocal burst: glottal pulses and breath noise through a vocal tract.

    kind, control --> contours at 200 Hz: pitch, voicing, breath --> source [T] --> tract --> wave
                        (``gestures.py``)

The source is the derivative of a polynomial glottal flow (Klatt & Klatt 1990,
doi:10.1121/1.398894, eq. 1) with jitter, shimmer and subharmonics; the tract is a cascade of
formant resonators scaled by its length. Nothing loops over samples or pulses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affectbench.corpora.twin.cast import TYPES
from affectbench.corpora.twin.gestures import FRAME_HZ, GESTURES, Contours, Gesture
from affectbench.corpora.twin.latent import CONTROLS
from affectbench.types import Floats

RATE_HZ: Final = 16_000
HOP: Final = RATE_HZ // FRAME_HZ  # samples between two values of a contour
PEAK: Final = round(10 ** (-3 / 20) * 2**15)  # -3 dBFS
TRACT_CM: Final = 17.0  # the length to which formants refer
LONGEST_S: Final = 9.9
SHORTEST_S: Final = 0.35

# First four formants (Hz, for a 17 cm tract) and mean duration (s) of each kind of burst.
VOWELS: Final = {
    "Cry": (560, 1500, 2550, 3500),
    "Gasp": (620, 1250, 2500, 3500),
    "Groan": (470, 950, 2350, 3300),
    "Grunt": (400, 1150, 2300, 3300),
    "Laugh": (720, 1250, 2500, 3500),
    "Other": (520, 1650, 2500, 3450),
    "Pant": (680, 1400, 2450, 3500),
    "Scream": (880, 1550, 2750, 3700),
}
SECONDS: Final = {
    "Cry": 3.4,
    "Gasp": 1.55,
    "Groan": 2.3,
    "Grunt": 1.15,
    "Laugh": 2.9,
    "Other": 2.1,
    "Pant": 2.9,
    "Scream": 2.3,
}
BANDWIDTHS: Final = np.array([90.0, 110.0, 160.0, 240.0])  # Hz
LEAN: Final = 0.75  # largest share of another kind in a burst
ROUGHNESS: Final = {"Scream": 0.35, "Groan": 0.2, "Grunt": 0.2}  # beyond what tension adds


@dataclass(frozen=True, slots=True)
class Throat:
    """What a speaker brings to every burst."""

    f0_hz: float
    tract_cm: float
    age: float  # years


def burst(
    kind: str, control: NDArray[np.float32], throat: Throat, rng: np.random.Generator
) -> NDArray[np.int16]:
    """One clip [T] at 16 kHz, its highest sample at -3 dBFS.

    Args:
        kind: One of ``TYPES``.
        control: [10], how it is done, in standard deviations, in the order of ``CONTROLS``.
        throat: Who does it.
        rng: Draws the noise and all that two bursts of one recipe differ by.
    """
    how = dict(zip(CONTROLS, np.clip(control, -3, 3).tolist(), strict=True))
    seconds = SECONDS[kind] * np.exp(0.28 * how["length"] + 0.15 * rng.standard_normal() - 0.03)
    frames = round(FRAME_HZ * float(np.clip(seconds, SHORTEST_S, LONGEST_S)))
    gesture = Gesture(frames, how, rng)
    # No burst is pure: each leans a little, seldom a lot, toward another kind.
    lean, toward = LEAN * rng.random() ** 2, str(rng.choice(TYPES))
    contours = GESTURES[kind](gesture).toward(GESTURES[toward](gesture), lean)
    vowel = np.array(VOWELS[kind]) ** (1 - lean) * np.array(VOWELS[toward]) ** lean
    noise = rng.standard_normal(frames * HOP, dtype=np.float32)
    hiss = np.diff(noise, prepend=np.float32(0))  # turbulence is bright
    breath = np.float32(0.6 * np.exp(0.5 * how["breath"])) * hiss
    rough = ROUGHNESS.get(kind, 0.0) + 0.12 * max(how["rough"] + 0.7, 0.0)
    source = glottis(contours, throat, rough, how["effort"], rng)
    source += upsample(contours.breath) * breath
    wave = _tract(source, vowel, how, throat, rng)
    # A recording's noise floor: effort is heard against it, since the peak level is fixed.
    floor = 10 ** ((-46 - 5 * how["effort"] + 4 * rng.standard_normal()) / 20)
    wave += np.float32(floor * np.abs(wave).max()) * noise[::-1]
    return np.asarray(np.round(wave * (PEAK / np.abs(wave).max())), dtype=np.int16)


def upsample(contour: Floats) -> NDArray[np.float32]:
    """[F + 1] values at 200 Hz as [F * HOP] samples, linearly between them."""
    ramp = np.arange(HOP, dtype=np.float32) / HOP
    values = contour.astype(np.float32)
    return np.asarray((values[:-1, None] + np.diff(values)[:, None] * ramp).ravel())


def glottis(
    contours: Contours, throat: Throat, rough: float, effort: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Glottal pulses [T]: the rougher, the more jitter and the weaker every second pulse."""
    f0 = throat.f0_hz * 2 ** (np.clip(contours.pitch, -14, 30) / 12)
    phase = np.cumsum(upsample(f0), dtype=np.float64) / RATE_HZ
    pulses = int(phase[-1]) + 3
    cycle = phase.astype(np.int32)
    age = (throat.age - 30) / 10
    jitter = (0.01 + 0.006 * age + 0.04 * rough) * rng.standard_normal(pulses)
    # Jitter moves along the cycle from one pulse's error to the next one's.
    late = (phase - cycle).astype(np.float32)
    errors = jitter.astype(np.float32)
    phase += errors[cycle] + late * np.diff(errors)[cycle]
    cycle = np.maximum(phase, 0).astype(np.int32)
    level = 1 + (0.04 + 0.15 * rough) * rng.standard_normal(pulses)
    level[1::2] -= np.minimum(rough, 0.9)
    open_quotient = np.clip(0.6 - 0.08 * effort, 0.35, 0.85)
    x = ((phase - cycle) / open_quotient).astype(np.float32)
    flow = np.where(x < 1, x * (2 - 3 * x), np.float32(0))
    return np.asarray(flow * level.astype(np.float32)[cycle] * upsample(contours.voicing))


def _tract(
    source: NDArray[np.float32],
    vowel: Floats,
    how: dict[str, float],
    throat: Throat,
    rng: np.random.Generator,
) -> Any:
    """The source [T] through tilt and formants: effort adds treble, a smile raises formants."""
    from scipy.signal import sosfilt

    scale = TRACT_CM / throat.tract_cm * np.exp(0.06 * how["smile"])
    formants = vowel * scale * np.exp(0.04 * rng.standard_normal(4))
    return sosfilt(resonators(formants, how["effort"]), source)


def resonators(formants: Floats, effort: float) -> NDArray[np.float32]:
    """[5, 6] second-order sections: four formants (Hz), and a tilt that effort levels out."""
    radius = np.exp(-np.pi * BANDWIDTHS / RATE_HZ)
    turn = 2 * np.pi * np.minimum(formants, 0.46 * RATE_HZ) / RATE_HZ
    sections = np.zeros((5, 6), dtype=np.float32)
    sections[:, 3] = 1
    sections[:4, 4] = -2 * radius * np.cos(turn)
    sections[:4, 5] = radius**2
    sections[:4, 0] = sections[:4, 3:].sum(axis=1)  # unit gain at 0 Hz
    tilt = 1 / (1 + np.exp(0.7 * effort + 0.7))
    sections[4, [0, 4]] = 1 - tilt, -tilt
    return sections
