"""HUME-VOCALBURST: 59,201 imitated vocal bursts by 1,702 speakers, in the layout of A-VB 2022.

Not read here: the ExVo 2022 layout (one ``data_info.csv``, ``wav/``, ``webm/``).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import polars as pl

from affectbench.corpora import labels
from affectbench.corpora.twin import write_vocalburst
from affectbench.errors import BadData, MissingData, listing
from affectbench.types import Corpus, Finding, Reading, Target

# The order of the emotions in every released file (hume-vocalburst label files, ExVo and A-VB).
EMOTIONS: Final = (
    "Awe",
    "Excitement",
    "Amusement",
    "Awkwardness",
    "Fear",
    "Horror",
    "Distress",
    "Triumph",
    "Sadness",
    "Surprise",
)
# The order in which the culture file names the countries; Surprise stands last for all four.
COUNTRIES: Final = ("China", "United States", "South Africa", "Venezuela")
# Integer codes of the ExVo release are alphabetical.
COUNTRY_CODES: Final = dict(enumerate(sorted(COUNTRIES)))

HIGH: Final = Target(name="emotions", kind="regression", columns=EMOTIONS)
TWO: Final = Target(name="dimensions", kind="regression", columns=("Valence", "Arousal"))
CULTURE: Final = Target(
    name="emotions by culture",
    kind="regression",
    columns=(
        *(f"{country}_{emotion}" for country in COUNTRIES for emotion in EMOTIONS[:-1]),
        *(f"{country}_Surprise" for country in COUNTRIES),
    ),
    nan_ok=True,  # whether foreign-country cells are rated in the release is not documented
)
TYPE: Final = Target(
    name="burst type",
    kind="classification",
    columns=("Voc_Type",),
    classes=("Cry", "Gasp", "Groan", "Grunt", "Laugh", "Other", "Pant", "Scream"),
)
FILES: Final = {"high": HIGH, "two": TWO, "culture": CULTURE, "type": TYPE}
PARTS: Final = {"Train": "train", "Val": "dev", "Test": "test"}
FILE_ID: Final = re.compile(r"\[?(\d{5})\]?")


def read(root: Path) -> Reading:
    """Clips of a folder in the A-VB layout: ``labels/*_info.csv`` and ``audio/wav/<id>.wav``.

    Speakers, countries and ages come from ``labels/data_info.csv`` (or ``data_info.csv``) where it
    is there; the A-VB release has none, and then the speakers are unknown and stay null.

    Raises:
        MissingData: no label file, no audio folder, or a column that is not there.
        BadData: cells out of range, unknown classes, ids that do not look like ``[00123]``, label
            files that disagree about ids or splits.
    """
    clips, findings = _labelled(root / "labels", root)
    clips, unmatched = _audio(root / "audio" / "wav", clips)
    first = ["clip", "path", "speaker", "sex", "age", "country", "part"]
    return Reading(clips.select(*first, pl.exclude(first)), (*findings, *unmatched))


def read_labels(folder: Path) -> pl.DataFrame:
    """Clips of the label files in ``folder`` (or its ``labels/``), without looking for audio.

    Raises:
        MissingData, BadData: as ``read``.
    """
    inner = folder / "labels"
    return _labelled(inner if inner.is_dir() else folder, folder)[0]


def _labelled(folder: Path, root: Path) -> tuple[pl.DataFrame, list[Finding]]:
    """One row a clip from all label files of a folder, speakers joined."""
    tables = {}
    for name, target in FILES.items():
        path = folder / f"{name}_info.csv"
        if path.exists():
            tables[path] = _label_file(path, target)
    if not tables:
        raise MissingData(
            f"No label file found in {folder}. Expected at least one of "
            f"{', '.join(f'{name}_info.csv' for name in FILES)} (the A-VB layout: {CORPUS.layout})."
        )
    return _speakers([folder / "data_info.csv", root / "data_info.csv"], _join(tables))


def _ids(path: Path, table: pl.DataFrame) -> pl.DataFrame:
    """Add ``clip``: the File_ID without its brackets; five digits or refused."""
    good = table["File_ID"].str.contains(f"^(?:{FILE_ID.pattern})$").fill_null(False)
    expected = "five digits in brackets such as [00123] (a spreadsheet may have cut the zeros)"
    labels.refuse(path, labels.bad_cells(path, table.filter(~good), "File_ID", expected))
    table = table.with_columns(pl.col("File_ID").str.strip_chars("[]").alias("clip"))
    doubled = table.filter(table["clip"].is_duplicated())["clip"].unique(maintain_order=True)
    if len(doubled):
        raise BadData(
            f"{path}: {len(doubled):,} ids appear on more than one row: "
            f"{listing(doubled.to_list())}. Expected one row a clip; remove the extra rows."
        )
    return table


def _label_file(path: Path, target: Target) -> pl.DataFrame:
    """``clip``, ``part`` and the target's columns of one label file."""
    table = _ids(path, labels.read_csv(path, ["File_ID", "Split", *target.columns]))
    labels.choices(path, table, "Split", tuple(PARTS), blank_ok=False)
    if target.kind == "classification":
        labels.choices(path, table, target.columns[0], target.classes, blank_ok=True)
    else:
        table = labels.numbers(path, table, target.columns, target.low, target.high)
    if not target.nan_ok:
        labelled = table.filter(pl.col("Split") != "Test")
        for column in target.columns:
            blank = labelled.filter(pl.col(column).is_null())
            labels.refuse(path, labels.bad_cells(path, blank, column, "a label outside Test"))
    part = pl.col("Split").replace_strict(PARTS, return_dtype=pl.String).alias("part")
    return table.select("clip", part, *target.columns)


def _join(tables: dict[Path, pl.DataFrame]) -> pl.DataFrame:
    """One row a clip with the labels of every file; the files must agree about ids and splits."""
    (first_path, clips), *others = tables.items()
    for path, table in others:
        for one, two, where in ((clips, table, path), (table, clips, first_path)):
            absent = one.join(two, on="clip", how="anti")["clip"].to_list()
            if absent:
                raise BadData(
                    f"{first_path.name} and {path.name} are not of one release: {where} lacks "
                    f"{len(absent):,} ids of the other: {listing(absent)}. Download both again."
                )
        joined = clips.join(table, on="clip", how="left", suffix="_other", maintain_order="left")
        moved = joined.filter(pl.col("part") != pl.col("part_other"))["clip"].to_list()
        if moved:
            raise BadData(
                f"{first_path.name} and {path.name} put {len(moved):,} clips into different "
                f"splits: {listing(moved)}. Expected one Split per clip; download both again."
            )
        clips = joined.drop("part_other")
    return clips


def _speakers(places: list[Path], clips: pl.DataFrame) -> tuple[pl.DataFrame, list[Finding]]:
    """Add speaker, sex, age and country where ``data_info.csv`` tells them."""
    unknown = {"speaker": pl.String, "sex": pl.String, "age": pl.Float64, "country": pl.String}
    path = next((place for place in places if place.exists()), None)
    if path is None:
        finding = Finding(
            kind="speakers unknown",
            items=(),
            fatal=False,
            advice="The A-VB release names no speakers: no interval by speaker can be made. Put "
            "data_info.csv of the ExVo release into labels/ to have them.",
        )
        nulls = [pl.lit(None, dtype).alias(name) for name, dtype in unknown.items()]
        return clips.with_columns(nulls), [finding]
    table = _ids(path, labels.read_csv(path, ["File_ID", "Subject_ID"]))
    if "Age" in table.columns:
        table = labels.numbers(path, table, ["Age"], 0, 120)
    codes = {str(code): name for code, name in COUNTRY_CODES.items()}
    codes |= {f"{code}.0": name for code, name in COUNTRY_CODES.items()}
    if "Country" in table.columns:
        country = pl.col("Country").replace(codes)
        table = table.with_columns(country)
        labels.choices(path, table, "Country", COUNTRIES, blank_ok=True)
    names = {"Subject_ID": "speaker", "Age": "age", "Country": "country"}
    held = [name for name in names if name in table.columns]
    info = table.select("clip", *(pl.col(name).alias(names[name]) for name in held))
    clips = clips.join(info, on="clip", how="left", maintain_order="left")
    absent = [
        pl.lit(None, dtype).alias(name)
        for name, dtype in unknown.items()
        if name not in clips.columns
    ]
    clips = clips.with_columns(absent)
    blank = clips.filter(pl.col("speaker").is_null() & (pl.col("part") != "test"))
    if not len(blank):
        return clips, []
    finding = Finding(
        kind="speaker blank",
        items=tuple(blank["clip"]),
        fatal=False,
        advice=f"{path.name} names no speaker for these Train and Val clips: parts that hold them "
        "get no interval by speaker.",
    )
    return clips, [finding]


def _audio(folder: Path, clips: pl.DataFrame) -> tuple[pl.DataFrame, list[Finding]]:
    """Add ``path``, null where a clip has no file, and report what does not match."""
    if not folder.is_dir():
        raise MissingData(f"{folder} is not there. Expected the clips as audio/wav/<id>.wav.")
    files = {file.stem: str(file) for file in folder.iterdir() if file.suffix == ".wav"}
    clips = clips.with_columns(
        pl.col("clip").replace_strict(files, default=None, return_dtype=pl.String).alias("path")
    )
    findings = []
    silent = clips.filter(pl.col("path").is_null())["clip"].to_list()
    if silent:
        findings.append(
            Finding(
                kind="label without audio",
                items=tuple(silent),
                fatal=True,
                advice=f"These ids have no file in {folder}. Unpack the audio again.",
            )
        )
    stray = sorted(set(files) - set(clips["clip"]))
    if stray:
        findings.append(
            Finding(
                kind="audio without label",
                items=tuple(stray),
                fatal=True,
                advice="These files have no row in the label files: audio and labels may be of "
                "two releases. Take the stray files away or bring the label files they belong to.",
            )
        )
    return clips, findings


CORPUS: Final = Corpus(
    name="hume-vocalburst",
    title="The Hume Expressive Vocal Bursts Dataset",
    access="gated",
    licence="end-user agreement of Hume AI",
    source="Baird et al. 2022, The ExVo Workshop & Competition, arXiv:2205.01780; "
    "The ACII 2022 Affective Vocal Bursts Workshop & Competition, arXiv:2207.03572",
    home="Hume AI, on request (competitions@hume.ai)",
    languages=(),
    published={"clips": 59_201, "speakers": 1_702, "train": 19_990, "dev": 19_396, "test": 19_815},
    layout="labels/{high,two,culture,type}_info.csv, audio/wav/[id].wav, labels/data_info.csv",
    read=read,
    read_labels=read_labels,
    twin=write_vocalburst,
)
