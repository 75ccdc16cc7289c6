"""Anybody's CSV to cells of text, in bounded memory: every line is looked at, none is trusted."""

from __future__ import annotations

import csv
import io
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from affectbench.errors import MissingData
from affectbench.submission.names import shown
from affectbench.submission.verdict import FIRST, Log, Refused, first_of, number_of

MAX_BYTES: Final = 256_000_000
MAX_ROWS: Final = 2_000_000
MAX_LINES: Final = 3_000_000  # blank ones too
MAX_CELLS: Final = 10_000_000
MAX_LINE: Final = 20_000  # characters
MAX_COLUMNS: Final = 1_000
CHUNK_ROWS: Final = 20_000
ROW: Final = "row"  # line of the file, the header being line 1
SEPARATORS: Final = {",": "commas", ";": "semicolons", "\t": "tabs"}
BOM: Final = b"\xef\xbb\xbf"
UTF8: Final = "Save it as UTF-8 text (in a spreadsheet: 'CSV UTF-8')."
SAVE: Final = "Save the table as CSV (UTF-8, commas) and hand that in."
STARTS: Final = {
    b"\xff\xfe\x00\x00": f"is UTF-32 text. {UTF8}",
    b"\xff\xfe": f"is UTF-16 text. {UTF8}",
    b"\xfe\xff": f"is UTF-16 text. {UTF8}",
    b"PK\x03\x04": f"is a zip archive or an Excel workbook, whatever its name says. {SAVE}",
    b"\xd0\xcf\x11\xe0": f"is an Excel workbook of the old kind. {SAVE}",
    b"\x1f\x8b": "is compressed with gzip. Unpack it and hand in the CSV.",
    b"PAR1": f"is a Parquet file. {SAVE}",
    b"\x89HDF": f"is an HDF5 file. {SAVE}",
    b"%PDF": f"is a PDF document. {SAVE}",
    b"{": f"is JSON, not CSV. {SAVE}",
    b"<": f"is HTML or XML, not CSV. {SAVE}",
}  # first bytes -> what such a file is


@dataclass(slots=True)
class Sheet:
    """A table of text: cells without the blanks around them."""

    header: tuple[str, ...]
    cells: pl.DataFrame  # ``row``, then one String column a header cell: "0", "1", ...
    separator: str
    ragged: int  # rows left out: their number of cells is not that of the header


def read_sheet(path: Path, log: Log, *, most_rows: int, max_bytes: int) -> Sheet:
    """Cells of a file separated by commas, semicolons or tabs; one line is one row.

    Raises:
        MissingData: there is no such file, or it cannot be opened.
        Refused: it is too large (before anything is read), no plain file, empty, not UTF-8 text,
            or has a line, a row or a number of rows beyond all measure.
    """
    check_file(path, max_bytes)
    try:
        with path.open("rb") as file:
            head = file.read(4096)
            _check_head(path, head)
            file.seek(0)
            text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline=None)
            sheet = _Reader(path, log, most_rows).read(text)
            ends = text.newlines or ()
    except OSError as error:
        why = error.strerror or error
        raise MissingData(f"{shown(str(path), 200)} cannot be read ({why}).") from error
    log.repaired("byte-order mark", int(head.startswith(BOM)), "A byte-order mark was taken off.")
    log.repaired(
        "line ends", int(any(end != "\n" for end in ends)), "Line ends were made those of Unix."
    )
    return sheet


