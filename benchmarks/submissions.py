"""10,000 damaged submissions: every one ends in a verdict, soon and in little memory.

    python benchmarks/submissions.py [--count 10000] [--seed 0]

Clean files of five tasks are changed at random: bytes flipped, cut, doubled, put in; cells, rows,
columns, separators, quotes and encodings moved, doubled, emptied or replaced by what people and
programs write. A file is accepted or refused; anything else - a traceback, more than ten seconds,
more than 2 GB of address space, a number in the result that no cell of the file holds - ends the
benchmark. Then the largest official file (A-VB Culture, 19,815 x 40) is read, beside a loop of
``csv`` and ``float`` that checks nothing, large files that are wrong throughout are refused, and
one of 2 GB before it is read.
"""

from __future__ import annotations

import argparse
import collections
import csv
import re
import resource
import signal
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from affectbench.errors import AffectBenchError
from affectbench.submission import Handed, Refused, content, read
from affectbench.tasks import TASKS
from affectbench.types import Task

NAMES = ("avb-high", "avb-culture", "avb-type", "exvo-multitask", "emotion-share")
ROWS = 25
LIMIT_S = 10
LIMIT_BYTES = 2 << 30
CULTURE_ROWS = 19_815
CELLS = (
    "", " ", "nan", "NaN", "inf", "-inf", "?", "None", "#N/A", "1e999", "1e-400", "0,5", "1.5.2",
    "1_000", "0x1f", "=1+1", "@x", "<b>", '"', '""', "'", "[", "]", "[]", "[[00001]]", "['00002']",
    "00003", "3", "00003.wav", "Gasp", "gasp", "Gsap", "United States", "USA", "1.0", "-1",
    "\x00", "\u202e", "\ufeff", "\u00a0", "\u0663", "e", "-", "9" * 400, "a" * 30_000, "\n", "\r\n",
)  # fmt: skip
Lines = list[list[str]]


def predictions(task: Task, rows: int, rng: np.random.Generator) -> pl.DataFrame:
    """Random predictions of the shape of a submission."""
    ending = ".wav" if task.name == "emotion-share" else ""
    columns = {"clip": [f"{i:05d}{ending}" for i in range(rows)]}
    for target in task.targets:
        for column in target.columns:
            drawn = rng.uniform(size=rows) if target.kind == "regression" else [
                target.classes[i] for i in rng.integers(len(target.classes), size=rows)
            ]  # fmt: skip
            columns[f"prediction.{column}"] = list(drawn)
    return pl.DataFrame(columns)


def bytes_changed(data: bytes, rng: np.random.Generator) -> bytes:
    """A few bytes flipped, cut, doubled or put in."""
    raw = bytearray(data)
    for _ in range(rng.integers(1, 6)):
        at = int(rng.integers(len(raw) + 1))
        end = at + int(rng.integers(1, 30))
        match rng.integers(5):
            case 0:
                raw[at : at + 1] = bytes([rng.integers(256)])
            case 1:
                del raw[at:end]
            case 2:
                raw[at:at] = raw[at:end]
            case 3:
                raw[at:at] = rng.bytes(int(rng.integers(1, 10)))
            case _:
                raw = raw[:at] if rng.integers(8) == 0 else raw
    return bytes(raw)


def cell_replaced(lines: Lines, rng: np.random.Generator) -> None:
    """One cell becomes something that is found in files."""
    row = lines[rng.integers(len(lines))]
    row[rng.integers(len(row))] = CELLS[rng.integers(len(CELLS))]


def row_doubled(lines: Lines, rng: np.random.Generator) -> None:
    """A row is there twice, at any place."""
    lines.insert(int(rng.integers(len(lines) + 1)), list(lines[rng.integers(len(lines))]))


def row_dropped(lines: Lines, rng: np.random.Generator) -> None:
    """A row is not there."""
    if len(lines) > 1:
        del lines[rng.integers(len(lines))]


def rows_shuffled(lines: Lines, rng: np.random.Generator) -> None:
    """The rows in any order, the header too now and then."""
    first = int(rng.integers(4) > 0)
    rest = [lines[i] for i in first + rng.permutation(len(lines) - first)]
    lines[first:] = rest


