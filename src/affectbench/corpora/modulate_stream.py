"""MODULATE-STREAM: 1,880,261 unlabelled Opus clips of gaming streams and one table of metadata.

The table names no speaker, player or session, so no split by speaker can be made from it, and its
sex and child columns are a classifier's guesses. Transcripts are never kept and never shown: they
are read past, in blocks, and so is all that the released layout does not allow.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polars as pl

from affectbench.corpora.twin.stream import write_stream
from affectbench.errors import BadData, MissingData, listing
from affectbench.types import Corpus, Fact, Finding, Reading

COLUMNS: Final = (
    "clip_name",
    "clip_duration_msec",
    "transcript",
    "is_child_probability",
    "is_female_probability",
    "game_metadata",
)
NUMBERS: Final = {
    "clip_duration_msec": (0.0, float("inf")),
    "is_child_probability": (0.0, 1.0),
    "is_female_probability": (0.0, 1.0),
}
CHILD_FROM: Final = 0.5  # policy: from this probability on, or without one, a clip is a child's
ENDING: Final = ".opus"
OUTSIDE: Final = r"^(?:[/\\]|[A-Za-z]:)|(?:^|[/\\])\.\.(?:[/\\]|$)"  # absolute, or climbs up
NUMERAL: Final = r"^[-+.,eE\d]{1,24}$"  # a wrong cell is shown only where it can be no transcript
BLOCK_BYTES: Final = 1 << 24
BATCH: Final = 100_000  # file names held in a list at a time
LINE: Final = pl.lit("line ") + pl.col("line").cast(pl.String)  # no pl.format: it fails on no rows
LISTED: Final = 1_000  # items that a finding names; the count is of all


def read(root: Path) -> Reading:
    """Clips of the one ``.tsv`` below root, matched with the Opus files that it names.

    The table has six tab-separated columns under a header, and no quoting: a quote is a letter.
    ``clip_name`` is the path below root. Columns after those of ``CLIPS``: ``duration_s``,
    ``child_probability``, ``female_probability`` (null where blank or wrong), ``game`` (null where
    blank), and ``child``: a probability of .5 or more, or none. Rows that cannot be used (fields
    missing or too many, a path that leaves the folder, a name that came before) are left out and
    reported by line number; so are wrong cells, rows without a file and files without a row.

    Raises:
        MissingData: there is no ``.tsv``.
        BadData: there are several, or its first line is not the header.
    """
    table = find_table(root)
    rows, findings = read_table(table)
    files, odd = opus_files(root)
    rows = rows.join(
        files.with_columns(there=True), on="clip", how="left", maintain_order="left"
    ).with_columns(pl.col("there").fill_null(False))
    findings += _finding(
        "label without audio",
        _named(rows.filter(~pl.col("there"))),
        f"These rows of {table.name} have no file. clip_name must be the path below {root}. Unpack "
        "the audio again.",
    )
    findings += _finding(
        "audio without label",
        files.join(rows, on="clip", how="anti")["clip"].sort(),
        f"These files have no row in {table.name}. Audio and table may be of two releases.",
    )
    clips = rows.select(
        "clip",
        path=pl.when("there").then(pl.lit(f"{root}/") + pl.col("clip")),
        speaker=pl.lit(None, pl.String),
        sex=pl.lit(None, pl.String),
        age=pl.lit(None, pl.Float64),
        country=pl.lit(None, pl.String),
        part=pl.lit(None, pl.String),
        duration_s=pl.col("clip_duration_msec") / 1000,
        child_probability="is_child_probability",
        female_probability="is_female_probability",
        game="game_metadata",
        child="child",
    )
    return Reading(clips, (*findings, *odd, SPEAKERLESS))


def read_table(path: Path) -> tuple[pl.DataFrame, list[Finding]]:
    """The usable rows of the table, with their line numbers, and what is odd about the others.

    Constant memory but for the result: the transcripts are dropped block by block.

    Returns:
        ``line``, ``clip``, the three numbers (null where blank or wrong), ``game_metadata``,
        ``child``; and findings.

    Raises:
        BadData: the first line is not the header.
    """
    check_header(path)
    rows, faults = [_EMPTY_ROWS], [NO_FAULTS]
    for block in blocks(path):
        good, wrong = typed(block)
        rows.append(good.drop("transcript"))
        faults.append(wrong)
    table, wrong = pl.concat(rows), pl.concat(faults).sort("line", maintain_order=True)
    findings = []
    for kind, advice in ROW_ADVICE.items():
        findings += _finding(kind, wrong.filter(pl.col("kind") == kind)["what"], advice)
    first = table["clip"].is_first_distinct()
    findings += _finding(
        "name appears twice",
        _named(table.filter(~first)),
        "These rows name a clip that a row above names. The first row was kept; where any of them "
        "is a child by the policy, the clip is.",
    )
    findings += _finding(
        "no child probability",
        _named(table.filter(pl.col("is_child_probability").is_null())),
        f"Blank or wrong in {path.name}; by the policy these clips count as children's.",
        fatal=False,
    )
    child = pl.col("is_child_probability").fill_null(1.0) >= CHILD_FROM
    table = table.with_columns(child=child)
    if not first.all():
        table = table.with_columns(pl.col("child").any().over("clip")).filter(first)
    return table, findings


def find_table(root: Path) -> Path:
    """The one table of the folder.

    Raises:
        MissingData: there is none.
        BadData: there are several.
    """
    found = sorted(root.glob("*.tsv"))
    if not found:
        raise MissingData(
            f"{root} holds no .tsv file. Expected {CORPUS.title} as released: {CORPUS.layout}."
        )
    if len(found) > 1:
        raise BadData(
            f"{root} holds {len(found):,} .tsv files: {listing([path.name for path in found])}. "
            "Expected the one of the release; move the others away."
        )
    return found[0]


def check_header(path: Path) -> None:
    """Stop where the first line is not the header.

    Raises:
        BadData: it is not; the line itself is not shown: it may be a transcript.
    """
    with path.open("rb") as file:
        first = file.readline(BLOCK_BYTES)
    names = first.decode("utf-8-sig", errors="replace").rstrip("\r\n").split("\t")
    if tuple(names) != COLUMNS:
        raise BadData(
            f"{path}: the first line is not the header. Expected {len(COLUMNS)} names separated "
            f"by tabs, in this order: {', '.join(COLUMNS)}."
        )


def blocks(path: Path) -> Iterator[pl.DataFrame]:
    """``line`` (number in the file) and ``text`` of every line below the header, in blocks."""
    number = 2
    with path.open("rb") as file:
        file.readline()
        while data := file.read(BLOCK_BYTES):
            data += file.readline()  # to the end of the line that the block cuts
            text = data.decode("utf-8", errors="replace").removesuffix("\n")
            lines = pl.Series("text", [text]).str.split("\n").explode()
            yield pl.DataFrame([lines]).with_row_index("line", offset=number)
            number += len(lines)


def typed(block: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of a block that can be used, and its faults: ``line``, ``kind``, ``what``.

    The rows still hold their transcripts.
    """
    fields = pl.col("text").str.count_matches("\t", literal=True) + 1
    lines = block.with_columns(pl.col("text").str.strip_suffix("\r"), fields=fields)
    uneven = pl.col("fields") != len(COLUMNS)
    what = LINE + ": " + pl.col("fields").cast(pl.String) + " fields"
    faults = [lines.filter(uneven).select("line", kind=pl.lit(FIELDS), what=what)]
    cells = pl.col("text").str.split_exact("\t", len(COLUMNS) - 1)
    table = (
        lines.filter(~uneven)
        .select("line", cells.struct.rename_fields(COLUMNS).alias("cells"))
        .unnest("cells")
        .with_columns(pl.col(*NUMBERS, "game_metadata").str.strip_chars().replace("", None))
        .with_columns(clip=pl.col("clip_name").str.strip_prefix("./"))
    )
    name = pl.col("clip")
    refused = (name == "") | name.str.contains(OUTSIDE) | name.str.contains("\ufffd|\0")
    what = LINE + ": clip_name"
    faults.append(table.filter(refused).select("line", kind=pl.lit(PATHS), what=what))
    table = table.filter(~refused)
    for column, (low, high) in NUMBERS.items():
        cell, value = pl.col(column), pl.col(column).cast(pl.Float64, strict=False)
        number = value.is_finite().fill_null(False)
        inside = (value > low if high > 1 else value.is_between(low, high)).fill_null(False)
        missing = cell.is_null() if column == "clip_duration_msec" else pl.lit(False)
        wrong = (cell.is_not_null() & ~(number & inside)) | missing
        shown = (
            pl.when(cell.is_null())
            .then(pl.lit("is blank"))
            .when(cell.str.contains(NUMERAL))
            .then("is '" + cell + "'")
        )
        what = LINE + f": {column} " + shown.otherwise(pl.lit("is text"))
        kind = pl.when(number).then(pl.lit(RANGE)).otherwise(pl.lit(NUMBER))
        faults.append(table.filter(wrong).select("line", kind=kind, what=what))
        table = table.with_columns(pl.when(number & inside).then(value).alias(column))
    return table.select(*_EMPTY_ROWS.columns, "transcript"), pl.concat(faults)


