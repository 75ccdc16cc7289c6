"""What the verbs share: options, names to objects, bars and tables on the terminal."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from affectbench.errors import BadData, MissingData

if TYPE_CHECKING:
    from affectbench.types import Corpus, FeatureSet, System, Task

Data = Annotated[Path | None, typer.Option("--data", help="Root of the corpus folder.")]
Out = Annotated[Path, typer.Option("--out", help="Folder of results.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress on the terminal.")]
Device = Annotated[
    str | None, typer.Option("--device", help="Of networks: cpu, cuda; the GPU if there is one.")
]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Processes; one a core.")]


def from_file(name: str) -> Any:
    """The object that ``path/to/file.py:NAME`` names."""
    path, _, attribute = name.rpartition(":")
    file = Path(path)
    if not file.is_file():
        raise MissingData(f"{file} is not there. Expected a Python file in {name}.")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise BadData(f"{file} is not a Python file. Expected path/to/file.py:NAME.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    import cloudpickle

    cloudpickle.register_pickle_by_value(module)  # worker processes cannot import the file
    if not hasattr(module, attribute):
        raise MissingData(f"{file} has no '{attribute}'.")
    return getattr(module, attribute)


def task_of(name: str) -> Task:
    """A task by its name in ``TASKS``, or from a file."""
    from affectbench.tasks import TASKS

    task: Task = from_file(name) if ":" in name else TASKS[name]
    return task


def system_of(name: str, features: str | None = None) -> System:
    """A system by its name in ``SYSTEMS``, from a file, or a recipe on features of one's choice."""
    from dataclasses import replace

    from affectbench.systems import RECIPES, SYSTEMS

    if features is None:
        if name in RECIPES and name not in SYSTEMS:
            raise MissingData(
                f"'{name}' is a recipe without features. Expected --features NAME, or one of: "
                f"{', '.join(key for key in SYSTEMS if key.endswith(RECIPES[name].suffix))}."
            )
        system: System = from_file(name) if ":" in name else SYSTEMS[name]
        return system
    chosen = features_of(features)
    if name in RECIPES:
        return RECIPES[name].on(chosen)
    system = from_file(name) if ":" in name else SYSTEMS[name]
    return replace(system, features=chosen, name=f"{system.name}.{chosen.name}")


def features_of(name: str) -> FeatureSet:
    """A feature set: a row of ``FEATURES``, a file of numbers by clip, a model, or from a file.

    ``path/to/file.py:NAME`` is an object, a path to a file or folder of numbers is read by clip, a
    folder with a ``config.json`` and anything like ``owner/model`` is a pretrained model.
    """
    from affectbench.features import FEATURES, embedding
    from affectbench.features.given import given

    path = Path(name)
    if ".py:" in name:
        features: FeatureSet = from_file(name)
        return features
    if name in FEATURES:
        return FEATURES[name]
    if (path / "config.json").is_file():
        return embedding(path)
    if path.exists():
        return given(path)
    if path.suffix or name.count("/") != 1:
        return FEATURES[name]  # says what there is
    return embedding(name)


def data_of(data: Path | None, corpus: Corpus) -> Path:
    """``--data``, or the corpus's folder under ``$AFFECTBENCH_DATA``."""
    if data is not None:
        return data
    base = os.environ.get("AFFECTBENCH_DATA")
    if not base:
        raise MissingData(
            f"No --data was given. Expected the folder of {corpus.title}: {corpus.layout}; or set "
            f"AFFECTBENCH_DATA to a folder that holds {corpus.name}/."
        )
    return Path(base) / corpus.name


@contextlib.contextmanager
def progress_bar(quiet: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """A bar per stage on a terminal, nothing elsewhere or when quiet."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    stages: dict[str, Any] = {}
    with Progress(*columns, console=Console(stderr=True)) as bars:

        def update(stage: str, done: int, total: int) -> None:
            name = stage.partition(": ")[0]  # what follows changes as the stage goes on
            if name not in stages:
                stages[name] = bars.add_task(stage, total=total)
            bars.update(stages[name], description=stage, completed=done, total=total)

        yield update


def print_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Columns as wide as they need to be."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    for row in (header, *rows):
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo(f"  {cells}".rstrip())


def remarks_line(text: str) -> None:
    """A remark, folded to the terminal and indented."""
    width = shutil.get_terminal_size().columns
    typer.echo(textwrap.fill(text, width, initial_indent="  ", subsequent_indent="    "))