def columns_shuffled(lines: Lines, rng: np.random.Generator) -> None:
    """The columns in any order."""
    order = rng.permutation(max(len(line) for line in lines))
    lines[:] = [[line[i] for i in order if i < len(line)] for line in lines]


def column_doubled(lines: Lines, rng: np.random.Generator) -> None:
    """A column is there twice."""
    at = int(rng.integers(len(lines[0])))
    lines[:] = [[*line, *line[at : at + 1]] for line in lines]


def column_dropped(lines: Lines, rng: np.random.Generator) -> None:
    """A column is not there."""
    at = int(rng.integers(len(lines[0])))
    lines[:] = [line[:at] + line[at + 1 :] or [""] for line in lines]


def index_added(lines: Lines, _: np.random.Generator) -> None:
    """An index as pandas writes it."""
    lines[:] = [[str(i - 1) if i else "", *line] for i, line in enumerate(lines)]


def header_respelt(lines: Lines, rng: np.random.Generator) -> None:
    """A header in another case, with blanks, or as a baseline writes it."""
    spell: Callable[[str], str] = (str.lower, str.upper, " {} ".format, "{}_pred".format)[
        rng.integers(4)
    ]
    lines[0] = [spell(cell) for cell in lines[0]]


def ids_respelt(lines: Lines, rng: np.random.Generator) -> None:
    """Ids without brackets, zeros or ending, or with more of them."""
    forms = ("{}", "[{}]", "['{}']", "[[{}]]", "{}.wav", "{}.0", "wav/{}.wav")
    form = forms[rng.integers(len(forms))]
    for line in lines[1:]:
        line[0] = form.format(re.sub(r"[^0-9]", "", line[0]).lstrip("0") or "0")


STRUCTURE = (
    cell_replaced, cell_replaced, row_doubled, row_dropped, rows_shuffled, columns_shuffled,
    column_doubled, column_dropped, index_added, header_respelt, ids_respelt,
)  # fmt: skip


def structure_changed(data: bytes, rng: np.random.Generator) -> bytes:
    """One to three changes of cells, rows and columns, and another way to write the file."""
    lines = [line.split(",") for line in data.decode().splitlines()]
    for change in rng.choice(len(STRUCTURE), size=rng.integers(1, 4)):
        STRUCTURE[change](lines, rng)
    separator = ",,,,;\t"[rng.integers(6)]
    if separator != "," and rng.integers(2):
        lines = [[cell.replace(".", ",") for cell in line] for line in lines]
    end = ("\n", "\n", "\r\n", "\r")[rng.integers(4)]
    coding = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1")[rng.integers(6)]
    return end.join(separator.join(line) for line in lines).encode(coding, "replace")


def made_up(handed: Handed, data: bytes) -> bool:
    """Whether a number of the result stands in no cell of the file."""
    text = data.decode("utf-8-sig", "replace")
    tokens = {*re.split(r'[,;\t"\r\n]', text)}
    tokens |= {token.replace(",", ".") for token in re.split(r'[;\t"\r\n]', text)}
    numbers = set()
    for token in tokens:
        try:
            numbers.add(float(token))
        except ValueError:
            continue
    columns = handed.table.select(pl.col(pl.Float64))
    return any(not set(column) <= numbers for column in columns)


def verdict(path: Path, data: bytes, task: Task, expected: list[str] | None) -> str:
    """What reading came to; a hang ends the process."""
    path.write_bytes(data)
    signal.alarm(LIMIT_S)
    try:
        handed = read(path, task, expected=expected)
    except Refused:
        return "refused"
    except AffectBenchError as error:
        return f"{type(error).__name__}"
    finally:
        signal.alarm(0)
    content(handed.table, task)
    if made_up(handed, data):
        raise SystemExit(f"a value was made up: {data!r}")
    return "accepted, repaired" if handed.repairs else "accepted as it was"


