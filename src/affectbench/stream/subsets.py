"""Named subsets: the clips, and the definition, count and hash that tell them.

subsets/<name>.parquet  ``clip``
subsets/<name>.json     how they were chosen, under which policy; written last
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from affectbench import store
from affectbench.errors import BadData, MissingData, ResultConflict, listing
from affectbench.stream.index import StreamIndex

if TYPE_CHECKING:
    from affectbench.stream.selecting import Selection

FOLDER: Final = "subsets"
NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")  # what SQL takes for a table without quotes


def save_subset(index: StreamIndex, name: str, selection: Selection) -> dict[str, Any]:
    """Store a selection under a name, and return what was written about it.

    Raises:
        BadData: the name cannot be one.
        ResultConflict: another subset has that name.
        AffectBenchError: it cannot be written.
    """
    if not NAME.fullmatch(name) or name == "clips":
        raise BadData(
            f"A subset cannot be named '{name}'. Expected up to 64 small letters, digits and _, a "
            "letter first, and not 'clips'."
        )
    about = {
        "name": name,
        "clips": len(selection.clips),
        "hours_held": selection.hours,
        "digest": selection.digest,
        **selection.definition,
    }
    path = index.folder / FOLDER / f"{name}.json"
    if path.is_file():
        if json.loads(path.read_bytes()) == json.loads(json.dumps(store.plain(about))):
            return about
        raise ResultConflict(
            f"{path} is another subset of that name. Choose another name, or remove it and its "
            ".parquet."
        )
    clips = selection.clips.select("clip")
    policy = {"policy": json.dumps(about["policy"])}
    store.write_atomic(
        path.with_suffix(".parquet"), lambda file: clips.write_parquet(file, metadata=policy)
    )
    store.write_json(path, about)
    return about


def subset_names(index: StreamIndex) -> list[str]:
    """Names of the subsets that are whole."""
    return sorted(path.stem for path in (index.folder / FOLDER).glob("*.json"))


def read_subset(index: StreamIndex, name: str) -> dict[str, Any]:
    """What was written about a subset.

    Raises:
        MissingData: there is none of that name.
    """
    return read_definition(index.folder / FOLDER / f"{name}.json", subset_names(index))


def read_definition(path: Path, others: list[str] | None = None) -> dict[str, Any]:
    """What was written about a subset, of this index or of another.

    Raises:
        MissingData: there is no such file.
        BadData: it is no definition.
    """
    try:
        about = json.loads(path.read_bytes())
    except OSError as error:
        there = f" There are: {listing(others)}." if others else ""
        raise MissingData(
            f"{path} is not there. Save a subset first: affectbench stream query ... --save NAME."
            f"{there}"
        ) from error
    except ValueError as error:
        raise BadData(f"{path} is not JSON. Remove it and save the subset again.") from error
    if not isinstance(about, dict) or "digest" not in about:
        raise BadData(f"{path} is no definition of a subset.")
    return about


def clips_of(index: StreamIndex, name: str) -> pl.DataFrame:
    """``clip`` of a subset.

    Raises:
        MissingData: there is none of that name.
        BadData: its clips are not those that were saved.
    """
    from affectbench.stream.selecting import digest_of

    about = read_subset(index, name)
    path = index.folder / FOLDER / f"{name}.parquet"
    try:
        clips = pl.read_parquet(path, columns=["clip"])
    except (OSError, pl.exceptions.PolarsError) as error:
        raise BadData(f"{path} cannot be read. Remove the subset and save it again.") from error
    if digest_of(clips["clip"]) != about["digest"]:
        raise BadData(f"{path} is not what was saved. Remove the subset and save it again.")
    return clips
