"""Log-mel spectrograms: one description, a numpy face and a torch face that give the same values.

``Mel`` says how: window, hop, bands. ``log_mel`` is for feature sets that run on the CPU,
``torch_log_mel`` for networks that hear batches of waves on their device.

Frames are ``n_fft`` samples long, every ``hop`` samples. With ``center`` the first is centred on
the first sample: the wave is continued by ``n_fft // 2`` samples at both ends, by zeros or by its
mirror image ("reflect"), and gives F = 1 + T // hop frames. Without it, F = 1 + (T - n_fft) // hop.

The mel scales and the area norm are those of Slaney's Auditory Toolbox (1998) and of HTK (Young et
al., The HTK Book), as librosa computes them; the triangles are drawn in Hz.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from affectbench.errors import BadData
from affectbench.types import Floats

if TYPE_CHECKING:
    from torch import Tensor

Scale = Literal["slaney", "htk"]
Norm = Literal["slaney", "none"]
Pad = Literal["constant", "reflect"]
FULL_SCALE: Final = 32_768  # int16 samples are divided by it
BLOCK: Final = 2_048  # frames transformed at once: bounds memory where clips are long


@dataclass(frozen=True, slots=True, kw_only=True)
class Mel:
    """How a log-mel spectrogram is made.

    The value of a band is 10 log10(max(power, floor)), in dB of the power of a wave of full scale
    1: silence gives ``10 log10(floor)``, -100 dB by default.
    """

    n_fft: int = 512  # samples of a frame, and of its transform
    hop: int = 160  # samples from frame to frame
    n_mels: int = 64
    low_hz: float = 50.0  # where the lowest band begins
    high_hz: float = 8_000.0  # where the highest ends; at most rate_hz / 2
    rate_hz: int = 16_000
    scale: Scale = "slaney"
    norm: Norm = "slaney"  # "slaney": every triangle has area 1 (in Hz); "none": height 1
    window: str = "hann"  # a name that scipy.signal.get_window knows
    center: bool = True
    pad: Pad = "reflect"
    floor: float = 1e-10

    @property
    def least(self) -> int:
        """The fewest samples that give a spectrogram."""
        if not self.center:
            return self.n_fft
        return self.n_fft // 2 + 1 if self.pad == "reflect" else 1

    def frames(self, samples: int) -> int:
        """F, the frames of a wave of that many samples."""
        return 1 + (samples if self.center else samples - self.n_fft) // self.hop

    def filters(self) -> NDArray[np.float32]:
        """[n_mels, n_fft // 2 + 1]: its mel filter bank."""
        return filters(
            self.n_mels,
            self.n_fft,
            self.rate_hz,
            self.low_hz,
            self.high_hz,
            scale=self.scale,
            norm=self.norm,
        )


def hz_to_mel(hz: Any, scale: Scale = "slaney") -> Any:
    """Mel of a frequency, or of an array of them.

    "slaney": hz * 3 / 200 below 1 kHz, logarithmic above (27 mel for a factor of 6.4).
    "htk": 2595 log10(1 + hz / 700).
    """
    hz = np.asarray(hz, np.float64)
    if scale == "htk":
        return 2595 * np.log10(1 + hz / 700)
    return np.where(hz < 1000, hz * 3 / 200, 15 + 27 * np.log(np.maximum(hz, 1) / 1000) / _LOG)


def mel_to_hz(mel: Any, scale: Scale = "slaney") -> Any:
    """The inverse of ``hz_to_mel``."""
    mel = np.asarray(mel, np.float64)
    if scale == "htk":
        return 700 * (10 ** (mel / 2595) - 1)
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp(_LOG * (mel - 15) / 27))


_LOG: Final = np.log(6.4)


