"""TEXT: a bag of the words, or of the sentence keys, that are said in a clip. Audio is not read.

A control: what a score reaches by words alone is not recognised from how they are spoken. Where
each class has sentences of its own, as in MODULATE-SONATA, this alone reaches 1.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from affectbench.errors import MissingData, listing
from affectbench.types import FeatureSet

if TYPE_CHECKING:
    import polars as pl

# Columns that tell what is said, the first that is there counts: keys of sentences (SONATA), codes
# (CREMA-D), sentences. Not ``seed`` of HUME-PROSODY, which is made of the labels.
COLUMNS: Final = ("sentence", "statement", "transcript")
BUCKETS: Final = 8_192  # tokens of one bucket count as one: no two lines of SONATA's script are
TOKEN: Final = re.compile(r"\w+")


def bucket(token: str) -> int:
    """Which of the ``BUCKETS`` counts a token: its BLAKE2b digest, the same in every process."""
    state = hashlib.blake2b(token.encode(), digest_size=8)
    return int.from_bytes(state.digest(), "little") % BUCKETS


def bag_of_words(clips: pl.DataFrame) -> NDArray[np.float32]:
    """[N, 8192]: how often each token is said, by bucket; tokens are runs of letters and digits.

    Case does not count. A key of several lines, joined by hyphens, is several tokens.

    Raises:
        MissingData: the corpus does not tell what is said, or not of every clip.
    """
    column = next((name for name in COLUMNS if name in clips.columns), None)
    if column is None:
        raise MissingData(
            f"What is said in these clips is not known: none of the columns {listing(COLUMNS)} is "
            "there. The text control is for corpora of told sentences; in vocal bursts nothing is "
            "said, and HUME-PROSODY does not release its sentences."
        )
    blank = clips.filter(clips[column].is_null())["clip"].to_list()
    if blank:
        raise MissingData(
            f"The column '{column}' is blank for {len(blank):,} clips: {listing(blank)}. Expected "
            "what is said in every clip; leave these out."
        )
    values = np.zeros((len(clips), BUCKETS), np.float32)
    known: dict[str, int] = {}
    for row, said in enumerate(clips[column]):
        for token in TOKEN.findall(said.casefold()):
            if token not in known:
                known[token] = bucket(token)
            values[row, known[token]] += 1
    return values


def _names() -> tuple[str, ...]:
    return tuple(f"tokens_{i:04d}" for i in range(BUCKETS))


def _identity() -> Mapping[str, str]:
    """Which columns and tokens; what is said is in the values."""
    return {"columns": ",".join(COLUMNS), "tokens": TOKEN.pattern, "digest": "blake2b-8"}


TEXT: Final = FeatureSet(
    name="text",
    title="bag of words",
    dim=BUCKETS,
    names=_names,
    identity=_identity,
    of_clips=bag_of_words,
    licence="none needed",
    source="a control: hashed counts of the tokens of what is said, no audio",
)
