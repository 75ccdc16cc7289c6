"""What a clip looks like, small enough to have hundreds of them on a page."""

from __future__ import annotations

from typing import Any, Final
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from affectbench.report.figures import svg
from affectbench.report.figures.sheet import ACCENT, LINE, ROLES

WIDTH: Final = 240  # px
HEIGHT: Final = 40
COLUMNS: Final = 120  # of the envelope
FULL: Final = 2**15  # of a sample, in absolute value


def waveform(
    samples: NDArray[np.int16] | NDArray[Any], rate_hz: int, *, name: str, title: str = ""
) -> str:
    """Lowest and highest sample of each of 120 stretches of a clip, over the full range of int16.

    Needs no matplotlib.

    Args:
        samples: [T] int16; empty: a line.
        rate_hz: samples a second.
        name: which the ids begin with.
        title: instead of ``Waveform``.

    Raises:
        ValueError: there are several channels, or the samples are not int16.
    """
    samples = np.asarray(samples)
    if samples.ndim != 1 or (len(samples) and samples.dtype != np.int16):
        raise ValueError(f"Samples are {samples.dtype} {samples.shape}; expected int16 [T].")
    peak = int(np.abs(samples.astype(np.int32)).max(initial=0)) / FULL
    told = f"{len(samples) / rate_hz:.2f} seconds, peak at {peak:.0%} of the full range."
    whole = svg.root(name, WIDTH, HEIGHT, title or "Waveform", told)
    line = {"d": f"M0 {HEIGHT / 2:g}H{WIDTH}", "style": f"stroke:{ROLES[LINE]}"}
    ET.SubElement(whole, "path", line)
    if len(samples):
        shape = {"d": _envelope(samples), "style": f"fill:{ROLES[ACCENT]}"}
        ET.SubElement(whole, "path", shape)
    return svg.written(whole)


def _envelope(samples: NDArray[np.int16]) -> str:
    """The outline as path data: the highest from left to right, the lowest back."""
    columns = min(COLUMNS, len(samples))
    starts = np.arange(columns) * len(samples) // columns
    high, low = np.maximum.reduceat(samples, starts), np.minimum.reduceat(samples, starts)
    x = np.linspace(0, WIDTH, columns) if columns > 1 else np.array([0.0])
    middle = HEIGHT / 2
    up = [middle - 0.3 - middle * max(value, 0) / FULL for value in high.tolist()]
    down = [middle + 0.3 - middle * min(value, 0) / FULL for value in low.tolist()]
    there = [f"{a:.0f} {b:.1f}" for a, b in zip(x, up, strict=True)]
    back = [f"{a:.0f} {b:.1f}" for a, b in zip(x[::-1], down[::-1], strict=True)]
    return f"M{'L'.join(there + back)}z"
