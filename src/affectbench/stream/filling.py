"""One shard written, in this process or in one that does nothing else.

A shard is made of many short reads, digests and writes, between which threads would wait for each
other. So this file imports next to nothing: as a process it starts in a twentieth of a second,
takes a pickled ``Job`` from its standard input, and gives the places of its clips, or the error
that it met, on its standard output.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Final

from affectbench import store
from affectbench.errors import AffectBenchError, BadData, listing
from affectbench.stream import layout

Place = tuple[Any, ...]  # ``packing.PLACE``
AT_ONCE: Final = 1 << 20  # bytes that are written at a time: half the time of writing each clip
POLL_S: Final = 0.2  # how long a process works on when all is to stop


@dataclass(frozen=True, slots=True)
class Job:
    """A shard to write."""

    data: str  # the corpus folder
    path: Path  # of the shard
    rows: list[dict[str, Any]]  # what the JSON says of each clip, and ``bytes``
    note: bytes
    keep_going: bool


def fill(job: Job, go_on: Callable[[], None] = lambda: None) -> list[Place]:
    """Write the shard, and return the place of each clip.

    Raises:
        BadData: a file holds no Opus (unless ``keep_going``), or changed since the shard was
            planned.
        AffectBenchError: the shard cannot be written; nothing is left.
    """
    places: list[Place] = []
    store.write_atomic(job.path, lambda file: places.extend(_records(file, job, go_on)))
    return places


def fill_elsewhere(job: Job, go_on: Callable[[], None]) -> list[Place]:
    """``fill`` in a process of its own, which is killed when ``go_on`` raises."""
    command = [sys.executable, "-c", f"from {__name__} import main; main()"]
    with TemporaryFile() as told:  # no pipe: what a timeout leaves unwritten would be lost
        pickle.dump(job, told)
        told.seek(0)
        with subprocess.Popen(
            command, stdin=told, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            try:
                answer, said = _answer(process, go_on)
            except BaseException:
                process.kill()
                raise
    if process.returncode:
        raise AffectBenchError(
            f"The process that wrote {job.path} ended with {process.returncode}: "
            f"{said.decode(errors='replace').strip()[-500:] or 'it was killed'}. Run the same "
            "command again: finished shards are kept."
        )
    found = pickle.loads(answer)
    if isinstance(found, AffectBenchError):
        raise found
    return list(found)


def _answer(process: subprocess.Popen[bytes], go_on: Callable[[], None]) -> tuple[bytes, bytes]:
    """What a process says until it ends."""
    while True:
        try:
            return process.communicate(timeout=POLL_S)
        except subprocess.TimeoutExpired:
            go_on()


def refusal(faults: Iterable[tuple[str, str]]) -> str:
    """The message for files that cannot be packed."""
    kinds: dict[str, list[str]] = {}
    for clip, kind in faults:
        kinds.setdefault(kind, []).append(clip)
    said = "; ".join(f"{kind}: {len(c):,} ({listing(c, 3)})" for kind, c in kinds.items())
    return (
        f"Files that cannot be packed: {said}. Mend them and run stream index again, or leave them "
        "out with --keep-going."
    )


def _records(file: IO[bytes], job: Job, go_on: Callable[[], None]) -> Iterator[Place]:
    """Write the shard to a file."""
    parts, written = [job.note], 0
    at, faults = len(job.note), []
    for row in job.rows:
        go_on()
        clip = row["clip"]
        size = row["bytes"]
        sound = _read(f"{job.data}/{clip}", size)
        key = layout.key(clip)
        fault = layout.glance(sound)
        if fault is not None:
            faults.append((clip, fault))
            yield (clip, key, *[None] * 7, fault)
            continue
        told = layout.told({name: value for name, value in row.items() if name != "bytes"})
        head = layout.header(key + layout.SOUND, size)
        middle = layout.filling(size) + layout.header(key + layout.TOLD, len(told))
        end = layout.filling(len(told))
        parts += (head, sound, middle, told, end)
        start = at + len(head)
        told_at = start + size + len(middle)
        rest = layout.digest(head, middle, told, end)
        yield clip, key, start, size, layout.digest(sound), at, told_at, len(told), rest, None
        at = told_at + len(told) + len(end)
        if at - written >= AT_ONCE:
            file.write(b"".join(parts))
            parts, written = [], at
    if faults and not job.keep_going:
        raise BadData(refusal(faults))
    parts.append(layout.ending(at))
    file.write(b"".join(parts))


def _read(path: str, size: int) -> bytes:
    """The bytes of a file that must be as large as it was."""
    try:
        file = os.open(path, os.O_RDONLY)  # a quarter of what Path.read_bytes takes
        try:
            data = os.read(file, size + 1)
            while 0 < len(data) < size and (more := os.read(file, size + 1 - len(data))):
                data += more  # the system may give less than was asked for
        finally:
            os.close(file)
    except OSError as error:
        raise BadData(
            f"{path} cannot be read ({error.strerror}), though it was there when the shards were "
            "planned. Run stream index again and pack into another folder."
        ) from error
    if len(data) != size:
        raise BadData(
            f"{path} holds {len(data):,} bytes, and held {size:,} when the shards were planned. "
            "Run the same command again when nothing writes there."
        )
    return data


def main() -> None:
    """Write the shard that standard input tells of."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    job: Job = pickle.load(sys.stdin.buffer)
    found: list[Place] | AffectBenchError
    try:
        found = fill(job)
    except AffectBenchError as error:
        found = error
    pickle.dump(found, sys.stdout.buffer)