def fuzz(count: int, seed: int, folder: Path) -> None:
    """Print the verdicts of ``count`` damaged files, the slowest, and the memory taken."""
    rng = np.random.default_rng(seed)
    tables = {name: predictions(TASKS[name], ROWS, rng) for name in NAMES}
    clean = {name: content(table, TASKS[name]) for name, table in tables.items()}
    for name, data in clean.items():
        verdict(folder / "warm.csv", data, TASKS[name], None)
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    times = []
    for number in range(count):
        name = NAMES[number % len(NAMES)]
        change = (bytes_changed, structure_changed)[number // len(NAMES) % 2]
        data = change(clean[name], rng)
        expected = tables[name]["clip"].to_list() if rng.integers(4) else None
        started = time.perf_counter()
        counts[change.__name__][verdict(folder / "x.csv", data, TASKS[name], expected)] += 1
        times.append(time.perf_counter() - started)
    grown_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib) / 1024
    for change, found in counts.items():
        told = ", ".join(f"{what} {n:,}" for what, n in found.most_common())
        print(f"{change:<18} {found.total():,} files: {told}")
    print(
        f"time of one file: median {1e3 * statistics.median(times):.1f} ms, slowest "
        f"{1e3 * max(times):.0f} ms; peak memory grew by {grown_mib:.0f} MiB"
    )


def largest(folder: Path) -> None:
    """Print how long the largest official file takes, beside a loop that checks nothing."""
    task = TASKS["avb-culture"]
    table = predictions(task, CULTURE_ROWS, np.random.default_rng(0))
    path = folder / "culture.csv"
    path.write_bytes(content(table, task))
    expected = table["clip"].to_list()
    ours, loop = [], []
    for _ in range(3):
        started = time.perf_counter()
        handed = read(path, task, expected=expected)
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        with path.open(newline="") as file:
            rows = csv.reader(file)
            next(rows)
            plain = {row[0].strip("[]"): [float(cell) for cell in row[1:]] for row in rows}
        loop.append(time.perf_counter() - started)
    if not handed.table.equals(table) or len(plain) != len(table):
        raise SystemExit("the largest file was not read back as it was written")
    print(
        f"A-VB Culture, {CULTURE_ROWS:,} x 40, {path.stat().st_size / 1e6:.1f} MB: {min(ours):.2f} "
        f"s; csv and float with no check {min(loop):.2f} s, {min(ours) / min(loop):.2f} times it"
    )


def hostile(folder: Path) -> None:
    """Print time and peak memory of large files that are wrong throughout, ids unknown."""
    emotions = ",".join(TASKS["avb-high"].columns)
    head = f"File_ID,{emotions}\n"
    files = {
        "2,100,000 rows": ("avb-type", "File_ID,Voc_Type\n", "[1],Cr\n" * 2_100_000),
        "120,000,000 lines": ("avb-high", head, "a\n" * 120_000_000),
        "9,000,000 wrong cells": ("avb-high", head, f"[00001]{',x' * 10}\n" * 900_000),
    }
    path = folder / "hostile.csv"
    for what, (name, header, rows) in files.items():
        path.write_text(header + rows)
        started = time.perf_counter()
        try:
            read(path, TASKS[name])
        except Refused as refusal:
            told = refusal.problems[-1][:60]
        taken_s = time.perf_counter() - started
        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{what}: {taken_s:.1f} s, peak {peak_mib:,.0f} MiB so far: {told}...")


def huge(folder: Path) -> None:
    """Print how long it takes to refuse 2 GB."""
    path = folder / "huge.csv"
    with path.open("wb") as file:
        file.truncate(2_000_000_000)
    started = time.perf_counter()
    try:
        read(path, TASKS["avb-high"])
    except Refused as refusal:
        print(f"2 GB: {1e3 * (time.perf_counter() - started):.1f} ms. {refusal.problems[0]}")
    else:
        raise SystemExit("a file of 2 GB was read")


def main() -> None:
    """Run all four."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
    with tempfile.TemporaryDirectory() as name:
        fuzz(options.count, options.seed, Path(name))
        largest(Path(name))
        hostile(Path(name))
        huge(Path(name))


if __name__ == "__main__":
    main()
