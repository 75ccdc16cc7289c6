"""The folder that a site is written to: ours, new or empty, or the results that it tells of.

``affectbench-site.json`` in it lists what was written, and nothing else is ever overwritten or
removed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from operator import methodcaller
from pathlib import Path
from typing import Final

from affectbench.errors import ResultConflict, listing
from affectbench.store import disk_error, write_atomic, write_json

MARKER: Final = "affectbench-site.json"
VERSION: Final = 1
OURS: Final = re.compile(
    r"index\.html|CITATION\.bib|(tasks|corpora)/[^/\\]+\.html|cards/[^/\\]+\.md"
)


def check(folder: Path, results: Path, names: Collection[str] = ()) -> None:
    """Whether a site may be written there, before any work is done.

    Args:
        folder: of the site.
        results: the folder of results; a site may lie among them.
        names: of the files to write, where they are known.

    Raises:
        ResultConflict: files lie there that no report wrote, or the list of them is damaged.
    """
    known = _written(folder)
    in_the_way = [name for name in names if name not in known and (folder / name).exists()]
    if folder.exists() and not folder.is_dir():
        raise ResultConflict(f"{folder} is a file. Expected a folder for the site: --out SITE")
    strange = folder.is_dir() and any(folder.iterdir()) and not (folder / MARKER).is_file()
    if strange and folder.resolve() != results.resolve():
        in_the_way = sorted(path.name for path in folder.iterdir())
    if in_the_way:
        raise ResultConflict(
            f"{folder} holds files that no report of ours wrote: {listing(in_the_way, 5)}. "
            f"Expected a new or empty folder, or one whose {MARKER} lists them. Nothing was "
            "changed: move them away, or name another --out."
        )


def write(folder: Path, results: Path, files: Mapping[str, str]) -> None:
    """Write a site, and remove the pages of an earlier one that it no longer has.

    The list of files is written first, so that a run that is killed leaves a folder that the next
    one takes for its own.

    Raises:
        ResultConflict: see ``check``; nothing is changed.
        AffectBenchError: the disk is full or not writable.
    """
    check(folder, results, files)
    before = _written(folder)
    _mark(folder, {*before, *files})
    for name, text in files.items():
        write_atomic(folder / name, methodcaller("write", text.encode()))
    for name in sorted(before.difference(files)):
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise disk_error(error, folder / name) from error
    _mark(folder, set(files))


def _mark(folder: Path, names: set[str]) -> None:
    about = "The pages of `affectbench report`; the next run overwrites these files and no other."
    write_json(folder / MARKER, {"about": about, "version": VERSION, "files": sorted(names)})


def _written(folder: Path) -> set[str]:
    """What an earlier report wrote there."""
    path = folder / MARKER
    if not path.is_file():
        return set()
    try:
        names = json.loads(path.read_text(encoding="utf-8"))["files"]
        strange = [name for name in names if not OURS.fullmatch(name)]
    except (OSError, ValueError, KeyError, TypeError):
        strange = [MARKER]
    if strange:
        raise ResultConflict(
            f"{path} is damaged, or not of ours ({listing(strange, 3)}): which files are the "
            "site's cannot be told. Remove the site, or name another --out."
        )
    return set(names)
