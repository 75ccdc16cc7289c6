"""The twin of MODULATE-SONATA: long mp3 recordings of an invented script, and their text files.

The script has the lines per class and the words per line of the real one. Each line is a syllable
sequence of its own, the same for all actors, so the twin leaks its class through the words as the
real corpus does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectbench.corpora.sonata_script import EMOTIONS, ROLES, WORDS
from affectbench.corpora.twin.folder import Progress, new_folder, run_jobs, write_csv
from affectbench.corpora.twin.latent import CONTROLS
from affectbench.corpora.twin.sentence import ONSETS, VOWELS, Sentence, speak
from affectbench.corpora.twin.voice import RATE_HZ, Throat
from affectbench.errors import AffectBenchError
from affectbench.store import write_atomic, write_json
from affectbench.types import Floats

VERSION: Final = 1  # raised when the same arguments no longer give the same bytes
RECORDINGS: Final = 30  # 756 published segments of 25 classes: 30 whole scripts
ACTORS: Final = 23
LEAST: Final = 5  # recordings and actors, so that a split by speaker has three parts
LINE_S: Final = 22_321 / 756 * len(EMOTIONS) / sum(map(len, WORDS.values()))  # published, 10.2 s
SYLLABLES_PER_WORD: Final = 1.4
SYLLABLE_S: Final = 0.25  # to choose how many fit into short lines
PHRASE: Final = 14  # syllables without a breath
SPOKEN: Final = 0.8  # most of a line's time that is speech
LETTERS: Final = (("", "n", "v", "s", "t"), ("i", "e", "a", "o", "u"))  # as ONSETS and VOWELS

NOTE: Final = """# Synthetic twin of MODULATE-SONATA

Everything here is synthetic: no recording, actor or sentence of the real corpus went into it. Only
the layout, sizes, role names and the lines and words per class are published facts. Numbers got on
it say nothing about people.

- twin version {version}, seed {seed}, scale {scale}: {recordings} recordings by {actors} actors
- `Actor<nn>_<role>.mp3` and `.txt`: one reading of the whole script, and when each line begins.
- `script.csv`: the invented lines and their classes; the reader finds the class of a line by it.
- `ceiling.json`: the best score is 1, since each class has words of its own. That is so in the
  real corpus too: a high score shows that words are recognised, not that emotion is.
- No list of speakers and parts is here, as none was published.
"""
HOW: Final = (
    "Each class is spoken in sentences of its own, the same for all actors, so an oracle that "
    "recognises the words has the class of every clip: recall 1 for each class. How an emotion "
    "sounds is planted too, more weakly."
)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the invented script."""

    emotion: str
    words: int
    sentence: Sentence


@dataclass(frozen=True, slots=True)
class _Actor:
    """Who reads."""

    name: str
    throat: Throat
    manner: NDArray[np.float32]  # [10], how this actor differs from others in every emotion


def write_sonata(
    root: Path,
    *,
    scale: float = 1.0,
    seed: int = 0,
    workers: int | None = None,
    progress: Progress | None = None,
    line_s: float | None = None,
    rate_hz: int = 44_100,
) -> Path:
    """Write a synthetic MODULATE-SONATA, long mp3 files and text files, to the folder root.

    The same arguments give the same bytes, however many workers make them (one version of
    libsndfile assumed). The folder appears under its name only when it is whole.

    Args:
        root: The folder to make; it must not exist, or be empty.
        scale: Share of the 30 recordings and 23 actors, above 0 and up to 1; at least 5 of each.
        seed: 0 or above.
        workers: Processes; all cores when None.
        progress: Called with recordings done and recordings in all.
        line_s: Mean seconds from line to line, 0.3 or more; as published (10.2 s) when None.
            Short lines say fewer syllables.
        rate_hz: Of the mp3 files: a rate that mp3 knows.

    Raises:
        AffectBenchError: The folder is in use, cannot be written, or a number is out of range.
    """
    if not 0 < scale <= 1:
        raise AffectBenchError(f"The scale of a twin is {scale}; expected above 0 and up to 1.")
    if seed < 0:
        raise AffectBenchError(f"The seed of a twin is {seed}; expected 0 or a positive integer.")
    if line_s is not None and line_s < 0.3:
        raise AffectBenchError(f"Lines of a twin of {line_s} s; expected 0.3 s or more.")
    if rate_hz not in (16_000, 22_050, 24_000, 32_000, 44_100, 48_000):
        raise AffectBenchError(f"A twin of {rate_hz} Hz; expected a rate of mp3 from 16,000 on.")
    root = Path(root)
    rng = np.random.default_rng(seed)
    script = _draw_script(line_s or LINE_S, rng)
    actors = [_draw_actor(i + 1, rng) for i in range(max(LEAST, round(ACTORS * scale)))]
    cast = _cast(len(actors), max(LEAST, round(RECORDINGS * scale)), rng)
    manners = rng.normal(0, 1, (len(EMOTIONS), len(CONTROLS))).astype(np.float32)
    numbers = {"version": VERSION, "seed": seed, "scale": scale}
    note = NOTE.format(recordings=len(cast), actors=len(actors), **numbers)
    with new_folder(root) as folder:
        lines = {"emotion": [line.emotion for line in script], "sentence": _texts(script)}
        write_csv(folder / "script.csv", pl.DataFrame(lines))
        best = {"metric": "uar.truth", "dev": 1.0, "test": 1.0}
        write_json(folder / "ceiling.json", {"sonata-emotion": best, "how": HOW})
        write_atomic(folder / "TWIN.md", lambda file: file.write(note.encode()))
        jobs = [
            (folder, script, actors[who], role, manners, line_s or LINE_S, rate_hz, (seed, i))
            for i, (who, role) in enumerate(cast)
        ]
        run_jobs(_record, jobs, len(jobs), workers, progress)
    return root


