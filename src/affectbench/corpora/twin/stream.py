"""The twin of MODULATE-STREAM: Opus clips of invented talk over noise, a table with faults.

The table holds a stated number of rows that a reader must report, and transcripts with quotes that
it must not stumble over.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affectbench.corpora.twin.folder import Progress, new_folder, run_jobs
from affectbench.corpora.twin.latent import CONTROLS
from affectbench.corpora.twin.voice import RATE_HZ, Throat, burst
from affectbench.errors import AffectBenchError
from affectbench.store import write_atomic
from affectbench.types import Floats

VERSION: Final = 1  # raised when the same seed and scale no longer give the same bytes
CLIPS: Final = 1_880_261  # published
GAMES: Final = 110  # published
MEAN_S: Final = 13.4  # 7,000 h over the published clips
LEAST_CLIPS: Final = 16
LEAST_GAMES: Final = 4
CHUNK: Final = 8  # clips that a process makes at a time
PER_FOLDER: Final = 1_000
HEADER: Final = (
    "clip_name\tclip_duration_msec\ttranscript\t"
    "is_child_probability\tis_female_probability\tgame_metadata\n"
)
NO_GAME: Final = 0.1  # share of clips without a game
QUOTED_EVERY: Final = 5  # every fifth transcript holds a quote that is never closed
SYLLABLES: Final = tuple(f"{c}{v}" for c in "bdfgklmnprst" for v in "aeiou")
PIECES: Final = ("Grunt", "Other", "Groan")  # short voiced sounds that talk is strung of
ODD: Final = {
    "label without audio": 1,
    "audio without label": 1,
    "wrong number of fields": 2,
    "number out of range": 1,
    "not a number": 1,
    "name appears twice": 1,
    "path leaves the folder": 1,
}
NOTE: Final = """# Synthetic twin of MODULATE-STREAM

Everything here is synthetic: no recording, transcript or player of the real corpus went into it.
Only the layout, sizes and mean duration are published facts.

- twin version {version}, seed {seed}, scale {scale} of the published size, mean duration {mean_s} s
- `stream.tsv`: {clips} clips with a file and a good row, {games} games; transcripts are nonsense
  syllables, every {quoted}th with a quote that is never closed, and no quoting applies
- `clips/<thousands>/<number>.opus`: mono, 16 kHz, strung of voiced sounds over a game's noise
- planted faults, each of which a reader must report:
{odd}
- The same seed and scale give the same samples. The same Opus bytes come only from the same version
  of libsndfile and libopus on the same kind of processor; Ogg serial numbers, which libsndfile
  draws at random, are set from the clip's number.
