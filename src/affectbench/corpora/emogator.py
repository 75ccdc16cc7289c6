"""EmoGator: 32,130 non-verbal vocal bursts, 357 contributors, 30 emotions, three takes of each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import polars as pl

from affectbench.errors import MissingData
from affectbench.types import Corpus, Finding, Reading, Target

EMOTIONS: Final = (
    "Adoration",
    "Amusement",
    "Anger",
    "Awe",
    "Confusion",
    "Contempt",
    "Contentment",
    "Desire",
    "Disappointment",
    "Disgust",
    "Distress",
    "Ecstasy",
    "Elation",
    "Embarrassment",
    "Fear",
    "Guilt",
    "Interest",
    "Neutral",
    "Pain",
    "Pride",
    "Realization",
    "Relief",
    "Romantic Love",
    "Sadness",
    "Serenity",
    "Shame",
    "Surprise (Negative)",
    "Surprise (Positive)",
    "Sympathy",
    "Triumph",
)
EMOTION: Final = Target(
    name="emotion", kind="classification", columns=("emotion",), classes=EMOTIONS
)
TAKES: Final = 3
NAME: Final = re.compile(r"(\d{6})-(\d{2})-(\d)\.mp3")


def read(root: Path) -> Reading:
    """Clips of a folder in the released layout: ``data/mp3/NNNNNN-EE-I.mp3``.

    NNNNNN is the contributor (the speaker), EE the emotion 01-30, I the take 1-3. The emotion
    stands in the file name alone, so a file with another name has no label and is reported.

    Raises:
        MissingData: there is no such folder, or no mp3 in it.
    """
    places = [root / "data" / "mp3", root / "mp3"]
    folder = next((place for place in places if place.is_dir()), None)
    if folder is None:
        raise MissingData(
            f"{places[0]} is not there. Expected the released layout of EmoGator: {CORPUS.layout}."
        )
    rows = []
    stray = []
    for file in sorted(folder.iterdir()):
        match = NAME.fullmatch(file.name)
        if match is None or not 1 <= int(match[2]) <= len(EMOTIONS):
            stray.append(file.name)
            continue
        rows.append((file.stem, str(file), match[1], EMOTIONS[int(match[2]) - 1], int(match[3])))
    if not rows:
        raise MissingData(f"{folder} holds no clip named like 000006-01-1.mp3.")
    clips = pl.DataFrame(
        rows,
        schema={"clip": pl.String, "path": pl.String, "speaker": pl.String}
        | {"emotion": pl.String, "take": pl.Int64},
        orient="row",
    ).with_columns(
        sex=pl.lit(None, pl.String),
        age=pl.lit(None, pl.Float64),
        country=pl.lit(None, pl.String),
        part=pl.lit(None, pl.String),
    )
    first = ["clip", "path", "speaker", "sex", "age", "country", "part"]
    return Reading(clips.select(*first, pl.exclude(first)), _findings(clips, stray))


def _findings(clips: pl.DataFrame, stray: list[str]) -> tuple[Finding, ...]:
    """Files without a label, and contributors that are not complete."""
    findings = []
    if stray:
        findings.append(
            Finding(
                kind="audio without label",
                items=tuple(stray),
                fatal=True,
                advice="The name must be NNNNNN-EE-I.mp3 with an emotion from 01 to 30, since it "
                "is the label. Rename these files or take them away.",
            )
        )
    whole = len(EMOTIONS) * TAKES
    partial = clips.group_by("speaker").len().filter(pl.col("len") != whole).sort("speaker")
    if len(partial):
        findings.append(
            Finding(
                kind="contributor not complete",
                items=tuple(partial["speaker"]),
                fatal=False,
                advice=f"Each contributor of the release has {whole} clips. The score is of what "
                "is there.",
            )
        )
    return tuple(findings)


CORPUS: Final = Corpus(
    name="emogator",
    title="EmoGator: a new open source vocal burst dataset",
    access="open",
    licence="Apache-2.0",
    source="Buhl 2023, arXiv:2301.00508",
    home="https://github.com/fredbuhl/EmoGator",
    access_how="git clone https://github.com/fredbuhl/EmoGator, and name the clone with --data.",
    targets=(EMOTION,),
    marks=("data/mp3/*-*-*.mp3",),
    languages=(),
    published={"clips": 32_130, "speakers": 357},
    layout="data/mp3/NNNNNN-EE-I.mp3 (contributor, emotion 01-30, take 1-3)",
    read=read,
)
