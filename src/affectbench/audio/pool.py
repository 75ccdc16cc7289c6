"""Work in other processes, so that a kill, an interrupt or a crash leaves one clear state.

Workers are single-threaded, ignore Ctrl-C (their parent decides), and leave within seconds when
their parent is gone. They are started by loky: no ``__main__`` guard in the user's script.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

from affectbench import store
from affectbench.errors import AffectBenchError

Task = TypeVar("Task")
Done = TypeVar("Done")

SINGLE_THREADED: Final = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"), "1"
)
STALE_S: Final = 3600.0  # a half-written file of that age has no writer any more


@dataclass(frozen=True, slots=True)
class _Failure:
    """An error of ours on its way out of a worker: not every exception survives pickling."""

    kind: type[AffectBenchError]
    message: str


def for_each(
    function: Callable[[Task], Done],
    tasks: Sequence[Task],
    *,
    workers: int,
    done: Callable[[Done], None],
) -> None:
    """Run ``function`` on each task in ``workers`` processes; ``done`` gets results as they come.

    Even one worker is another process. On any error, Ctrl-C included, the workers are killed
    before the error leaves this function.

    Raises:
        AffectBenchError: raised by a task, or a worker was killed, or ``workers`` is not positive.
    """
    from joblib.externals.loky import ProcessPoolExecutor
    from joblib.externals.loky.process_executor import BrokenProcessPool

    if workers < 1:
        raise AffectBenchError(f"{workers} workers were asked for; at least one is needed.")
    if not tasks:
        return
    left = iter(tasks)
    pool = ProcessPoolExecutor(
        max_workers=min(workers, len(tasks)),
        initializer=_start_worker,
        initargs=(os.getpid(),),
        env=SINGLE_THREADED,
    )
    whole = False
    try:
        with _interrupts_ignored():
            running = {pool.submit(_guarded, function, next(left))}  # starts the workers
        # No more at once than the workers can take soon: loky stumbles, with a traceback on
        # stderr, when it is shut down while tasks wait that it has handed to no worker.
        most = 2 * workers
        running |= {pool.submit(_guarded, function, task) for task in islice(left, most - 1)}
        while running:
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                result = future.result()
                if isinstance(result, _Failure):
                    raise _rebuilt(result)
                done(result)
            ahead = islice(left, most - len(running))
            running |= {pool.submit(_guarded, function, task) for task in ahead}
        whole = True
    except BrokenProcessPool as error:
        raise AffectBenchError(
            "A worker process died before its work was done, most often because memory ran out. "
            "Finished work is kept: run the same command again, with fewer --workers."
        ) from error
    finally:
        pool.shutdown(wait=True, kill_workers=not whole)


def clear_partials(folder: Path, names: Collection[str] = ()) -> None:
    """Remove what killed processes were writing: under these ``names``, or an hour ago.

    Raises:
        AffectBenchError: the folder is not writable.
    """
    now = time.time()
    for partial in folder.glob(".*.partial"):
        ours = partial.name[1:].rsplit(".", 2)[0] in names
        try:
            if ours or now - partial.stat().st_mtime > STALE_S:
                partial.unlink()
        except FileNotFoundError:
            continue  # its writer has just finished
        except OSError as error:
            raise store.disk_error(error, partial) from error


def _guarded(function: Callable[[Task], Done], task: Task) -> Done | _Failure:
    """``function(task)``, with an error of ours as a value."""
    try:
        return function(task)
    except AffectBenchError as error:
        return _Failure(type(error), str(error))


def _rebuilt(failure: _Failure) -> AffectBenchError:
    """The error that a worker met; its class may take other arguments than a message."""
    error = failure.kind.__new__(failure.kind)
    error.args = (failure.message,)
    return error


def _start_worker(parent: int) -> None:
    """Runs first in every worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_after, args=(parent,), daemon=True).start()


def _leave_after(parent: int) -> None:
    """End this process when its parent has died: nobody will read its results."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Ignore SIGINT, which children inherit, so that none dies of Ctrl-C while it starts."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
