"""A synthetic clip as the originals of a corpus come: 48 kHz at any level, or Opus in WebM."""

from __future__ import annotations

import zlib
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from affectbench.corpora.twin.voice import RATE_HZ
from affectbench.errors import AffectBenchError, MissingExtra

RAW_HZ: Final = 48_000
GAIN_DB: Final = (-18.0, 0.0)  # level of an original against the prepared clip
BIT_RATE: Final = 48_000  # of Opus, bits a second
FRAME: Final = 960  # samples of an Opus packet at 48 kHz


def chosen(what: str, share: float, total: int, seed: int) -> NDArray[np.bool_]:
    """Which of ``total`` clips have a second file: ``share`` of them, rounded, drawn by the seed.

    Raises:
        AffectBenchError: ``share`` is not in [0, 1].
    """
    if not 0 <= share <= 1:
        raise AffectBenchError(
            f"The share '{what}' of a twin is {share}; expected 0 to 1, where 0 makes none."
        )
    count = int(share * total + 0.5)
    rng = np.random.default_rng([seed, total, zlib.crc32(what.encode())])
    return rng.permutation(np.arange(total) < count)


def need_av() -> None:
    """Raise ``MissingExtra`` where PyAV, which writes WebM, is not installed."""
    if find_spec("av") is None:
        raise MissingExtra("av", "webm")


def write_raw(path: Path, wave: NDArray[np.int16], rng: np.random.Generator) -> None:
    """The clip at 48 kHz, 16 bit, at the level that its microphone happened to have."""
    from scipy.io import wavfile

    wavfile.write(path, RAW_HZ, _at_48_khz(wave, 10 ** (rng.uniform(*GAIN_DB) / 20)))


def _at_48_khz(wave: NDArray[np.int16], gain: float) -> NDArray[np.int16]:
    from scipy.signal import resample_poly

    raised = resample_poly(wave.astype(np.float32) * gain, RAW_HZ // RATE_HZ, 1)
    return np.asarray(np.clip(np.round(raised), -(2**15), 2**15 - 1), dtype=np.int16)


def write_webm(path: Path, wave: NDArray[np.int16]) -> None:
    """The clip as Opus in WebM; the same samples give the same bytes."""
    import av

    samples = _at_48_khz(wave, 1.0)[None]
    with av.open(str(path), "w", format="webm", options={"fflags": "+bitexact"}) as file:
        stream = file.add_stream("libopus", rate=RAW_HZ, layout="mono")
        stream.bit_rate = BIT_RATE
        for start in range(0, samples.shape[1], FRAME):
            piece = np.ascontiguousarray(samples[:, start : start + FRAME])
            frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
            frame.sample_rate = RAW_HZ
            frame.pts = start
            frame.time_base = Fraction(1, RAW_HZ)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
