"""Small folders in the layout of MODULATE-STREAM, Opus files to spoil, and work in this process."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

from affectbench.corpora.modulate_stream import COLUMNS
from affectbench.corpora.twin.stream import ogg_checksum, opus

HEADER = "\t".join(COLUMNS)
SECRET = "zyzzyva"  # in every transcript; it must be nowhere unless asked for


def row(name="a.opus", ms="1000", child="0.1", female="0.2", game="Chess", text=SECRET) -> str:
    return "\t".join((name, ms, text, child, female, game))


def write(root: Path, *rows: str, files: dict[str, bytes] | None = None) -> Path:
    """A table of these rows, and these files."""
    for name, data in (files or {}).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    root.mkdir(parents=True, exist_ok=True)
    (root / "stream.tsv").write_text("\n".join([HEADER, *rows]) + "\n")
    return root


def clip(seconds: float = 0.3, serial: int = 1) -> bytes:
    """An Opus file of a tone."""
    time_s = np.arange(round(seconds * 16_000)) / 16_000
    return opus((9_000 * np.sin(2 * np.pi * (200 + 10 * serial) * time_s)).astype(np.int16), serial)


def corpus(root: Path, clips: int = 12, *, child_every: int = 4) -> Path:
    """``clips`` good rows with files, in two folders; every fourth is a child's."""
    rows, files = [], {}
    for number in range(clips):
        name = f"s{number % 2}/v.1/{number:03d}.opus"
        child = "0.9" if child_every and number % child_every == 0 else "0.1"
        seconds = 0.2 + 0.05 * (number % 5)
        game = f"Game {number % 3}"
        rows.append(
            row(name, f"{seconds * 1000:.0f}", child, game=game, text=f'"{SECRET} {number}')
        )
        files[name] = clip(seconds, number)
    return write(root, *rows, files=files)


def pages(data: bytes) -> list[bytearray]:
    """The Ogg pages of a file."""
    found, start = [], 0
    while start < len(data):
        head = start + 27 + data[start + 26]
        end = head + sum(data[start + 27 : head])
        found.append(bytearray(data[start:end]))
        start = end
    return found


def joined(pages: list[bytearray]) -> bytes:
    """A file of these pages, with checksums that are right."""
    for page in pages:
        page[22:26] = bytes(4)
        page[22:26] = struct.pack("<I", ogg_checksum(bytes(page)))
    return b"".join(pages)


def for_each_here(function: Callable, tasks, *, workers: int, done: Callable) -> None:
    """``pool.for_each`` without other processes."""
    for task in tasks:
        done(function(task))
