"""Leave-sentence-out on MODULATE-SONATA: no speaker and no sentence is in two parts.

Each class has sentences of its own, so a system that knows the words of train has the class of
every clip of dev and test. Here the words of test were never heard in train: what is left to go by
is how they are said.
"""

from __future__ import annotations

import hashlib
from typing import Final

import polars as pl

from affectbench.corpora.modulate_sonata import TABLE3
from affectbench.errors import BadData, MissingData, listing
from affectbench.splits import UNUSED
from affectbench.types import Split

NAME: Final = "modulate-sonata/sentences"
VERSION: Final = 1
# Other keys of a line of the script (``sonata_script``): without the paper's misprint, or a piece
# of it, or without what the narrator says. They are one sentence.
SAME: Final = {
    "c93f2ebb827c": "13dd969a4a4a",
    "e60ab9d0d697": "af0d92f2c54e",
    "971c099580e4": "333a8f7dccd4",
    "9dc5aad5aa97": "6488fce91709",
    "f0ce8c6e5137": "0b90210cc77a",
    "89ba55b56958": "f351ff18e8a5",
    "ab27387e095b": "5976626f2389",
    "36e52e55fab0": "5976626f2389",
    "a4988e1cac74": "5976626f2389",
}
CUT: Final = "affectbench cut modulate-sonata --by line --data DIR --out DIR"


def line_parts(clips: pl.DataFrame) -> dict[str, str]:
    """The part of each sentence, by its key.

    The sentences of a class are sorted by SHA-256 of ``name@version:key``. The first is for test,
    the second for dev, the others for train. A class of two has none for dev: it would have to
    share one with train, where the choice on dev would reward knowing words, or with test, where a
    refit on dev would learn them. A sentence of several classes is in no part.

    Raises:
        BadData: a class has one sentence only.
    """
    lines = clips.select("emotion", pl.col("sentence").replace(SAME)).unique()
    alone = lines.filter(~pl.col("sentence").is_duplicated())
    parts: dict[str, str] = {}
    for (emotion,), some in alone.group_by("emotion"):
        keys = some["sentence"].to_list()
        if len(keys) < 2:
            raise BadData(
                f"Split {NAME}: the class '{emotion}' has one sentence here. Expected two or more, "
                "to learn from and to test on. Is the folder complete?"
            )
        keys.sort(key=lambda key: hashlib.sha256(f"{NAME}@{VERSION}:{key}".encode()).digest())
        kinds = ["test", *(["dev"] if len(keys) > 2 else []), *["train"] * len(keys)]
        parts |= dict(zip(keys, kinds, strict=False))
    return parts


def _assign(clips: pl.DataFrame) -> pl.Series:
    """The part of each clip: where its speaker's and its sentence's agree, else ``UNUSED``."""
    absent = {"emotion", "sentence", "lines"} - set(clips.columns)
    if absent:
        raise MissingData(
            f"Split {NAME} needs the columns {listing(sorted(absent))} of MODULATE-SONATA."
        )
    blocks = clips.filter(pl.col("lines") != 1)["clip"].to_list()
    if blocks or clips["path"].drop_nulls().is_duplicated().any():
        found = f"clips of several sentences: {listing(blocks)}" if blocks else "uncut recordings"
        raise BadData(f"Split {NAME} needs one clip a sentence, found {found}. Cut by line: {CUT}")
    parts = line_parts(clips)
    told = clips.select(
        speaker=TABLE3.assign(clips),
        line=pl.col("sentence").replace(SAME).replace_strict(parts, default=UNUSED),
    )
    apart = pl.col("speaker") != pl.col("line")  # null, and no part, where the speaker has none
    return told.select(part=pl.when(apart).then(pl.lit(UNUSED)).otherwise("speaker"))["part"]


SENTENCES: Final = Split(
    name=NAME, version=VERSION, disjoint="speaker", released=False, assign=_assign
)
