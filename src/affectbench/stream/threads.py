"""Work in threads, for what reads, writes and hashes: all that is done without Python's lock.

A process takes longer to start than a shard to pack. When one task fails, or at Ctrl-C, the others
stop at their next clip.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from affectbench.errors import AffectBenchError

Task = TypeVar("Task")
Done = TypeVar("Done")
GoOn = Callable[[], None]  # called between clips; raises when all is to stop


class _Stopped(Exception):  # noqa: N818 - it is no error: another task has failed
    """Another task has failed."""


def for_each(
    function: Callable[[Task, GoOn], Done],
    tasks: Sequence[Task],
    *,
    workers: int,
    done: Callable[[Done], None],
) -> None:
    """Run ``function`` on each task in ``workers`` threads; ``done`` gets results as they come.

    No thread is left running when this function is left.

    Raises:
        AffectBenchError: ``workers`` is not positive; and whatever a task raises.
    """
    if workers < 1:
        raise AffectBenchError(f"{workers} workers were asked for; at least one is needed.")
    stop = threading.Event()

    def go_on() -> None:
        if stop.is_set():
            raise _Stopped

    def guarded(task: Task) -> Done:
        go_on()
        try:
            return function(task, go_on)
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(workers) as threads:
        running = [threads.submit(guarded, task) for task in tasks]
        try:
            for future in as_completed(running):
                try:
                    done(future.result())
                except _Stopped:
                    continue  # the failure that stopped it is among the others
        finally:
            stop.set()