def check_file(path: Path, max_bytes: int) -> None:
    """Refuse what is no file, or too large, without opening it.

    Raises:
        MissingData: there is nothing of that name.
        Refused: it is a folder or a device, empty, or larger than ``max_bytes``.
    """
    try:
        facts = path.stat()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise MissingData(f"{shown(str(path), 200)} cannot be opened ({why}).") from error
    if stat.S_ISDIR(facts.st_mode):
        raise Refused(path.name, ["It is a folder; expected one CSV file."])
    if not stat.S_ISREG(facts.st_mode):
        raise Refused(path.name, ["It is no plain file but a device or a pipe; expected a CSV."])
    if facts.st_size > max_bytes:
        raise Refused(
            path.name,
            [
                f"It has {facts.st_size:,} bytes and was not read. At most {max_bytes:,} are "
                "taken; a whole submission has some megabytes."
            ],
        )
    if not facts.st_size:
        raise Refused(path.name, ["It is empty (0 bytes)."])


def _check_head(path: Path, head: bytes) -> None:
    """Refuse what its first bytes give away."""
    start = head.removeprefix(BOM).lstrip(b" \t\r\n")
    for mark, what in STARTS.items():
        if start.startswith(mark):
            raise Refused(path.name, [f"It {what}"])
    if b"\x00" in head:
        even, odd = head[::2].count(0), head[1::2].count(0)
        wide = max(even, odd) > len(head) // 4 and min(even, odd) < len(head) // 50 + 1
        what = f"UTF-16 text without a mark. {UTF8}" if wide else f"binary, not text. {SAVE}"
        raise Refused(path.name, [f"It is {what}"])


