"""Who speaks how often in which part of the twin: the published counts, scaled and apportioned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from affectbench.errors import AffectBenchError
from affectbench.types import PARTS, Floats

TYPES: Final = ("Cry", "Gasp", "Groan", "Grunt", "Laugh", "Other", "Pant", "Scream")

# Published with ExVo and A-VB 2022. Countries and types of the test part are hidden: its totals
# are divided there as in dev (speakers), and as in train and dev together (clips).
CLIPS: Final = {"train": 19_990, "dev": 19_396, "test": 19_815}
SPEAKERS: Final = {"train": 571, "dev": 568, "test": 563}
COUNTRY_CLIPS: Final = {"train": (5120, 7142, 5090, 2638), "dev": (4999, 7020, 4804, 2573)}
COUNTRY_SPEAKERS: Final = {"train": (79, 206, 244, 42), "dev": (76, 206, 244, 42)}
FEMALES: Final = {"train": 305, "dev": 324}
TYPE_CLIPS: Final = {
    "train": (1845, 7104, 1366, 1347, 4940, 1348, 467, 1573),
    "dev": (1834, 6855, 1322, 1251, 4730, 1393, 421, 1590),
}

AGES: Final = (20.5, 39.5)  # years, lowest and highest
LEAST_SPEAKERS: Final = 12  # per part: three for each country, enough for an interval by speaker
LEAST_CLIPS: Final = 64  # per part
LEAST_EACH: Final = 3  # clips a speaker: two of few-shot support and one to predict


def apportion(total: int, weights: Sequence[float] | Floats, least: int) -> NDArray[np.intp]:
    """``total`` divided in proportion to ``weights``: the largest remainders are rounded up.

    Every share is at least ``least``; ``total`` must be ``least * len(weights)`` or more.
    """
    exact = total * np.asarray(weights, dtype=float) / np.sum(weights)
    shares = np.maximum(np.floor(exact), least)
    while shares.sum() < total:
        shares[np.argmax(exact - shares)] += 1
    while shares.sum() > total:
        shares[np.argmax(np.where(shares > least, shares - exact, -np.inf))] -= 1
    return shares.astype(np.intp)


@dataclass(frozen=True, slots=True)
class Size:
    """How large one part is: totals, and the same by country in the order of ``COUNTRIES``."""

    clips: tuple[int, ...]
    speakers: tuple[int, ...]
    females: int


def sizes(scale: float) -> Mapping[str, Size]:
    """The size of each part at ``scale`` times the published one, 0 < scale <= 1.

    Clips and speakers of a part are rounded half up, to at least 64 and 12; countries are
    apportioned by largest remainder, with at least two speakers each.

    Raises:
        AffectBenchError: ``scale`` is not in (0, 1].
    """
    if not 0 < scale <= 1:
        raise AffectBenchError(
            f"The scale of a twin is {scale}; expected a factor above 0 and up to 1, "
            "where 1 gives the published sizes. Choose one, say 0.02."
        )
    pooled = np.sum(list(COUNTRY_CLIPS.values()), axis=0)
    female_share = sum(FEMALES.values()) / (SPEAKERS["train"] + SPEAKERS["dev"])
    found = {}
    for part in PARTS:
        clips = max(LEAST_CLIPS, int(CLIPS[part] * scale + 0.5))
        speakers = max(LEAST_SPEAKERS, int(SPEAKERS[part] * scale + 0.5))
        share = FEMALES[part] / SPEAKERS[part] if part in FEMALES else female_share
        by_country = apportion(speakers, COUNTRY_SPEAKERS.get(part, COUNTRY_SPEAKERS["dev"]), 2)
        found[part] = Size(
            clips=tuple(apportion(clips, COUNTRY_CLIPS.get(part, pooled), 2).tolist()),
            speakers=tuple(by_country.tolist()),
            females=int(speakers * share + 0.5),
        )
    return found


@dataclass(frozen=True, slots=True)
class Cast:
    """The speakers [S], and the speaker of every clip [N]; clip i has the id i."""

    name: tuple[str, ...]  # [S] Speaker_<int>, says nothing about the part
    part: NDArray[np.intp]  # [S] index into PARTS
    country: NDArray[np.intp]  # [S] index into COUNTRIES
    female: NDArray[np.bool_]  # [S]
    age: Floats  # [S] years
    tract_cm: Floats  # [S] length of the vocal tract
    f0_hz: Floats  # [S] habitual pitch
    speaker: NDArray[np.intp]  # [N] index into the speakers


def draw_cast(scale: float, rng: np.random.Generator) -> Cast:
    """Speakers with sex, age, country and vocal tract, and how many clips each has.

    No speaker is in two parts. Clips per speaker vary widely, and ids alternate over the parts.
    """
    part, country, female, turns = [], [], [], []
    for index, size in enumerate(sizes(scale).values()):
        count = sum(size.speakers)
        part += [index] * count
        country += [c for c, speakers in enumerate(size.speakers) for _ in range(speakers)]
        female += rng.permutation(np.arange(count) < size.females).tolist()
        for clips, speakers in zip(size.clips, size.speakers, strict=True):
            turns += apportion(clips, rng.gamma(4.0, size=speakers), LEAST_EACH).tolist()
    is_female = np.array(female)
    total = len(part)
    age = rng.uniform(*AGES, total).round(1)
    tract_cm = np.where(is_female, 14.7, 17.0) + rng.normal(0, 0.6, total)
    # The voice drops with a longer tract, and a woman's a little with age.
    habitual = np.where(is_female, 212 - 1.5 * (age - 30), 118.0)
    f0_hz = habitual * 2 ** (rng.normal(0, 1.2, total) / 12)
    return Cast(
        name=tuple(f"Speaker_{number}" for number in rng.permutation(total)),
        part=np.array(part),
        country=np.array(country),
        female=is_female,
        age=age,
        tract_cm=tract_cm,
        f0_hz=f0_hz,
        speaker=rng.permutation(np.repeat(np.arange(total), turns)),
    )
