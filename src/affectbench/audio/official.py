"""The organisers' preparation of clips, to the letter; prepared waves as the bytes of a file."""

from __future__ import annotations

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray

from affectbench.audio.prepare import QUALITY, RATE_HZ
from affectbench.errors import BadData

PEAK: Final = 0.7079  # as the script has it: -3.0 dB


def official_wave(samples: NDArray[np.float32], rate_hz: int) -> NDArray[np.int16]:
    """[T] at ``rate_hz`` to [T'] at 16 kHz as the organisers' script computes it.

    Resampled by soxr HQ to T' = ceil(T * 16,000 / rate_hz) samples (``librosa.load``), scaled in
    float32 to a largest magnitude of 0.7079, times 32,767, cut toward zero to int16. Silence stays
    zeros, where the script divides by zero. Source: EIHW/ComParE2023, src/preprocessing/wav.py.

    Raises:
        BadData: no samples.
    """
    import soxr

    wave = np.asarray(samples, np.float32)
    if rate_hz != RATE_HZ:
        length = int(np.ceil(len(wave) * (RATE_HZ / rate_hz)))
        wave = np.asarray(soxr.resample(wave, rate_hz, RATE_HZ, quality=QUALITY))[:length]
        wave = np.pad(wave, (0, length - len(wave)))
    if not wave.size:
        raise BadData("holds no samples")
    peak = np.abs(wave).max()
    if peak > 0:
        wave = wave * (np.float32(PEAK) / peak)
    return (wave * np.float32(np.iinfo(np.int16).max)).astype(np.int16)


def encode(wave: NDArray[np.int16], form: str) -> bytes:
    """[T] at 16 kHz as the bytes of a 16-bit ``wav`` or ``flac``: equal waves, equal bytes."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, wave, RATE_HZ, format=form.upper(), subtype="PCM_16")
    return file.getvalue()