@lru_cache(maxsize=32)
def filters(
    n_mels: int,
    n_fft: int,
    rate_hz: int,
    low_hz: float,
    high_hz: float,
    scale: Scale = "slaney",
    norm: Norm = "slaney",
) -> NDArray[np.float32]:
    """[n_mels, n_fft // 2 + 1]: triangles that sum the power of FFT bins into mel bands.

    Band edges are equidistant in mel from ``low_hz`` to ``high_hz``. A band narrower than the bins
    may hold none of them: its row is then zero, and so is its power. The array is read-only.

    Raises:
        ValueError: the frequencies do not fit, or a number is not positive.
    """
    if not 0 <= low_hz < high_hz <= rate_hz / 2:
        raise ValueError(
            f"mel bands from {low_hz:g} to {high_hz:g} Hz: expected 0 <= low < high <= "
            f"{rate_hz / 2:g}, half the sampling rate"
        )
    if n_mels < 1 or n_fft < 2:
        raise ValueError(f"{n_mels} bands of {n_fft} samples: expected at least 1 and 2")
    bins = np.arange(n_fft // 2 + 1) * (rate_hz / n_fft)
    ends = hz_to_mel(np.array([low_hz, high_hz]), scale)
    edges = mel_to_hz(np.linspace(ends[0], ends[1], n_mels + 2), scale)
    low, middle, high = (edges[at : at + n_mels, None] for at in range(3))
    rising = (bins - low) / (middle - low)
    falling = (high - bins) / (high - middle)
    bank = np.maximum(0, np.minimum(rising, falling))
    if norm == "slaney":
        bank *= 2 / (high - low)
    result = np.asarray(bank, np.float32)
    result.setflags(write=False)
    return result


def power(
    wave: NDArray[Any],
    n_fft: int,
    hop: int,
    *,
    window: str = "hann",
    center: bool = True,
    pad: Pad = "reflect",
) -> NDArray[np.float32]:
    """[F, n_fft // 2 + 1]: squared magnitudes of the transforms of the windowed frames.

    Computed in double precision. ``wave`` [T] is int16, or floats of full scale 1.

    Raises:
        BadData: the wave is too short (``Mel.least``), or not [T].
    """
    mel = Mel(n_fft=n_fft, hop=hop, window=window, center=center, pad=pad)
    return np.concatenate([block.astype(np.float32) for block in _power_blocks(wave, mel)])


def log_mel(wave: NDArray[Any], mel: Mel) -> NDArray[np.float32]:
    """[F, n_mels] in dB: the log-mel spectrogram of a wave [T], int16 or floats of full scale 1.

    Raises:
        BadData: the wave is too short (``Mel.least``), or not [T].
    """
    bank = mel.filters().T.astype(np.float64)
    bands = [(block @ bank).astype(np.float32) for block in _power_blocks(wave, mel)]
    return np.asarray(10 * np.log10(np.maximum(np.concatenate(bands), np.float32(mel.floor))))


def torch_log_mel(waves: Tensor, mel: Mel) -> Tensor:
    """[B, F, n_mels] in dB: the same of waves [B, T] of full scale 1, on their device.

    In the precision of ``waves``. float64 gives the values of ``log_mel`` to 1e-4 dB; so does
    float32 for bands within 60 dB of the loudest, while the rounding of a transform in single
    precision shows in those far below.

    Raises:
        BadData: the waves are too short (``Mel.least``).
    """
    import torch
    from scipy.signal import get_window

    if waves.shape[-1] < mel.least:
        raise BadData(_too_short(waves.shape[-1], mel))
    window = torch.tensor(get_window(mel.window, mel.n_fft), dtype=waves.dtype)
    spectrum = torch.stft(
        waves,
        n_fft=mel.n_fft,
        hop_length=mel.hop,
        window=window.to(waves.device),
        center=mel.center,
        pad_mode=mel.pad,
        return_complex=True,
    )
    bank = torch.tensor(mel.filters(), dtype=waves.dtype, device=waves.device)
    bands = (spectrum.real**2 + spectrum.imag**2).transpose(1, 2) @ bank.T
    return 10 * torch.log10(bands.clamp(min=mel.floor))


def _power_blocks(wave: NDArray[Any], mel: Mel) -> Iterator[Floats]:
    """Power spectra of up to ``BLOCK`` frames at a time."""
    from scipy.fft import rfft
    from scipy.signal import get_window

    if wave.ndim != 1:
        raise BadData(f"A wave of shape {wave.shape}; expected [T], mono.")
    if len(wave) < mel.least:
        raise BadData(_too_short(len(wave), mel))
    whole = wave.astype(np.float64)
    if np.issubdtype(wave.dtype, np.integer):
        whole /= FULL_SCALE
    if mel.center:
        whole = np.pad(whole, mel.n_fft // 2, mode=mel.pad)
    frames = np.lib.stride_tricks.sliding_window_view(whole, mel.n_fft)[:: mel.hop]
    window = get_window(mel.window, mel.n_fft)
    for start in range(0, len(frames), BLOCK):
        spectrum = rfft(frames[start : start + BLOCK] * window)
        yield spectrum.real**2 + spectrum.imag**2


def _too_short(samples: int, mel: Mel) -> str:
    """The message for a wave that gives no frame."""
    return (
        f"A wave of {samples:,} samples is too short for frames of {mel.n_fft:,}: expected at "
        f"least {mel.least:,}. Pad it with zeros."
    )
