"""``data_info.csv`` of HUME-VOCALBURST: the label file of ExVo 2022, and who spoke.

Every column is read by name: their order differs between releases.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import polars as pl

from affectbench.corpora import labels
from affectbench.corpora.labels import ROW
from affectbench.errors import BadData, listing
from affectbench.types import Finding

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
PARTS: Final = {"Train": "train", "Val": "dev", "Test": "test"}
FILE_ID: Final = re.compile(r"\[?(\d{5})\]?")
WHO: Final = {"speaker": pl.String, "sex": pl.String, "age": pl.Float64, "country": pl.String}
OLDEST: Final = 120.0  # years; a higher age is a slip


def ids(path: Path, table: pl.DataFrame) -> pl.DataFrame:
    """Add ``clip``: the File_ID without its brackets; five digits, on one row, or refused.

    Raises:
        BadData: an id that is not five digits (nothing is filled up), or appears twice.
    """
    good = table["File_ID"].str.contains(f"^(?:{FILE_ID.pattern})$").fill_null(False)
    expected = "five digits in brackets such as [00123] (a spreadsheet may have cut the zeros)"
    labels.refuse(path, labels.bad_cells(path, table.filter(~good), "File_ID", expected))
    table = table.with_columns(pl.col("File_ID").str.strip_chars("[]").alias("clip"))
    labels.one_row_each(path, table, "clip")
    return table


def parts(path: Path, table: pl.DataFrame) -> pl.DataFrame:
    """Add ``part`` from Split, which must be Train, Val or Test on every row."""
    labels.choices(path, table, "Split", tuple(PARTS), blank_ok=False)
    part = pl.col("Split").replace_strict(PARTS, return_dtype=pl.String).alias("part")
    return table.with_columns(part)


def no_blanks(path: Path, table: pl.DataFrame, columns: tuple[str, ...]) -> None:
    """Refuse blank labels outside the test part."""
    labelled = table.filter(pl.col("part") != "test")
    for column in columns:
        blank = labelled.filter(pl.col(column).is_null())
        labels.refuse(path, labels.bad_cells(path, blank, column, "a label outside Test"))


def read_info(path: Path) -> pl.DataFrame:
    """What a ``data_info.csv`` says: ``clip``, line number, and of the rest what it holds.

    ``part``, ``speaker``, ``age``, ``country`` (names, also where the file has codes 0-3) and the
    ten emotions; columns that the file lacks are not there.

    Raises:
        MissingData: no File_ID, or neither Subject_ID nor the emotions.
        BadData: cells out of range, unknown countries, ids that are not five digits.
    """
    table = ids(path, labels.read_csv(path, ["File_ID"]))
    rated = set(EMOTIONS) <= set(table.columns)
    if not rated and "Subject_ID" not in table.columns:
        labels.read_csv(path, ["Subject_ID"])  # says what was found
    if "Split" in table.columns:
        table = parts(path, table)
    if "Age" in table.columns:
        table = labels.numbers(path, table, ["Age"], 0, OLDEST)
    if "Country" in table.columns:
        codes = {str(code): name for code, name in COUNTRY_CODES.items()}
        codes |= {f"{code}.0": name for code, name in COUNTRY_CODES.items()}
        table = table.with_columns(pl.col("Country").replace(codes))
        labels.choices(path, table, "Country", COUNTRIES, blank_ok=True)
    if rated:
        table = labels.numbers(path, table, EMOTIONS, 0, 1)
        if "part" in table.columns:
            no_blanks(path, table, EMOTIONS)
    names = {"Subject_ID": "speaker", "Age": "age", "Country": "country", "part": "part"}
    names |= {emotion: emotion for emotion in EMOTIONS} if rated else {}
    held = [pl.col(name).alias(names[name]) for name in names if name in table.columns]
    return table.select("clip", ROW, *held)


def check_release(one: Path, first: pl.DataFrame, two: Path, second: pl.DataFrame) -> None:
    """Two label files must name the same clips, and put each into the same part.

    Raises:
        BadData: they do not; with the file, the ids and the row of the first.
    """
    for here, there, has, lacks in ((first, second, one, two), (second, first, two, one)):
        absent = here.join(there, on="clip", how="anti")
        if len(absent):
            raise BadData(
                f"{one.name} and {two.name} are not of one release: {lacks} lacks "
                f"{len(absent):,} ids of {has}: {listing(absent['clip'].to_list())} (the first on "
                f"its row {absent[ROW][0]}). Download both again."
            )
    if "part" not in first.columns or "part" not in second.columns:
        return
    both = first.join(second, on="clip", how="inner", suffix="_other", maintain_order="left")
    moved = both.filter(pl.col("part") != pl.col("part_other"))
    if len(moved):
        raise BadData(
            f"{one.name} and {two.name} put {len(moved):,} clips into different splits: "
            f"{listing(moved['clip'].to_list())} (the first: row {moved[ROW][0]} of {one}, row "
            f"{moved[ROW + '_other'][0]} of {two}). Expected one Split per clip; download both "
            "again."
        )


def merge_infos(infos: dict[Path, pl.DataFrame]) -> pl.DataFrame:
    """One table from one or two ``data_info.csv``: what the first leaves blank, the second tells.

    Raises:
        BadData: they are not of one release, or name different speakers for a clip.
    """
    (one, merged), *others = infos.items()
    for two, table in others:
        check_release(one, merged, two, table)
        both = merged.join(table, on="clip", how="left", suffix="_other", maintain_order="left")
        for column in ("speaker", "country", "age"):
            if f"{column}_other" not in both.columns:
                continue
            differ = both.filter(pl.col(column) != pl.col(f"{column}_other"))
            if len(differ):
                raise BadData(
                    f"{one} row {differ[ROW][0]} and {two} row {differ[ROW + '_other'][0]} name "
                    f"another {column} for clip {differ['clip'][0]}, and so for {len(differ):,} "
                    "clips in all. Expected files of one release; download both again."
                )
        held = [c for c in both.columns if f"{c}_other" in both.columns and c != ROW]
        merged = both.with_columns(pl.coalesce(c, f"{c}_other").alias(c) for c in held)
        merged = merged.select(pl.exclude("^.*_other$"))
    return merged


def support(info: pl.DataFrame) -> tuple[pl.DataFrame, list[Finding]]:
    """Set the labelled clips of a test part apart that is blind otherwise.

    They are the support clips of the few-shot task. Their labels move to ``support.<emotion>``,
    and ``support`` is true for them: in the emotion columns they stay blank, so that no task can
    score them. A test part that is labelled throughout is left as it is.
    """
    if EMOTIONS[0] not in info.columns or "part" not in info.columns:
        return info, []
    is_test = pl.col("part") == "test"
    given = is_test & pl.all_horizontal(pl.col(EMOTIONS).is_not_null())
    test = info.filter(is_test)
    chosen = info.filter(given)["clip"].to_list()
    if not chosen or len(chosen) == len(test):
        return info, []
    info = info.with_columns(
        given.alias("support"),
        *(pl.when(given).then(pl.col(name)).alias(f"support.{name}") for name in EMOTIONS),
    ).with_columns(pl.when(~pl.col("support")).then(pl.col(EMOTIONS)).name.keep())
    finding = Finding(
        kind="support clips",
        items=tuple(chosen),
        fatal=False,
        advice="Only these Test clips have emotion labels in data_info.csv: they are taken for the "
        "support clips of the few-shot task (columns support and support.*), not for test labels.",
    )
    return info, [finding]
