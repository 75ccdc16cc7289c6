"""The head and the end of an Ogg Opus file, without decoding it.

Read are the first page (RFC 7845, section 5.1), the first page of sound and the last one: what the
file says of itself, and how long it really is. Pages between them are not read, so damage there is
not noticed; decoding notices it.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from affectbench.corpora.twin.stream import ogg_checksum
from affectbench.stream.layout import EMPTY, NOT_OGG, NOT_OPUS

RATE_HZ: Final = 48_000  # granules count samples at this rate, whatever the source had
LARGEST_PAGE: Final = 27 + 255 + 255 * 255
AHEAD: Final = 2 * LARGEST_PAGE  # read from either end; a file of that size is read once
NO_GRANULE: Final = (1 << 64) - 1  # of a page on which no packet ends
FIRST, LAST = 2, 4  # flags of a page
SILK: Final = (480, 960, 1920, 2880)  # samples at 48 kHz of a frame, by configuration (RFC 6716)
HYBRID: Final = (480, 960)
CELT: Final = (120, 240, 480, 960)

GONE: Final = "cannot be read"
NO_SOUND: Final = "no samples"
CUT: Final = "cut short, or damaged at its end"
CORRUPT: Final = "checksum of a page is wrong"
SEVERAL: Final = "several streams"
NO_END: Final = "no end mark"
UNUSABLE: Final = (EMPTY, GONE, NOT_OGG, NOT_OPUS, NO_SOUND)  # there is nothing to decode

Read = Callable[[int, int], bytes]  # offset, count -> bytes, fewer at the end


@dataclass(frozen=True, slots=True)
class Head:
    """What an Opus file says of itself, and the first thing that is wrong with it."""

    fault: str | None = None
    channels: int | None = None
    rate_hz: int | None = None  # of the source; decoders give 48 kHz
    duration_s: float | None = None  # by the last granule, less what is skipped at the start


@dataclass(frozen=True, slots=True)
class _Page:
    """An Ogg page (RFC 3533): its flags, where its last packet ends, and its bytes."""

    flags: int
    granule: int
    serial: int
    lacing: bytes
    body: bytes
    end: int  # offset of what follows it
    whole: bool  # all its bytes are there
    intact: bool  # its checksum is right


def probe_file(path: Path) -> tuple[Head, int]:
    """The head of a file, and its size in bytes; at most 260 kB of it are read."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return Head(GONE), 0
    try:
        size = os.fstat(file).st_size
        start = os.pread(file, AHEAD, 0)

        def read(offset: int, count: int) -> bytes:
            if offset + count <= len(start) or size <= len(start):
                return start[offset : offset + count]
            return os.pread(file, count, offset)

        return probe(read, size), size
    except OSError:
        return Head(GONE), 0
    finally:
        os.close(file)


def probe_bytes(data: bytes) -> Head:
    """The head of a file that has been read."""
    return probe(lambda offset, count: data[offset : offset + count], len(data))


def probe(read: Read, size: int) -> Head:
    """The head of ``size`` bytes, by a function that reads some of them."""
    if not size:
        return Head(EMPTY)
    first = _page(read, 0)
    if first is None:
        return Head(NOT_OGG)
    if not first.whole:
        return Head(CUT)
    if not first.body.startswith(b"OpusHead") or len(first.body) < 19:
        return Head(NOT_OPUS)
    version, channels, skipped, rate_hz = struct.unpack_from("<BBHI", first.body, 8)
    if version >> 4 or not channels:  # a later major version, RFC 7845 section 5.1
        return Head(NOT_OPUS)
    last = _last(read, size)
    if last is None or not first.intact:
        return Head(CORRUPT, channels, rate_hz)
    second = _page(read, first.end)
    if last.serial != first.serial or (second is not None and second.flags & FIRST):
        return Head(SEVERAL, channels, rate_hz)
    if second is None and last.end > first.end:
        return Head(CORRUPT, channels, rate_hz)
    whole = last.end == size
    samples = 0
    if last.end > first.end and last.granule != NO_GRANULE:
        samples = last.granule - _start(read, first.end) - skipped
    if samples <= 0:
        return Head(NO_SOUND if whole else CUT, channels, rate_hz, 0.0)
    fault = CUT if not whole else None if last.flags & LAST else NO_END
    return Head(fault, channels, rate_hz, samples / RATE_HZ)


def _page(read: Read, offset: int) -> _Page | None:
    """The page at ``offset``; None where there is none."""
    head = read(offset, 27)
    if len(head) < 27 or head[:5] != b"OggS\0":
        return None
    _, _, flags, granule, serial, _, check, segments = struct.unpack("<4sBBQIIIB", head)
    lacing = read(offset + 27, segments)
    length = sum(lacing)
    body = read(offset + 27 + segments, length)
    whole = len(lacing) == segments and len(body) == length
    intact = whole and ogg_checksum(head[:22] + bytes(4) + head[26:] + lacing + body) == check
    end = offset + 27 + segments + length
    return _Page(flags, granule, serial, lacing, body, end, whole, intact)


def _last(read: Read, size: int) -> _Page | None:
    """The last page that is whole; its end is less than ``size`` where the file was cut."""
    start = max(0, size - AHEAD)
    tail = read(start, size - start)
    at = len(tail)
    while (at := tail.rfind(b"OggS", 0, at)) >= 0:
        page = _page(read, start + at)
        if page is not None and page.intact:
            return page
    return None


def _start(read: Read, offset: int) -> int:
    """Granule at which the sound starts: above 0 where the file was cut out of a longer stream.

    ``offset`` is that of the comments, which the first page of sound follows. Where no packet ends
    on that page nothing tells the start, and it is 0.
    """
    page = _page(read, offset)
    while page is not None and page.lacing and page.lacing[-1] == 255:  # comments go on
        page = _page(read, page.end)
    page = page and _page(read, page.end)
    if page is None or not page.whole or page.flags & LAST or page.granule == NO_GRANULE:
        return 0  # a last page may end before its packets do
    return max(0, page.granule - _samples(page))


def _samples(page: _Page) -> int:
    """Samples of the packets that end on a page."""
    total = start = at = 0
    for lace in page.lacing:
        at += lace
        if lace < 255:
            total += packet_samples(page.body[start : start + 2]) if at > start else 0
            start = at
    return total


def packet_samples(head: bytes) -> int:
    """Samples at 48 kHz of the Opus packet that starts with these bytes (RFC 6716, section 3)."""
    configuration, code = head[0] >> 3, head[0] & 3
    if configuration < 12:
        frame = SILK[configuration & 3]
    elif configuration < 16:
        frame = HYBRID[configuration & 1]
    else:
        frame = CELT[configuration & 3]
    frames = (1, 2, 2)[code] if code < 3 else head[1] & 63 if len(head) > 1 else 0
    return frame * frames