@dataclass(slots=True)
class _Reader:
    """One pass over the lines of a file."""

    path: Path
    log: Log
    most_rows: int
    rows: list[int] = field(default_factory=list)  # of the chunk being filled
    cells: list[list[str]] = field(default_factory=list)
    chunks: list[pl.DataFrame] = field(default_factory=list)
    taken: int = 0
    blank: list[int] = field(default_factory=list)  # the first few
    blanks: int = 0
    ragged: list[str] = field(default_factory=list)
    raggeds: int = 0
    quotes: list[int] = field(default_factory=list)
    quotes_wrong: int = 0

    def read(self, text: io.TextIOWrapper) -> Sheet:
        """Header, then rows."""
        lines = self.lines(text)
        header, separator = self.header(lines)
        for number, line in lines:
            if not line.strip(" \t,;"):
                self.count_blank(number)
                continue
            self.take(number, line, separator, len(header))
        self.flush(len(header))
        self.tell(len(header))
        cells, changed = _stripped(pl.concat(self.chunks))
        at = cells.filter(changed)[ROW].to_list()
        self.log.repaired("blanks", len(at), f"Blanks around cells in {len(at):,} rows.", at)
        names = tuple(name.strip() for name in header)
        return Sheet(names, cells, separator, self.raggeds + self.quotes_wrong)

    def lines(self, text: io.TextIOWrapper) -> Iterator[tuple[int, str]]:
        """Number and text of each line, none of them long, all of them UTF-8."""
        number = 0
        while line := text.readline(MAX_LINE + 1):
            number += 1
            if number > MAX_LINES:
                raise self.refusal(f"It has more than {MAX_LINES:,} lines; reading stopped there.")
            if len(line) > MAX_LINE:
                raise self.refusal(
                    f"Line {number:,} has more than {MAX_LINE:,} characters; expected one row a "
                    "line, of cells that hold an id, a number or a class."
                )
            if not line.isascii():
                odd = next((c for c in line if "\udc80" <= c <= "\udcff"), None)
                if odd is not None:
                    raise self.refusal(
                        f"Line {number:,} is not UTF-8 text (byte 0x{ord(odd) - 0xDC00:02x}; "
                        f"perhaps Windows-1252). {UTF8}"
                    )
            yield number, line.removesuffix("\n")

    def header(self, lines: Iterator[tuple[int, str]]) -> tuple[list[str], str]:
        """The first line that is not blank, as cells, and the separator of the file."""
        hint = ""
        for number, line in lines:
            if not line.strip(" \t,;"):
                self.count_blank(number)
                continue
            if line.lower().startswith("sep=") and len(line) == 5 and not hint:
                hint = line[4]
                self.log.repaired(
                    "separator line", 1, "The line that names the separator was left out.", [number]
                )
                continue
            separators = [hint] if hint in SEPARATORS else list(SEPARATORS)
            split = {mark: cells_of(line, mark) or [line] for mark in separators}
            separator = max(split, key=lambda mark: len(split[mark]))
            if len(split[separator]) > MAX_COLUMNS:
                raise self.refusal(f"Line {number:,} has more than {MAX_COLUMNS:,} columns.")
            if separator != ",":
                self.log.repaired(
                    "separator", 1, f"Columns were separated by {SEPARATORS[separator]}."
                )
            return split[separator], separator
        raise self.refusal("It holds blank lines alone; expected a header and one row a test clip.")

    def take(self, number: int, line: str, separator: str, width: int) -> None:
        """Keep one row, or count what is wrong with it."""
        self.taken += 1
        if self.taken > self.most_rows or self.taken * width > MAX_CELLS:
            self.tell(width)
            raise self.refusal(
                f"It has more than {self.taken - 1:,} rows, of {width:,} cells each; reading "
                "stopped there. Expected one row a test clip."
            )
        cells = cells_of(line, separator)
        if cells is None:
            self.quotes_wrong += 1
            if len(self.quotes) < FIRST:
                self.quotes.append(number)
            return
        if len(cells) != width:
            self.raggeds += 1
            if len(self.ragged) < FIRST:
                self.ragged.append(f"row {number} has {len(cells):,}")
            return
        self.rows.append(number)
        self.cells.append(cells)
        if len(self.rows) == CHUNK_ROWS:
            self.flush(width)

    def flush(self, width: int) -> None:
        """Turn the rows read so far into columns."""
        columns: list[Sequence[str]] = list(zip(*self.cells, strict=True)) or [()] * width
        data = {ROW: pl.Series(self.rows, dtype=pl.Int64)}
        data |= {str(i): pl.Series(cells, dtype=pl.String) for i, cells in enumerate(columns)}
        self.chunks.append(pl.DataFrame(data))
        self.rows, self.cells = [], []

    def count_blank(self, number: int) -> None:
        """Count a line without a cell."""
        self.blanks += 1
        if len(self.blank) < FIRST:
            self.blank.append(number)

    def tell(self, width: int) -> None:
        """Blank lines are a repair; rows that do not fit the header are problems."""
        self.log.repaired(
            "blank lines",
            self.blanks,
            f"{number_of(self.blanks, 'blank line')} left out.",
            self.blank,
        )
        if self.quotes_wrong:
            where = first_of((f"row {row}" for row in self.quotes), self.quotes_wrong)
            self.log.problems.append(
                f"{number_of(self.quotes_wrong, 'row')} with quotes that do not close within the "
                f"line: {where}. Expected one row a line, without line breaks in cells."
            )
        if self.raggeds:
            self.log.problems.append(
                f"{number_of(self.raggeds, 'row')} of another number of cells than the "
                f"{width:,} of the header: {first_of(self.ragged, self.raggeds)}. A decimal comma "
                "that is not in quotes makes a row too long: expected 0.5, not 0,5."
            )

    def refusal(self, problem: str) -> Refused:
        """For what ends the reading."""
        return Refused(self.path.name, [*self.log.problems, problem])


def cells_of(line: str, separator: str) -> list[str] | None:
    """Cells of one line; None where its quotes do not match."""
    if '"' not in line:
        return line.split(separator)
    try:
        return next(csv.reader([line], delimiter=separator, strict=True))
    except (csv.Error, StopIteration):
        return None


def _stripped(cells: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Without the blanks around cells, and which rows had any."""
    text = pl.exclude(ROW)
    bare = cells.with_columns(text.str.strip_chars())
    differ = [bare[name] != cells[name] for name in bare.columns if name != ROW]
    changed = pl.select(pl.any_horizontal(differ)).to_series() if differ else pl.Series([False])
    return bare, changed
