"""What a clip looks like, small enough to have hundreds of them on a page."""

from __future__ import annotations

from typing import Any, Final
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from affectbench.report.figures import svg
from affectbench.report.figures.sheet import ACCENT, LINE, ROLES
from affectbench.types import Floats

WIDTH: Final = 240  # px
HEIGHT: Final = 40
COLUMNS: Final = 120  # of the envelope
FULL: Final = 2**15  # of a sample, in absolute value


def waveform(
    samples: NDArray[np.int16] | NDArray[Any], rate_hz: int, *, name: str, title: str = ""
) -> str:
    """Lowest and highest sample of each of 120 stretches of a clip, scaled to its own peak.

    The peak itself is told in words. Needs no matplotlib.

    Args:
        samples: [T] int16; empty: a line.
        rate_hz: samples a second.
        name: which the ids begin with.
        title: instead of ``Waveform``.

    Raises:
        ValueError: there are several channels, the samples are not int16, or the rate is not
            above 0.
    """
    samples = np.asarray(samples)
    if samples.ndim != 1 or (len(samples) and samples.dtype != np.int16):
        raise ValueError(f"Samples are {samples.dtype} {samples.shape}; expected int16 [T].")
    if not rate_hz > 0:
        raise ValueError(f"The rate is {rate_hz} Hz; expected more than 0.")
    peak = int(np.abs(samples.astype(np.int32)).max(initial=0))
    told = f"{len(samples) / rate_hz:.2f} seconds, peak at {peak / FULL:.1%} of the full range."
    whole = svg.root(name, WIDTH, HEIGHT, title or "Waveform", told)
    line = {"d": f"M0 {HEIGHT / 2:g}H{WIDTH}", "style": f"stroke:{ROLES[LINE]}"}
    ET.SubElement(whole, "path", line)
    if peak:
        shape = {"d": _envelope(samples / peak), "style": f"fill:{ROLES[ACCENT]}"}
        ET.SubElement(whole, "path", shape)
    return svg.written(whole)


def _envelope(samples: Floats) -> str:
    """The outline of samples in -1..1 [T]: the highest from left to right, the lowest back."""
    columns = min(COLUMNS, len(samples))
    starts = np.arange(columns) * len(samples) // columns
    high, low = np.maximum.reduceat(samples, starts), np.minimum.reduceat(samples, starts)
    x = np.linspace(0, WIDTH, columns)
    middle = HEIGHT / 2
    up = [middle - 0.3 - (middle - 1) * max(value, 0) for value in high.tolist()]
    down = [middle + 0.3 - (middle - 1) * min(value, 0) for value in low.tolist()]
    there = [f"{a:.0f} {b:.1f}" for a, b in zip(x, up, strict=True)]
    back = [f"{a:.0f} {b:.1f}" for a, b in zip(x[::-1], down[::-1], strict=True)]
    return f"M{'L'.join(there + back)}z"
