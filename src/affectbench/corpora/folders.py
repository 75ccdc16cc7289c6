"""Audio files of a folder by name, matched with label rows: nothing that is odd is passed over."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from affectbench.errors import BadData, MissingData, listing
from affectbench.types import Finding

SHOWN: Final = 12  # entries of a wrong folder that a message names


@dataclass(frozen=True, slots=True)
class Listing:
    """Audio files of some folders, and the names among them that cannot be used."""

    files: dict[str, str]  # id -> path; an id in several folders has the path of the first
    findings: tuple[Finding, ...]


def list_audio(folders: Sequence[tuple[Path, str]], name: Callable[[Path], str]) -> Listing:
    """Files with the given ending in each ``(folder, ending)``; folders that are absent are none.

    Args:
        folders: Where to look, the preferred one first, each with the ending (".wav") that counts.
        name: Path of a file -> id of its clip.

    Raises:
        BadData: the path of a folder is not UTF-8, or a folder cannot be read.
    """
    files: dict[str, str] = {}
    foreign, broken = [], []
    seen: set[tuple[Path, str]] = set()  # a folder that is a link to another is read once
    for folder, ending in folders:
        if not _is_utf8(str(folder)):
            raise BadData(f"{_shown(str(folder))}: the path is not UTF-8. Rename its folders.")
        if not folder.is_dir() or (folder.resolve(), ending) in seen:
            continue
        seen.add((folder.resolve(), ending))
        for entry in _scan(folder):
            if not entry.name.endswith(ending):
                continue
            if not _is_utf8(entry.name):
                foreign.append(_shown(entry.name))
            elif entry.is_symlink() and not Path(entry.path).exists():
                broken.append(entry.name)
            else:
                files.setdefault(name(Path(entry.name)), entry.path)
    return Listing(files, tuple(_odd_names(sorted(foreign), sorted(broken))))


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    """The entries of a folder, sorted by name.

    Raises:
        BadData: it cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise BadData(f"{folder} cannot be read ({error.strerror or error}).") from error


def _odd_names(foreign: list[str], broken: list[str]) -> list[Finding]:
    findings = []
    if foreign:
        findings.append(
            Finding(
                kind="file name not UTF-8",
                items=tuple(foreign),
                fatal=True,
                advice="No label row can name these files. Unpack the audio again, or rename them.",
            )
        )
    if broken:
        findings.append(
            Finding(
                kind="broken link",
                items=tuple(broken),
                fatal=True,
                advice="These links lead nowhere or in a circle. Link them to the files again.",
            )
        )
    return findings


def match_audio(
    clips: pl.DataFrame, audio: Listing, where: str
) -> tuple[pl.DataFrame, list[Finding]]:
    """Add ``path``, null where a clip has no file, and report what does not match.

    Args:
        clips: A table with ``clip``.
        audio: What ``list_audio`` found.
        where: The folders, for the message.
    """
    files = audio.files
    clips = clips.with_columns(
        pl.col("clip").replace_strict(files, default=None, return_dtype=pl.String).alias("path")
    )
    findings = list(audio.findings)
    silent = clips.filter(pl.col("path").is_null())["clip"].to_list()
    stray = sorted(set(files) - set(clips["clip"]))
    if silent:
        cut = sorted({name.lstrip("0") for name in silent} & {name.lstrip("0") for name in stray})
        hint = (
            f" {len(cut):,} of them differ from a file in leading zeros alone: a spreadsheet has "
            "cut or filled them; take the released label files."
            if cut
            else ""
        )
        findings.append(
            Finding(
                kind="label without audio",
                items=tuple(silent),
                fatal=True,
                advice=f"These ids have no file in {where}. Unpack the audio again.{hint}",
            )
        )
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


def wrong_folder(root: Path, title: str, layout: str, marks: Sequence[str]) -> MissingData:
    """The error for a folder that is not the corpus: what is there, and what would have told it."""
    entries = sorted(_shown(path.name) for path in root.iterdir()) if root.is_dir() else []
    there = f"It holds {listing(entries, SHOWN)}" if entries else "It is empty or not there"
    deeper = next((path for mark in marks for path in sorted(root.glob(f"*/{mark}"))), None)
    hint = ""
    if deeper is not None:
        below = root / deeper.relative_to(root).parts[0]
        hint = f" {deeper} is one level deeper: is {below} the folder?"
    return MissingData(
        f"{root} is not {title}: no {' or '.join(marks)}. {there}. Expected: {layout}.{hint}"
    )


def circular(folder: Path) -> str:
    """Why a folder is not one: it is not there, or a link to nowhere."""
    return "is a link to nowhere or in a circle" if folder.is_symlink() else "is not there"


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(name: str) -> str:
    """A name that can be printed: bytes that are not UTF-8 are written out."""
    return name.encode(errors="backslashreplace").decode()
