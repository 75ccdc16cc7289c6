"""The file that a killed run goes on from: whole or not there, and never taken for another's."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from affectbench import store
from affectbench.errors import BadData, listing


def save(path: Path, about: Mapping[str, str], state: Mapping[str, Any]) -> None:
    """Write the state of a run, and what run it is of.

    Args:
        path: of the file; an older one is replaced when the new one is whole.
        about: what the run is of, each aspect in a word: task, version, settings, data.
        state: tensors, numbers, strings, and lists and dicts of them.

    Raises:
        AffectBenchError: the file cannot be written; the older one is still there.
    """
    held = {"about": dict(about), "state": dict(state)}
    store.write_atomic(path, lambda file: torch.save(held, file))


def load(path: Path, about: Mapping[str, str], device: torch.device) -> dict[str, Any] | None:
    """The state that was written last, tensors on the device; None where there is none.

    Raises:
        BadData: the file is of another run, in what it says of itself, or is damaged.
    """
    if not path.is_file():
        return None
    try:
        held = torch.load(path, map_location=device, weights_only=True)
        there, state = held["about"], held["state"]
    except (OSError, EOFError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise _damaged(path) from error
    except (pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise _damaged(path) from error
    differing = [
        f"{name} is {there.get(name, 'not known')}, expected {value}"
        for name, value in about.items()
        if there.get(name) != value
    ]
    if differing:
        raise BadData(
            f"The checkpoint {path} is of another run: {listing(differing)}. Remove it to begin "
            "anew, or run again what it is of."
        )
    return dict(state)


def _damaged(path: Path) -> BadData:
    return BadData(
        f"The checkpoint {path} cannot be read. Expected what a run of this version wrote: remove "
        "it to begin anew."
    )
