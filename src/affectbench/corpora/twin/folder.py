"""Writing a twin: a folder that is whole or not there, tables, and many clips in processes."""

from __future__ import annotations

import os
import shutil
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from affectbench.errors import AffectBenchError
from affectbench.store import disk_error, write_atomic

Progress = Callable[[int, int], None]  # clips done, clips in all


@contextmanager
def new_folder(root: Path) -> Iterator[Path]:
    """A folder beside ``root`` that takes its name when all went well, and is removed otherwise.

    Raises:
        AffectBenchError: ``root`` is in use, or cannot be written.
    """
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise AffectBenchError(
            f"{root} exists and is not an empty folder. A twin is never written over other files: "
            "name a new folder, or remove this one."
        )
    partial = root.with_name(f".{root.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        partial.mkdir(parents=True)
        yield partial
        partial.replace(root)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise disk_error(error, root) from error
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def write_csv(path: Path, table: pl.DataFrame) -> None:
    """Write a table atomically, numbers with four decimals."""
    write_atomic(path, lambda file: table.write_csv(file, float_precision=4))


def run_jobs(
    function: Callable[..., int],
    jobs: Sequence[tuple[Any, ...]],
    total: int,
    workers: int | None,
    progress: Progress | None,
) -> None:
    """Call ``function(*job)``, which gives the clips it made, for every job in processes.

    One worker is this process. Whatever is running has ended when this function is left.
    """
    from joblib import Parallel, delayed

    pool = Parallel(n_jobs=workers or os.cpu_count(), backend="loky", return_as="generator")
    done = 0
    # What an interrupt leaves undone is no news to the user.
    with (
        warnings.catch_warnings(),
        closing(pool(delayed(function)(*job) for job in jobs)) as finished,
    ):
        warnings.filterwarnings("ignore", r".*tasks? .*(not used|cancelled)", UserWarning)
        for count in finished:
            done += count
            if progress:
                progress(done, total)
