"""Columns of the tables that pass between stages, and how they are checked.

CLIPS, from ``Corpus.read``: one row a clip, these columns first, then the corpus's label columns.
A label that was not released is null; an unknown speaker is null.

PREDICTIONS, ``{dev,test}.parquet`` of a result: ``clip``, those of ``GROUPS`` that are known, and
for each target column c ``truth.c`` and ``prediction.c`` (null where blind, or where no prediction
could be made). For a classification both are class names, and ``score.<class>`` holds the model's
score of each class.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from affectbench.errors import BadData, listing

CLIPS: Final = {
    "clip": pl.String,  # id as released, without brackets, zeros kept
    "path": pl.String,  # absolute path of the audio file
    "speaker": pl.String,
    "sex": pl.String,
    "age": pl.Float64,
    "country": pl.String,
    "part": pl.String,  # train, dev, test of the released split; null where none was released
}

# What intervals resample and what scores are broken down by, where it is known.
GROUPS: Final = ("speaker", "seed", "country", "sex", "age", "role")


def check_clips(clips: pl.DataFrame) -> pl.DataFrame:
    """The table itself if it has the columns of ``CLIPS`` and one row a clip.

    Raises:
        BadData: a column is missing or of another type, or a clip id appears twice.
    """
    wrong = [
        f"{name} ({clips.schema.get(name, 'missing')}, expected {dtype})"
        for name, dtype in CLIPS.items()
        if clips.schema.get(name) != dtype
    ]
    if wrong:
        raise BadData(f"Clips table with wrong columns: {listing(wrong)}.")
    doubled = clips["clip"].filter(clips["clip"].is_duplicated()).unique(maintain_order=True)
    if len(doubled):
        raise BadData(
            f"{len(doubled):,} clip ids appear more than once: {listing(doubled.to_list())}. "
            "Each clip must have one row; remove the extra rows."
        )
    return clips