"""


@dataclass(frozen=True, slots=True)
class Stream:
    """What the table says about each clip, [N]; clip i is the i-th."""

    duration_ms: NDArray[np.int64]
    child: Floats  # probability
    female: Floats  # probability
    game: NDArray[np.int64]  # -1: none

    def rows(self, start: int, count: int) -> Stream:
        """Some of the clips."""
        part = slice(start, start + count)
        return Stream(self.duration_ms[part], self.child[part], self.female[part], self.game[part])


def write_stream(
    root: Path,
    *,
    scale: float = 0.00005,
    seed: int = 0,
    workers: int | None = None,
    progress: Progress | None = None,
    mean_s: float = MEAN_S,
) -> Path:
    """Write a synthetic MODULATE-STREAM, table and Opus clips, to the folder root.

    ``TWIN.md`` in the folder says what is in it and how many faults were planted. The folder
    appears under its name only when it is whole.

    Args:
        root: The folder to make; it must not exist, or be empty.
        scale: Factor on the published 1,880,261 clips, above 0 and up to 1; at least 16 are made.
        seed: 0 or above.
        workers: Processes; all cores when None.
        progress: Called with clips done and clips in all.
        mean_s: Mean duration of a clip in seconds; the published one is 13.4.

    Raises:
        AffectBenchError: The folder is in use, cannot be written, or a number is out of range.
    """
    if not 0 < scale <= 1 or seed < 0 or mean_s <= 0:
        raise AffectBenchError(
            f"The twin was asked for with scale {scale}, seed {seed} and a mean of {mean_s} s. "
            "Expected a scale above 0 and up to 1, a seed of 0 or more, and a mean above 0."
        )
    root = Path(root)
    clips = max(LEAST_CLIPS, round(CLIPS * scale))
    stream = draw_stream(clips, min(GAMES, max(LEAST_GAMES, clips // 16)), mean_s, seed)
    with new_folder(root) as folder:
        odd = "\n".join(f"  - {kind}: {count}" for kind, count in ODD.items())
        games = len(np.unique(stream.game[stream.game >= 0]))
        note = NOTE.format(
            version=VERSION,
            seed=seed,
            scale=scale,
            mean_s=mean_s,
            clips=clips,
            games=games,
            quoted=QUOTED_EVERY,
            odd=odd,
        ).encode()
        write_atomic(folder / "TWIN.md", lambda file: file.write(note))
        lines = _lines(stream, seed)
        write_atomic(folder / "stream.tsv", lambda file: file.writelines(lines))
        total = clips + ODD["audio without label"]
        for thousand in range((total - 1) // PER_FOLDER + 1):
            (folder / "clips" / f"{thousand:04d}").mkdir(parents=True)
        jobs = [
            (folder, range(start, min(start + CHUNK, total)), stream.rows(start, CHUNK), seed)
            for start in range(0, total, CHUNK)
        ]
        run_jobs(_make, jobs, total, workers, progress)
    return root


def draw_stream(clips: int, games: int, mean_s: float, seed: int) -> Stream:
    """Durations, probabilities and games; one row more, for the file without a row."""
    rng = np.random.default_rng(seed)
    total = clips + ODD["audio without label"]
    spread = 0.6
    seconds = mean_s * np.exp(spread * rng.standard_normal(total) - spread**2 / 2)
    game = np.where(rng.random(total) < NO_GAME, -1, rng.integers(games, size=total))
    return Stream(
        duration_ms=np.round(1000 * np.clip(seconds, 0.4, None)).astype(np.int64),
        child=rng.beta(0.3, 2.5, total).round(4),
        female=rng.beta(0.6, 0.9, total).round(4),
        game=game.astype(np.int64),
    )


def name(clip: int) -> str:
    """``clip_name``: the path below the folder."""
    return f"clips/{clip // PER_FOLDER:04d}/{clip:07d}.opus"


def _lines(stream: Stream, seed: int) -> Iterator[bytes]:
    """The table, the faults of ``ODD`` spread between good rows."""
    rng = np.random.default_rng([seed, 1])
    yield HEADER.encode()
    clips = len(stream.game) - ODD["audio without label"]
    cells = (
        name(clips + 1),  # no such file
        "../outside.opus",
        name(0),  # again
    )
    odd = [f"{clip}\t1000\tba\t0.1\t0.1\t\n" for clip in cells]
    odd.append(f"{name(clips + 2)}\t1000\tba\tbe\t0.1\t0.1\t\n")  # a tab in the transcript
    odd.append("bo bu\t0.1\t0.1\t\n")  # the rest of a transcript with a line break
    gap = clips // (len(odd) + 1)
    for clip in range(clips):
        words = " ".join("".join(rng.choice(SYLLABLES, 2)) for _ in range(rng.integers(1, 9)))
        text = f'"{words}' if clip % QUOTED_EVERY == 0 else words
        child, female = f"{stream.child[clip]:.4f}", f"{stream.female[clip]:.4f}"
        if clip == 1:
            child = "1.5"
        if clip == 2:
            female = "0,5"
        game = f"Game {stream.game[clip]:03d}" if stream.game[clip] >= 0 else ""
        row = (name(clip), stream.duration_ms[clip], text, child, female, game)
        yield ("\t".join(map(str, row)) + "\n").encode()
        if (clip + 1) % gap == 0 and odd:
            yield odd.pop(0).encode()


def _make(folder: Path, clips: range, stream: Stream, seed: int) -> int:
    """Synthesise and write some clips; each draws from a generator of its own."""
    for row, clip in enumerate(clips):
        wave = talk(
            int(stream.duration_ms[row]),
            float(stream.child[row]),
            float(stream.female[row]),
            int(stream.game[row]),
            np.random.default_rng([seed, 2, clip]),
        )
        (folder / name(clip)).write_bytes(opus(wave, serial=clip))
    return len(clips)


def talk(
    duration_ms: int, child: float, female: float, game: int, rng: np.random.Generator
) -> NDArray[np.int16]:
    """One clip [T] at 16 kHz: short voiced sounds with pauses, over the noise of a game."""
    from scipy.signal import lfilter

    young = rng.random() < child
    woman = rng.random() < female
    f0_hz, tract_cm, age = (280.0, 12.0, 9.0) if young else (120.0, 17.0, 28.0)
    if woman and not young:
        f0_hz, tract_cm = 205.0, 14.7
    throat = Throat(f0_hz * 2 ** (rng.normal(0, 1.5) / 12), tract_cm + rng.normal(0, 0.4), age)
    samples = duration_ms * RATE_HZ // 1000
    # Each game's noise has a resonance of its own.
    angle = 2 * np.pi * (300 + 37 * (game + 1)) / RATE_HZ
    noise = lfilter([1.0], [1.0, -1.9 * np.cos(angle), 0.9025], rng.standard_normal(samples))
    wave = np.asarray(noise / np.abs(noise).max() * 0.03 * 2**15)
    start = int(rng.uniform(0, 0.1) * samples)
    while start < samples:
        control = rng.standard_normal(len(CONTROLS)).astype(np.float32) * np.float32(0.6)
        control[CONTROLS.index("length")] = -2.5  # a syllable or two
        piece = burst(str(rng.choice(PIECES)), control, throat, rng)[: samples - start]
        wave[start : start + len(piece)] += 0.8 * piece
        start += len(piece) + int(rng.exponential(0.15) * RATE_HZ)
    return np.asarray(np.round(wave).clip(-(2**15), 2**15 - 1), dtype=np.int16)


def opus(wave: NDArray[np.int16], serial: int) -> bytes:
    """The samples [T] at 16 kHz as an Ogg Opus file whose serial number is ``serial``."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, wave, RATE_HZ, format="OGG", subtype="OPUS")
    return restamp(file.getvalue(), serial)


def restamp(data: bytes, serial: int) -> bytes:
    """An Ogg file with another serial number and the checksums that go with it (RFC 3533)."""
    pages: list[Any] = []
    start = 0
    while start < len(data):
        segments = data[start + 26]
        head = start + 27 + segments
        end = head + sum(data[start + 27 : head])
        page = bytearray(data[start:end])
        page[14:18] = struct.pack("<I", serial)
        page[22:26] = bytes(4)
        page[22:26] = struct.pack("<I", ogg_checksum(bytes(page)))
        pages.append(page)
        start = end
    return b"".join(pages)


MIRROR: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def ogg_checksum(page: bytes) -> int:
    """CRC-32 of a page as Ogg counts it: zlib's, most significant bit first, without inversion."""
    mirrored = zlib.crc32(page.translate(MIRROR), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)
