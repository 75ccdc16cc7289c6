"""Walk the frames of an mp3, since its decoder guesses lengths and skips foreign bytes in silence.

Without a frame count in its first frame (Xing, Info, VBRI), libsndfile estimates the length of an
mp3 from the bit rate of its first frames and stops there, so a variable-rate file would lose its
end without an error. Header fields: ISO/IEC 11172-3 2.4.1.3 and 13818-3 2.4.2.3, layer III.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from affectbench.errors import BadData

KBPS_1: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
KBPS_2: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
RATES_HZ: Final = (44_100, 48_000, 32_000)
DIVISORS: Final = {3: 1, 2: 2, 0: 4}  # version bits: MPEG 1, 2, 2.5 -> divisor of the rates
TAGS: Final = (b"TAG", b"APETAGEX", b"LYRICS", b"3DI", b"ID3")


class Frame(NamedTuple):
    """What one frame header says."""

    size: int  # bytes, header included
    samples: int


def read_header(data: bytes, at: int) -> Frame | None:
    """The layer III frame header at byte ``at``; None where there is none."""
    if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] & 0xE6 != 0xE2:
        return None
    version = data[at + 1] >> 3 & 3
    rate, kbps = data[at + 2] >> 2 & 3, data[at + 2] >> 4
    if version not in DIVISORS or rate == 3 or kbps in {0, 15}:
        return None
    first = version == 3
    rate_hz = RATES_HZ[rate] // DIVISORS[version]
    bits = 1000 * (KBPS_1 if first else KBPS_2)[kbps]
    samples = 1152 if first else 576
    return Frame(samples // 8 * bits // rate_hz + (data[at + 2] >> 1 & 1), samples)


def check_mpeg(data: bytes, declared: int) -> int:
    """How many samples must come out of this mp3, of which the decoder ``declared`` so many.

    Free-format files (no bit rate in their headers) and layers I and II are not walked. Where the
    decoder guesses the length, up to two frames (52 ms at 44.1 kHz) may be missing at the end.

    Raises:
        BadData: foreign bytes between the frames, a last frame that is cut, or more audio than
            the decoder would read.
    """
    at = after_id3(data)
    while at < len(data) and data[at] == 0:
        at += 1
    first = read_header(data, at)
    if first is None:
        return declared
    counted = any(mark in data[at : at + first.size] for mark in (b"Xing", b"Info", b"VBRI"))
    samples = 0
    while (frame := read_header(data, at)) is not None:
        if at + frame.size > len(data):
            raise BadData(f"cut short: its last frame lacks {at + frame.size - len(data):,} bytes")
        at += frame.size
        samples += frame.samples
    if at < len(data) and data[at:].strip(b"\0") and not data.startswith(TAGS, at):
        raise BadData(f"corrupt: no mp3 frame at byte {at:,} of {len(data):,}")
    if counted:
        return declared
    if abs(samples - declared) > 2 * first.samples:
        raise BadData(
            f"an mp3 without a frame count: it holds {samples:,} samples and would be read as "
            f"{declared:,}. Write it anew, as wav or flac"
        )
    return min(samples, declared)


def after_id3(data: bytes) -> int:
    """Where the ID3v2 tag at the start ends; 0 without one."""
    if data[:3] != b"ID3" or len(data) < 10:
        return 0
    size = 0
    for byte in data[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size + (10 if data[5] & 0x10 else 0)