def _draw_script(line_s: float, rng: np.random.Generator) -> list[_Line]:
    """Lines of all classes, classes in a drawn order, no two lines alike."""
    script: list[_Line] = []
    seen: set[bytes] = set()
    mean = float(np.mean([words for some in WORDS.values() for words in some]))
    for emotion in rng.permutation(EMOTIONS).tolist():
        for words in WORDS[emotion]:
            fits = int(SPOKEN * line_s * words / mean / SYLLABLE_S)
            count = max(2, min(round(SYLLABLES_PER_WORD * words), fits))
            while True:
                vowel = rng.integers(len(VOWELS), size=count)
                onset = rng.integers(len(ONSETS), size=count)
                if (mark := vowel.tobytes() + onset.tobytes()) not in seen:
                    break
            seen.add(mark)
            stress = np.where(rng.random(count) < 0.35, rng.uniform(0.6, 1, count), 0.0)
            sentence = Sentence(vowel, onset, stress, bool(rng.random() < 0.15))
            script.append(_Line(emotion, words, sentence))
    return script


def _draw_actor(number: int, rng: np.random.Generator) -> _Actor:
    """An actor with a throat and a manner."""
    female = rng.random() < 0.5
    throat = Throat(
        f0_hz=float((205.0 if female else 115.0) * 2 ** (rng.normal(0, 1.5) / 12)),
        tract_cm=float((14.7 if female else 17.0) + rng.normal(0, 0.6)),
        age=float(rng.uniform(22, 60)),
    )
    return _Actor(f"Actor{number:02d}", throat, rng.normal(0, 0.5, len(CONTROLS)).astype("f4"))


def _cast(actors: int, recordings: int, rng: np.random.Generator) -> list[tuple[int, str]]:
    """(actor, role) of each recording: every actor at least once, nobody twice in a role."""
    found: list[tuple[int, str]] = []
    for turn in range(recordings):
        who = turn if turn < actors else int(rng.integers(actors))
        free = [role for role in ROLES if (who, role) not in found]
        found.append((who, str(rng.choice(free))))
    return found


def _texts(script: Sequence[_Line]) -> list[str]:
    """Each line as words of three syllables; different lines have different texts."""
    texts = []
    for line in script:
        pairs = zip(line.sentence.onset, line.sentence.vowel, strict=True)
        said = [LETTERS[0][onset] + LETTERS[1][vowel] for onset, vowel in pairs]
        words = ["".join(said[i : i + 3]) for i in range(0, len(said), 3)]
        texts.append(" ".join(words).capitalize() + ("?" if line.sentence.question else "."))
    return texts


def _record(
    folder: Path,
    script: Sequence[_Line],
    actor: _Actor,
    role: str,
    manners: Floats,
    line_s: float,
    rate_hz: int,
    seed: tuple[int, int],
) -> int:
    """Synthesise and write one recording and its text file; it draws from its own generator."""
    import soundfile
    import soxr

    rng = np.random.default_rng(seed)
    shift = np.random.default_rng([ROLES.index(role)]).normal(0, 0.12, 2)  # a role bends a voice
    throat = Throat(
        actor.throat.f0_hz * float(np.exp(2 * shift[0])),
        actor.throat.tract_cm * float(np.exp(shift[1] / 2)),
        actor.throat.age,
    )
    mean = float(np.mean([line.words for line in script]))
    pieces, written, at = [], [], 0
    for line, text in zip(script, _texts(script), strict=True):
        how = manners[EMOTIONS.index(line.emotion)] + actor.manner
        spoken = _read_aloud(line.sentence, how.astype(np.float32), throat, rng)
        time_s = line_s * (0.5 + 0.5 * line.words / mean) * float(rng.uniform(0.9, 1.1))
        slot = round(time_s * RATE_HZ)
        if line_s >= LINE_S:
            slot = max(slot, len(spoken))
        piece = np.zeros(slot, dtype=np.float32)
        piece[: len(spoken)] = spoken[:slot] / np.float32(2**15)
        written.append(f"{_clock(at / RATE_HZ)}\t{text}")
        pieces.append(piece)
        at += slot
    samples = np.concatenate(pieces)
    if rate_hz != RATE_HZ:
        samples = soxr.resample(samples, RATE_HZ, rate_hz)
    stem = f"{actor.name}_{role}"
    # Not synced, as tables are: a twin can be made again from its seed.
    soundfile.write(folder / f"{stem}.mp3", samples, rate_hz)
    content = "\n".join(written) + "\n"
    write_atomic(folder / f"{stem}.txt", lambda file: file.write(content.encode()))
    return 1


def _read_aloud(
    sentence: Sentence, how: NDArray[np.float32], throat: Throat, rng: np.random.Generator
) -> NDArray[np.int16]:
    """One line [T] at 16 kHz, in phrases of at most 14 syllables."""
    phrases = []
    for start in range(0, len(sentence.vowel), PHRASE):
        part = slice(start, start + PHRASE)
        last = start + PHRASE >= len(sentence.vowel)
        some = Sentence(
            sentence.vowel[part],
            sentence.onset[part],
            sentence.stress[part],
            sentence.question and last,
        )
        phrases.append(speak(some, how, throat, rng))
    return np.concatenate(phrases)


def _clock(seconds: float) -> str:
    """``00:01:02.500``."""
    milliseconds = round(1000 * seconds)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