def _named(rows: pl.DataFrame) -> pl.Series:
    """``line 17: path`` of each row; a name that is no Opus path may be a piece of a transcript."""
    path = pl.when(pl.col("clip").str.ends_with(ENDING)).then(": " + pl.col("clip"))
    return rows.select(what=LINE + path.otherwise(pl.lit("")))["what"]


def _finding(kind: str, items: pl.Series, advice: str, *, fatal: bool = True) -> list[Finding]:
    """One finding with the first items, or none; the count of all stands in the advice."""
    if not len(items):
        return []
    if len(items) > LISTED:
        advice = f"{len(items):,} in all, the first {LISTED:,} are listed. {advice}"
    return [Finding(kind=kind, items=tuple(items.head(LISTED)), fatal=fatal, advice=advice)]


def opus_files(root: Path) -> tuple[pl.DataFrame, list[Finding]]:
    """``clip``: paths of all Opus files below root, and files whose names are not UTF-8.

    Raises:
        BadData: a folder cannot be read.
    """
    chunks, foreign = [pl.Series("clip", [], pl.String)], [pl.Series("clip", [], pl.String)]
    for batch in _walk(root):
        good = [name for name in batch if _is_utf8(name)]
        if len(good) < len(batch):
            shown = [ascii(name) for name in batch if not _is_utf8(name)]
            foreign.append(pl.Series("clip", shown))
        chunks.append(pl.Series("clip", good, pl.String))
    odd = _finding(
        "file name not UTF-8",
        pl.concat(foreign).sort(),
        "No row can name these files. Unpack the audio again, or rename them.",
    )
    return pl.DataFrame([pl.concat(chunks)]), odd


