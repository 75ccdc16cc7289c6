"""How a table of features is written: told from its first lines; and what numbers its lines hold.

Lines whose cells are plain numbers are read at once; others cell by cell, to name what is wrong.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectbench.errors import BadData, listing

ID_NAMES: Final = frozenset(
    ("clip", "clip_id", "filename", "file_id", "file", "name", "id", "__index_level_0__")
)
# What tools write before the features besides: a counter, and times of the frame or the segment.
NO_FEATURES: Final = ID_NAMES | frozenset(
    ("", "unnamed: 0", "index", "frametime", "frameindex", "start", "end")
)
SHOWN: Final = re.compile(r"[-+.,eE\d?]{1,24}|[-+]?(?i:inf|nan)")  # others may be someone's words
BOM: Final = b"\xef\xbb\xbf"
AUDIO: Final = re.compile(r"\.(?:wav|mp3|flac|ogg|opus|webm|m4a)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Form:
    """How the lines of a table are written."""

    separator: str
    quote: str
    header: bytes  # the first line without its end; empty where there is none
    lead: int  # columns before the features
    id_at: int | None  # which of them is the id; None: the name of the file is
    tells_name: bool  # whether the first column of a clip's file is the name of the file too
    names: tuple[str, ...]  # [D]
    left_out: tuple[str, ...]  # columns that are no features

    def name_in(self, line: bytes) -> str:
        """The name that the first column of a line tells."""
        return without_ending(line.split(self.separator.encode(), 1)[0].decode(errors="replace"))

    @property
    def none(self) -> NDArray[np.float32]:
        """[0, D]."""
        return np.empty((0, len(self.names)), np.float32)


class Row(NamedTuple):
    """One line with the features of a clip."""

    clip: str  # the name of its file; empty where the line tells the id
    line: bytes


class Block(NamedTuple):
    """What became of some lines."""

    clips: list[str]
    values: NDArray[np.float32]  # [n, D]; no row where there are problems
    digest: str
    problems: list[str]


def bare(clip: str) -> str:
    """An id without the quotes, brackets and blanks around it."""
    return clip.strip(" \t'\"[]")


def without_ending(clip: str) -> str:
    """An id without quotes and brackets, and without the ending of an audio file."""
    return AUDIO.sub("", bare(clip))


def lines_of(data: bytes) -> list[bytes]:
    """The lines that are not empty, without their ends."""
    return [line for line in data.removeprefix(BOM).splitlines() if line.strip()]


def form_of(path: Path, lines: Sequence[bytes], *, single: bool) -> Form:
    """How a table is written.

    Args:
        path: the file, for messages; in a folder its name is the id.
        lines: the first two of it; one where there is no header and one row.
        single: whether the file holds all clips, so that its first column tells the id.

    Raises:
        BadData: nothing is in it, or no row, or no column of numbers.
    """
    if not lines:
        raise BadData(f"{path} is empty. Expected a row of features.")
    separator = max(";,\t", key=lambda mark: lines[0].count(mark.encode()))
    text = b"".join(lines)
    quote = "'" if b"'" in text and b'"' not in text else '"'
    cells = [fields_of(path, line, separator, quote) for line in lines]
    told = _is_header(cells[0])
    if told and len(cells) == 1:
        raise BadData(f"{path} has a header and no row. Expected a row of features.")
    names, row = cells[0] if told else [""] * len(cells[0]), cells[int(told)]
    if len(row) != len(names):
        raise BadData(
            f"{path} has {len(names):,} columns in the header and {len(row):,} in the first row. "
            "Expected as many."
        )
    tells_name = not single and without_ending(row[0]) == path.stem
    known = [name.strip().casefold() for name in names]
    lead = int(single or tells_name)
    while lead < len(row) and _is_no_feature(known[lead], row[lead], told=told):
        lead += 1
    if lead == len(row):
        raise BadData(
            f"{path} has no column of numbers after {listing(names[:lead])}. Expected an id and "
            "then features, separated by commas, semicolons or tabs."
        )
    ids = [i for i in range(lead) if known[i] in ID_NAMES]
    id_at = (ids or [0])[0] if single else None
    return Form(
        separator=separator,
        quote=quote,
        header=lines[0] if told else b"",
        lead=lead,
        id_at=id_at,
        tells_name=tells_name,
        names=tuple(names[lead:] if told else (f"f{i}" for i in range(len(row) - lead))),
        left_out=tuple(names[i] for i in range(lead) if i != id_at and known[i] not in ID_NAMES),
    )


def _is_header(cells: Sequence[str]) -> bool:
    """Whether a first line names columns: a name of an id, or more words than one id."""
    if cells[0].strip().casefold() in NO_FEATURES:
        return True
    return not all(map(_is_number, cells[1:] or cells))


def _is_no_feature(name: str, cell: str, *, told: bool) -> bool:
    """Whether a column before the features is none: by its name, or since its cell is a word."""
    return (told and name in NO_FEATURES) or (bool(cell.strip()) and not _is_number(cell))


def fields_of(path: Path, line: bytes, separator: str, quote: str) -> list[str]:
    """The cells of one line."""
    try:
        text = line.decode()
        return next(csv.reader([text], delimiter=separator, quotechar=quote))
    except UnicodeDecodeError as error:
        raise BadData(f"{path} is not UTF-8 text ({error}).") from error
    except csv.Error as error:
        raise BadData(f"{path} is no table of numbers with an id a row ({error}).") from error


def _is_number(cell: str) -> bool:
    """Whether a cell is a number, NaN and infinities included."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def parse(form: Form, rows: Sequence[Row], digest: str) -> Block:
    """Ids and numbers of lines: at once where they are plain, else cell by cell."""
    mark = form.separator.encode()
    dim = len(form.names)
    cut = [row.line.split(mark, form.lead) for row in rows]
    quote = form.quote.encode()
    plain = all(
        len(parts) == form.lead + 1
        and parts[-1].count(mark) == dim - 1
        and all(part.count(quote) in (0, 2) for part in parts[:-1])
        for parts in cut
    )
    values = _numbers([parts[-1] for parts in cut], form.separator) if plain else None
    if values is None or len(values) != len(rows) * dim or not np.isfinite(values).all():
        return _cell_by_cell(form, rows, digest)
    ids = [row.clip for row in rows]
    if form.id_at is not None:
        try:
            ids = [parts[form.id_at].decode() for parts in cut]
        except UnicodeDecodeError:
            return Block([], form.none, digest, ["an id that is not UTF-8 text"])
    return Block(ids, values.reshape(len(rows), dim), digest, [])


