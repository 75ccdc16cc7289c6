"""Early fusion: feature sets side by side, one row of numbers a clip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from affectbench.errors import BadData, listing
from affectbench.types import FeatureSet

if TYPE_CHECKING:
    import polars as pl

Parts = tuple[FeatureSet, ...]


def concatenated(*features: FeatureSet, name: str, title: str) -> FeatureSet:
    """Feature sets side by side, in the order given: [N, D1 + D2 + ...].

    Each is extracted as it would be alone, from its own cache, with its own padding. One that is
    learnt is learnt first. Sets that are all known by clip are joined by clip.

    Args:
        features: two or more, of different names.
        name: of the new set.
        title: how tables call it.

    Returns:
        The set; its columns are called ``<name of the part>.<column>``.

    Raises:
        BadData: fewer than two, two of one name, another sampling rate, a set without numbers, or
            some known by clip and others not.
    """
    twice = [one for one, count in Counter(part.name for part in features).items() if count > 1]
    by_clip = [part.of_clips is not None for part in features]
    rates = sorted({part.rate_hz for part in features})
    found = ""
    if len(features) < 2 or twice:
        found = f"{listing([part.name for part in features]) or 'none'} given"
    elif any(part.waves for part in features):
        found = "one of them is no numbers but the waves themselves"
    elif len(rates) > 1:
        found = f"they are of {' and '.join(f'{rate:,}' for rate in rates)} Hz"
    elif any(by_clip) and not all(by_clip):
        known = [part.name for part in features if part.of_clips is not None]
        found = f"{listing(known)} of them known by clip, and the others extracted from waves"
    if found:
        raise BadData(
            f"These feature sets cannot be joined as '{name}': {found}. Expected two or more of "
            "different names and one sampling rate, all extracted from waves or all known by clip."
        )
    extras = {part.extra for part in features} - {""}
    return FeatureSet(
        name=name,
        title=title,
        dim=sum(part.dim for part in features),
        names=partial(_names, features),
        identity=partial(_identity, features),
        of_clips=partial(_of_clips, features) if all(by_clip) else None,
        parts=() if all(by_clip) else features,
        rate_hz=rates[0],
        min_samples=max(part.min_samples for part in features),
        extra="all" if len(extras) > 1 else "".join(extras),
        licence="; ".join(dict.fromkeys(part.licence for part in features)),
        source="; ".join(dict.fromkeys(part.source for part in features)),
        facts={part.name: part.facts for part in features if part.facts},
    )


def _names(parts: Parts) -> tuple[str, ...]:
    return tuple(f"{part.name}.{column}" for part in parts for column in part.names())


def _identity(parts: Parts) -> Mapping[str, str]:
    """That of each part, under its name, and what the cache would add to it."""
    own = (
        {"dim": str(part.dim), "min_samples": str(part.min_samples), **part.identity()}
        for part in parts
    )
    return {
        f"{part.name}.{key}": value
        for part, identity in zip(parts, own, strict=True)
        for key, value in identity.items()
    }


def _of_clips(parts: Parts, clips: pl.DataFrame) -> NDArray[np.float32]:
    found = [part.of_clips(clips) for part in parts if part.of_clips is not None]
    return np.concatenate(found, axis=1)
