"""A file's bytes to samples: every format, one function, one reason when it cannot be done.

libsndfile (through soundfile) reads wav, flac, mp3, ogg/vorbis, ogg/opus, aiff and more; FFmpeg
(through PyAV, extra ``webm``) reads what libsndfile does not recognise. A file that libsndfile
recognises and finds broken is never tried again with FFmpeg, which would decode half of it.

What is noticed: no bytes, no samples, NaN or infinite samples, not audio, and less audio than the
header promises. In particular: a flac that is cut or changed anywhere; a wav whose data chunk is
cut (a streamed wav that declares an unknown length is read to its end); an ogg page that is cut,
lost or fails its checksum; an mp3 that is cut or holds foreign bytes (``audio.mpeg``); a webm
shorter than its declared duration. What cannot be noticed: changed bytes inside a wav's samples,
inside an mp3 frame or a webm packet that still decode, an mp3 without a frame count that was cut
between two frames, and a cut in a webm or caf that declares no duration.
"""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from affectbench.audio.mpeg import check_mpeg
from affectbench.errors import BadData, MissingData, MissingExtra

if TYPE_CHECKING:
    import soundfile

UNRECOGNISED: Final = 1  # SF_ERR_UNRECOGNISED_FORMAT
BAD_OPEN: Final = 7  # SFE_BAD_FILE: an mp3 whose headers make no sense; its text blames the path
EBML: Final = b"\x1aE\xdf\xa3"  # first bytes of webm and Matroska
UNKNOWN_BYTES: Final = 0x7FFF0000  # lengths from here on are written by programs that stream
OGG_BROKEN: Final = ("lacks an end-of-stream bit", "Junk after the last page", "Corrupted", "hole")
SIZE_LINE: Final = re.compile(r":\s*(\d+) \(should be (\d+)\)")
SLACK_S: Final = 0.1  # a webm's declared duration counts whole packets and the codec's delay


@dataclass(frozen=True, slots=True)
class Decoded:
    """One recording, mixed down to mono, at its own rate."""

    samples: NDArray[np.float32]  # [T], full scale is 1; lossy codecs may go beyond
    rate_hz: int
    channels: int  # before the mix-down
    clipped: int  # source samples at or beyond full scale, over all channels
    decoder: str  # "soundfile" or "av"


def decode_file(path: Path) -> Decoded:
    """Read and decode one file; see ``decode``.

    Raises:
        MissingData: there is no such file, or it cannot be read.
        BadData: it cannot be decoded whole.
        MissingExtra: it needs PyAV, which is not installed.
    """
    return decode(read_bytes(path))


def read_bytes(path: Path) -> bytes:
    """The file's bytes.

    Raises:
        MissingData: there is no such file, it is a folder, or permission is denied.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise MissingData(f"cannot be read ({error.strerror or error})") from error


def decode(data: bytes) -> Decoded:
    """Samples of an audio file given as bytes, all channels averaged.

    Raises:
        BadData: it is empty, not audio, corrupt, cut short, or holds NaN or infinite samples.
        MissingExtra: it needs PyAV, which is not installed.
    """
    if not data:
        raise BadData("the file is empty (0 bytes)")
    import soundfile

    try:
        samples, rate_hz = _by_soundfile(data)
        decoder = "soundfile"
    except soundfile.LibsndfileError as error:
        if error.code != UNRECOGNISED:
            said = "no readable header" if error.code == BAD_OPEN else error.error_string
            raise BadData(f"corrupt or cut short ({said.rstrip('.')})") from error
        samples, rate_hz = _by_av(data)
        decoder = "av"
    if not samples.size:
        raise BadData("holds no samples")
    wrong = samples.size - np.count_nonzero(np.isfinite(samples))
    if wrong:
        raise BadData(f"holds {wrong:,} NaN or infinite samples of {samples.size:,}")
    clipped = int(np.count_nonzero(np.abs(samples) >= 32767 / 32768))
    mono = np.ascontiguousarray(samples.mean(axis=1))
    return Decoded(mono, rate_hz, samples.shape[1], clipped, decoder)


def _by_soundfile(data: bytes) -> tuple[NDArray[np.float32], int]:
    """[T, channels] and the rate; ``LibsndfileError`` or ``BadData`` where it is not whole."""
    import soundfile

    with soundfile.SoundFile(io.BytesIO(data)) as file:
        _check_container(data, file)
        declared = file.frames
        if file.format == "MP3":
            declared = check_mpeg(data, declared)
        samples: NDArray[np.float32] = file.read(dtype="float32", always_2d=True)
        if len(samples) < declared:
            raise BadData(
                f"cut short or corrupt: {len(samples):,} samples decoded of {declared:,} declared"
            )
        return samples, int(file.samplerate)


def _check_container(data: bytes, file: soundfile.SoundFile) -> None:
    """Compare declared with present bytes where libsndfile reads on without an error."""
    log: str = file.extra_info
    if data[:4] == b"RIFF":
        declared, present = wav_bytes(data)
        if present < declared < UNKNOWN_BYTES:
            raise BadData(f"cut short: {present:,} bytes of samples of {declared:,} declared")
    elif file.format == "OGG":
        said = [line.strip() for line in log.splitlines() if any(x in line for x in OGG_BROKEN)]
        if said:
            raise BadData(f"cut short or corrupt ({said[0]})")
    else:
        for line in SIZE_LINE.findall(log):
            declared, present = map(int, line)
            if present < declared < UNKNOWN_BYTES:
                raise BadData(f"cut short: {present:,} bytes of {declared:,} declared")


def wav_bytes(data: bytes) -> tuple[int, int]:
    """Declared and present size of the data chunk; its absence reads as (0, 0)."""
    position = 12
    while position + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, position)
        position += 8
        if name == b"data":
            return size, len(data) - position
        position += size + size % 2
    return 0, 0


def _by_av(data: bytes) -> tuple[NDArray[np.float32], int]:
    """[T, channels] and the rate, by FFmpeg."""
    if find_spec("av") is None:
        if data.startswith(EBML):
            raise MissingExtra("av", "webm")
        raise BadData(
            "not audio that libsndfile knows (wav, flac, mp3, ogg, opus, aiff, ...); FFmpeg may "
            "know it: python -m pip install 'affectbench[webm]'"
        )
    import av

    try:
        with av.open(io.BytesIO(data), "r") as file:
            if not file.streams.audio:
                raise BadData("holds no audio stream")
            rate_hz = int(file.streams.audio[0].rate)
            declared_s = (file.duration or 0) / av.time_base
            planar = av.AudioResampler(format="fltp")
            pieces = [
                piece.to_ndarray()
                for frame in [*file.decode(audio=0), None]  # None flushes
                for piece in planar.resample(frame)
            ]
    except av.FFmpegError as error:
        raise BadData(f"not audio, or corrupt ({error.strerror})") from error
    if not pieces:
        raise BadData("holds no samples")
    samples = np.concatenate(pieces, axis=1).T.astype(np.float32, copy=False)
    decoded_s = len(samples) / rate_hz
    if decoded_s < declared_s - SLACK_S:
        raise BadData(f"cut short: {decoded_s:.2f} s decoded of {declared_s:.2f} s declared")
    return samples, rate_hz