def _numbers(lines: Sequence[bytes], separator: str) -> NDArray[np.float32] | None:
    """All numbers of some lines, end to end; None where a cell is none."""
    import polars as pl

    # One column whose lines end where cells do: far faster than thousands of columns.
    text = separator.encode().join((*lines, b""))
    try:
        table = pl.read_csv(
            text,
            has_header=False,
            schema={"value": pl.Float32},
            eol_char=separator,
            separator="\x01",
            quote_char=None,
        )
    except pl.exceptions.PolarsError:
        return None
    return table["value"].fill_null(np.nan).to_numpy()


def _cell_by_cell(form: Form, rows: Sequence[Row], digest: str) -> Block:
    """The same for lines with quoted or odd cells; every cell that is no finite number is told."""
    clips, problems = [], []
    values = np.empty((len(rows), len(form.names)), np.float32)
    for at, row in enumerate(rows):
        try:
            cells = fields_of(Path(row.clip or "the file"), row.line, form.separator, form.quote)
        except BadData as error:
            problems.append(str(error))
            continue
        clip = row.clip or cells[min(form.id_at or 0, len(cells) - 1)]
        clips.append(clip)
        if len(cells) != form.lead + len(form.names):
            expected = form.lead + len(form.names)
            problems.append(f"{clip}: {len(cells):,} columns, expected {expected:,}")
            continue
        values[at] = [_float32(cell) for cell in cells[form.lead :]]
        bad = np.flatnonzero(~np.isfinite(values[at])).tolist()
        if bad:
            cell = _shown(cells[form.lead + bad[0]])
            problems.append(wrong_cell(clip, form.names[bad[0]], cell, len(bad) - 1))
    return Block(clips, form.none if problems else values, digest, problems)


def wrong_cell(clip: str, column: str, cell: str, more: int) -> str:
    """A clip with a cell that is no finite number, and how many more it has."""
    return f"{clip}: {column} is {cell}" + (f", and {more:,} columns more" if more else "")


def _float32(cell: str) -> np.float32:
    """The number in a cell, NaN where there is none, infinite where 32 bits cannot hold it."""
    with np.errstate(over="ignore"):
        return np.float32(float(cell) if _is_number(cell) else np.nan)


def _shown(cell: str) -> str:
    """A cell for a message; words are not shown."""
    text = cell.strip()
    if not text:
        return "blank"
    return text if SHOWN.fullmatch(text) else "text"
