"""Feature sets that compute next to nothing: the duration, and the waves themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from affectbench.errors import BadData
from affectbench.types import Extractor, FeatureSet

if TYPE_CHECKING:
    import polars as pl

RATE_HZ: Final = 16_000


def _seconds() -> Extractor:
    """An extractor of [1]: the duration in seconds."""

    def duration(wave: NDArray[np.int16]) -> NDArray[np.float32]:
        return np.array([len(wave) / RATE_HZ], np.float32)

    return duration


def _nothing_else() -> Mapping[str, str]:
    """The values depend on the samples alone."""
    return {}


def _duration_name() -> tuple[str, ...]:
    return ("duration_s",)


def _no_names() -> tuple[str, ...]:
    return ()


DURATION: Final = FeatureSet(
    name="duration",
    title="duration",
    dim=1,
    names=_duration_name,
    identity=_nothing_else,
    open=_seconds,
    licence="none needed",
    source="a control: the number of samples over the rate",
)

WAVES: Final = FeatureSet(
    name="waves",
    title="waves",
    dim=0,
    names=_no_names,
    identity=_nothing_else,
    waves=True,
    licence="none needed",
    source="prepared waves: mono, 16 kHz, 16 bit",
)


def _of_others(clips: pl.DataFrame) -> NDArray[np.float32]:
    """Nothing is known of a clip before other systems have predicted it."""
    raise BadData(
        f"Predictions of other systems are no features of {len(clips):,} clips: "
        "affectbench fuse TASK RESULT RESULT ..."
    )


PREDICTIONS: Final = FeatureSet(
    name="predictions",
    title="predictions of other systems",
    dim=0,
    names=_no_names,
    identity=_nothing_else,
    of_clips=_of_others,
    licence="none needed",
    source="what a fusion is made of",
)
