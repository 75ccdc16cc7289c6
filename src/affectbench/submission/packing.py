"""What is handed in: the clean file under its official name, and a manifest beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from affectbench.environment import version
from affectbench.results import read_seed, seed_folders
from affectbench.store import plain
from affectbench.submission.names import check_team, form_of, name_of
from affectbench.submission.reading import Handed, read
from affectbench.submission.sources import from_result
from affectbench.submission.writing import content, write_new
from affectbench.types import Task

SCHEMA: Final = 1


@dataclass(frozen=True, slots=True)
class Packed:
    """What lies ready to be handed in."""

    file: Path
    manifest: Path
    handed: Handed


def pack(
    path: Path,
    task: Task,
    team: str,
    number: int,
    out: Path,
    *,
    expected: Sequence[str] | None = None,
) -> Packed:
    """Validate a submission and write its clean file and ``<name>.manifest.json`` into ``out``.

    The same input gives the same bytes. The manifest holds hashes, versions, counts and repairs,
    and no predicted value.

    Args:
        path: a CSV, or a folder of results of ours (``from_result``).
        task: what it is handed in for.
        team: see ``check_team``.
        number: of the submission, 1 for the team's first.
        out: folder for the two files; it is made where it is not there.
        expected: ids of the test part; None where they are not known, which is noted.

    Raises:
        MissingData: there is no such file or result.
        Refused, BadData: it cannot be scored, or the team's name or the number cannot be used.
        ResultConflict: a file of that name is there with another content; nothing is written.
    """
    name = name_of(task, team, number)
    if path.is_dir():
        handed = from_result(path, task, expected=expected)
    else:
        handed = read(path, task, expected=expected)
    data = content(handed.table, task)
    told = _manifest(task, name, team, number, data, handed) | {"original": _origin(path)}
    file, manifest = out / name, out / f"{name}.manifest.json"
    write_new({file: data, manifest: as_json(told)})
    return Packed(file, manifest, handed)


def as_json(value: Any) -> bytes:
    """Indented JSON, NaN as null."""
    text = json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()


def _manifest(
    task: Task, name: str, team: str, number: int, data: bytes, handed: Handed
) -> dict[str, Any]:
    """What the file is and what was done to it."""
    form = form_of(task)
    return {
        "schema": SCHEMA,
        "task": task.name,
        "version": task.version,
        "team": check_team(team),
        "number": number,
        "attempts": form.attempts,
        "official": form.official,
        "file": name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "rows": len(handed.table),
        "columns": [form.key, *form.columns],
        "ids_checked": handed.checked,
        "repairs": [asdict(repair) for repair in handed.repairs],
        "notes": list(handed.notes),
        "affectbench": version("affectbench"),
    }


def _origin(path: Path) -> dict[str, Any]:
    """What the file was made from: a name without its folder, and hashes."""
    name = path.resolve().name.encode("utf-8", "replace").decode()
    if path.is_dir():
        places = [path] if (path / "result.json").is_file() else seed_folders(path)
        results = [read_seed(place)[0] for place in places]
        return {
            "result": results[0]["system"]["label"],
            "inputs": results[0]["inputs"],
            "seeds": [result["seed"] for result in results],
            "predictions": [result["predictions"]["test"] for result in results],
        }
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"name": name, "bytes": path.stat().st_size, "sha256": digest}
