"""Samples at any rate to the form that every system reads: 16 kHz, mono, -3 dBFS peak, int16."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Final

import numpy as np
from numpy.typing import NDArray

from affectbench.errors import BadData

RATE_HZ: Final = 16_000
PEAK_DBFS: Final = -3.0
QUALITY: Final = "HQ"
VERSION: Final = 1  # raised when the same samples would come out otherwise


def prepare(samples: NDArray[np.float32], rate_hz: int) -> NDArray[np.int16]:
    """[T] at ``rate_hz`` to [T'] at 16 kHz whose largest sample lies at -3 dBFS.

    Resampled by soxr HQ, scaled by the peak after resampling, rounded to the nearest int16 (full
    scale is 32,768). Silence stays zeros.

    Raises:
        BadData: too short to hold one sample at 16 kHz.
    """
    import soxr

    wave = np.asarray(samples, np.float64)
    if rate_hz != RATE_HZ:
        wave = np.asarray(soxr.resample(samples, rate_hz, RATE_HZ, quality=QUALITY), np.float64)
    if not wave.size:
        raise BadData(f"too short: {len(samples)} samples at {rate_hz:,} Hz give none at 16 kHz")
    peak = np.abs(wave).max()
    if peak > 0:
        wave *= 10 ** (PEAK_DBFS / 20) * 32768 / peak
    return np.rint(wave).astype(np.int16)


def identity() -> dict[str, str]:
    """All that a prepared wave depends on besides the bytes of the file."""
    import soundfile
    import soxr

    try:
        av = version("av")
    except PackageNotFoundError:
        av = "absent"  # then the files that need it are not readable
    return {
        "prepare": str(VERSION),
        "rate_hz": str(RATE_HZ),
        "peak_dbfs": str(PEAK_DBFS),
        "quality": QUALITY,
        "soundfile": soundfile.__version__,
        "libsndfile": soundfile.__libsndfile_version__,
        "soxr": soxr.__version__,
        "av": av,
    }
