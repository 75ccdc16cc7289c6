"""A clip as a page holds it: a small MP3 in the page itself, and its waveform."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from affectbench.audio.decode import decode_file
from affectbench.audio.prepare import RATE_HZ, prepare
from affectbench.errors import AffectBenchError

LONGEST_S: Final = 3.0
TYPES: Final = {"MP3": "audio/mpeg", "WAV": "audio/wav"}
FADE_S: Final = 0.05  # at the end of what is cut


@dataclass(frozen=True, slots=True)
class Sound:
    """What is heard of a clip."""

    samples: NDArray[np.int16]  # [T] at ``RATE_HZ``
    whole_s: float  # of the clip

    @property
    def cut(self) -> bool:
        """Whether the clip goes on."""
        return self.whole_s * RATE_HZ > len(self.samples) + 1

    def address(self) -> str:
        """MP3 as a ``data:`` address, WAV where libsndfile is older; equal for equal samples."""
        import soundfile

        form = "MP3" if "MP3" in soundfile.available_formats() else "WAV"
        file = io.BytesIO()
        soundfile.write(file, self.samples, RATE_HZ, format=form)
        return f"data:{TYPES[form]};base64,{base64.b64encode(file.getvalue()).decode()}"


def sound_of(path: Path) -> Sound | None:
    """The first seconds of a file at 16 kHz; None where it cannot be read any more."""
    try:
        decoded = decode_file(path)
        samples = prepare(decoded.samples, decoded.rate_hz)
    except AffectBenchError:
        return None
    whole_s = len(samples) / RATE_HZ
    if whole_s > LONGEST_S:
        samples = samples[: int(LONGEST_S * RATE_HZ)].copy()
        fade = int(FADE_S * RATE_HZ)
        samples[-fade:] = (samples[-fade:] * np.linspace(1, 0, fade)).astype(np.int16)
    return Sound(samples, whole_s)