def _walk(root: Path) -> Iterator[list[str]]:
    """Opus files below root as paths with ``/``, in batches; linked folders are entered once."""
    seen: set[tuple[int, int]] = set()
    below, batch = [""], []
    while below:
        folder = below.pop()
        try:
            status = (root / folder).stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(root / folder) as entries:
                for entry in entries:
                    path = Path(entry.path) if entry.is_symlink() else entry
                    if path.is_dir():
                        below.append(f"{folder}{entry.name}/")
                    elif entry.name.endswith(ENDING) and path.is_file():
                        batch.append(folder + entry.name)
                        if len(batch) == BATCH:
                            yield batch
                            batch = []
        except OSError as error:
            raise BadData(
                f"{str(root / folder)!a} cannot be read ({error.strerror}). Expected a folder "
                "of Opus files; check its permissions."
            ) from error
    yield batch


def _is_utf8(name: str) -> bool:
    """Whether the bytes of a file name are UTF-8; others come as surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


FIELDS: Final = "wrong number of fields"
PATHS: Final = "path leaves the folder"
NUMBER: Final = "not a number"
RANGE: Final = "number out of range"
ROW_ADVICE: Final = {
    FIELDS: f"A row has {len(COLUMNS)} fields between tabs. These rows were left out: a transcript "
    "that holds a tab or a line break cannot be told from the other columns.",
    PATHS: "clip_name is blank, absolute, climbs with .., or is not UTF-8. These rows were left "
    "out. Is the table the released one?",
    NUMBER: "These cells were taken as blank. Durations are milliseconds, probabilities from 0 to "
    "1 with a decimal point.",
    RANGE: "These cells were taken as blank. Durations are above 0, probabilities from 0 to 1.",
}
SPEAKERLESS: Final = Finding(
    kind="speakers unknown",
    items=(),
    fatal=False,
    advice="The table names no speaker, player or session: no split by speaker and no interval by "
    "speaker can be made. Clips of one stream may share a folder; that is no proof of one speaker.",
)
_EMPTY_ROWS: Final = pl.DataFrame(
    schema={"line": pl.UInt32, "clip": pl.String}
    | dict.fromkeys(NUMBERS, pl.Float64)
    | {"game_metadata": pl.String}
)
NO_FAULTS: Final = pl.DataFrame(schema={"line": pl.UInt32, "kind": pl.String, "what": pl.String})

SOURCE: Final = "workshop paper, section 2.4"
NOT_ITS_TABLE: Final = (
    "captioned as this corpus, but its durations add up to 22,321 s with 23 speakers, exactly "
    "those of Table 3 (MODULATE-SONATA): it is another partition of that one. The partition of "
    "this corpus is not published in the paper."
)
CORPUS: Final = Corpus(
    name="modulate-stream",
    title="MODULATE-STREAM: The Modulate Streamer Gaming Dataset",
    access="gated",
    licence="terms of Modulate, for the participants of the workshop",
    source="NeurIPS 2023 Machine Learning for Audio Workshop, arXiv:2403.14048",
    home="Modulate, through the organisers of the workshop",
    languages=(),
    published={"clips": 1_880_261, "games": 110},
    layout=f"one .tsv with {', '.join(COLUMNS)}; Opus files at the paths in clip_name",
    read=read,
    marks=("*.tsv",),
    facts=(
        Fact(what="clips", value=1_880_261, source=SOURCE),
        Fact(what="games", value=110, source=SOURCE),
        Fact(
            what="duration_s", value=7_000 * 3600, source=SOURCE, note="published as over 7,000 h"
        ),
        Fact(what="size_bytes", value=379e9, source=SOURCE, note="published as 379GB"),
        Fact(
            what="clips of Table 4",
            value=578 + 75 + 100,
            source="workshop paper, Table 4",
            status="correction",
            note=NOT_ITS_TABLE,
        ),
    ),
    access_how="Ask the organisers of the NeurIPS 2023 Machine Learning for Audio Workshop or "
    "Modulate. Put the .tsv and the Opus files into one folder, so that each clip_name is a path "
    "below it, and name that folder with --data.",
    twin=write_stream,
)
