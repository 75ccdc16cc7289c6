"""Synthesis of one spoken sentence: consonants and vowels with planted pitch and loudness.

    sentence (syllables, accents) --+--> contours at 200 Hz, formants --> source --> tract --> wave
    control (as of a burst) --------+

The blocks are those of ``voice.py``; the formants move from vowel to vowel in steps of 40 ms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affectbench.corpora.twin.gestures import FRAME_HZ, Contours
from affectbench.corpora.twin.latent import CONTROLS
from affectbench.corpora.twin.voice import (
    HOP,
    PEAK,
    TRACT_CM,
    Throat,
    glottis,
    resonators,
    upsample,
)
from affectbench.types import Floats

# First four formants (Hz, for a 17 cm tract) of five vowels: i e a o u.
VOWELS: Final = np.array(
    [
        (300, 2250, 2950, 3600),
        (480, 1850, 2550, 3500),
        (720, 1250, 2500, 3500),
        (480, 900, 2450, 3400),
        (330, 800, 2300, 3300),
    ],
    dtype=float,
)
# Onsets of a syllable: seconds, voicing and hiss while it lasts.
ONSETS: Final = np.array(
    [
        (0.00, 1.00, 0.00),  # none
        (0.06, 0.55, 0.02),  # nasal or liquid
        (0.07, 0.30, 0.12),  # voiced fricative
        (0.10, 0.00, 0.30),  # voiceless fricative
        (0.08, 0.02, 0.00),  # stop: a gap, then a puff
    ]
)
STOP: Final = 4
PUFF_S: Final = 0.015  # at the end of a stop
VOWEL_S: Final = 0.13  # of an unstressed syllable in the middle of a sentence
STEP: Final = 8  # frames for which formants stay: 40 ms
MARGIN_S: Final = (0.15, 0.35)  # silence before and after
SYLLABLES: Final = (3, 18)
LONGEST_S: Final = 12.0


@dataclass(frozen=True, slots=True)
class Sentence:
    """What is said, [Y] syllables, and how the seed stresses them."""

    vowel: NDArray[np.intp]  # index into VOWELS
    onset: NDArray[np.intp]  # index into ONSETS
    stress: Floats  # 0 to 1
    question: bool  # rises at the end


def draw_sentence(rng: np.random.Generator) -> Sentence:
    """A sentence of its own."""
    count = int(rng.integers(SYLLABLES[0], SYLLABLES[1], endpoint=True))
    stress = np.where(rng.random(count) < 0.35, rng.uniform(0.6, 1, count), 0.0)
    stress[rng.integers(count)] = 1.0
    return Sentence(
        vowel=rng.integers(len(VOWELS), size=count),
        onset=rng.integers(len(ONSETS), size=count),
        stress=stress,
        question=bool(rng.random() < 0.15),
    )


def speak(
    sentence: Sentence,
    control: NDArray[np.float32],
    throat: Throat,
    rng: np.random.Generator,
) -> NDArray[np.int16]:
    """One clip [T] at 16 kHz, its highest sample at -3 dBFS.

    Args:
        sentence: What is said.
        control: [10], how, in standard deviations, in the order of ``latent.CONTROLS``.
        throat: Who says it.
        rng: Draws the noise and all that two readings of one sentence differ by.
    """
    how = dict(zip(CONTROLS, np.clip(control, -3, 3).tolist(), strict=True))
    contours, hiss, formants = _contours(sentence, how, rng)
    frames = len(hiss) - 1
    noise = rng.standard_normal(frames * HOP, dtype=np.float32)
    bright = np.diff(noise, prepend=np.float32(0))
    rough = 0.05 + 0.1 * max(how["rough"] + 0.7, 0.0)
    source = glottis(contours, throat, rough, how["effort"], rng)
    source += upsample(contours.breath) * bright
    scale = TRACT_CM / throat.tract_cm * np.exp(0.06 * how["smile"])
    wave = _moving_tract(source, formants * scale, how["effort"])
    loud = np.float32(np.abs(wave).max())
    wave += upsample(hiss) * np.diff(bright, prepend=np.float32(0)) * loud
    floor = 10 ** ((-46 - 5 * how["effort"] + 4 * rng.standard_normal()) / 20)
    wave += np.float32(floor) * loud * noise[::-1]
    return np.asarray(np.round(wave * (PEAK / np.abs(wave).max())), dtype=np.int16)


def _contours(
    sentence: Sentence, how: dict[str, float], rng: np.random.Generator
) -> tuple[Contours, Floats, Floats]:
    """Contours and hiss [F + 1] at 200 Hz, and formants [F + 1, 4]."""
    count = len(sentence.vowel)
    pace = 2.0 ** (-0.25 * how["rate"]) * np.exp(0.06 * rng.standard_normal(count))
    last = np.arange(count) == count - 1
    stretch = 1 + 0.5 * sentence.stress + 0.6 * last * 2.0 ** (0.4 * how["length"])
    onset_s, voiced, hissed = ONSETS[sentence.onset].T
    onset_s = onset_s * pace
    before, after = rng.uniform(*MARGIN_S, size=2)
    end = before + np.cumsum(onset_s + VOWEL_S * pace * stretch)
    start = np.concatenate([[before], end[:-1]])
    total_s = min(float(end[-1]) + after, LONGEST_S)
    s = np.arange(round(total_s * FRAME_HZ) + 1) / FRAME_HZ

    at = np.minimum(np.searchsorted(end, s, side="right"), count - 1)  # syllable of each frame
    consonant = s < (start + onset_s)[at]
    spoken = (s >= before) & (s < end[-1])
    u = np.clip((s - before) / (end[-1] - before), 0, 1)

    span = 2.0 ** (0.5 * how["range"])
    tone = sentence.stress[at] * np.sin(np.pi * np.clip((s - start[at]) / (end - start)[at], 0, 1))
    close = (5.0 if sentence.question else -2.0) * np.clip((u - 0.8) / 0.2, 0, 1) ** 2
    drift = 3 * how["slope"] * (u - 0.5) - 2 * u
    pitch = 2.5 * how["pitch"] + drift + span * (4 * tone + close)

    attack = 2.0 ** (0.5 * how["attack"])
    level = (0.5 + 0.5 * sentence.stress[at] * attack) * (1 - 0.35 * u)
    sound = np.where(consonant, voiced[at], 1.0) * level * spoken
    puff = (sentence.onset[at] == STOP) & (s >= (start + onset_s)[at] - PUFF_S) & consonant
    hiss = (np.where(consonant, hissed[at], 0.0) + 0.35 * puff) * level * spoken
    voicing = _smoothed(sound)
    breath = 0.25 * np.exp(0.6 * how["breath"]) * voicing
    vowels = VOWELS[sentence.vowel][at] * np.exp(0.03 * rng.standard_normal(4))
    formants = np.stack([_smoothed(track) for track in vowels.T], axis=1)
    return Contours(pitch, voicing, breath), _smoothed(hiss), formants


def _smoothed(track: Floats) -> Floats:
    """The mean over 35 ms about each frame."""
    width = 7
    padded = np.pad(track, width // 2, mode="edge")
    return np.convolve(padded, np.full(width, 1 / width), mode="valid")


def _moving_tract(source: NDArray[np.float32], formants: Floats, effort: float) -> Any:
    """The source [T] through resonators that follow the formants, their state carried on."""
    from scipy.signal import sosfilt

    wave = np.empty_like(source)
    state = np.zeros((5, 2), dtype=np.float32)
    block = STEP * HOP
    for first in range(0, len(source), block):
        middle = min(first // HOP + STEP // 2, len(formants) - 1)
        piece = source[first : first + block]
        wave[first : first + block], state = sosfilt(
            resonators(formants[middle], effort), piece, zi=state
        )
    return wave
