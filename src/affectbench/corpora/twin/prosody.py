"""The twin of HUME-PROSODY: lab files and sentences that invented speakers imitate from seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectbench.corpora.twin.folder import Progress, new_folder, run_jobs, write_csv
from affectbench.corpora.twin.formats import chosen, write_raw
from affectbench.corpora.twin.prosody_model import (
    COUNTRIES,
    EMOTIONS,
    Imitations,
    Seeds,
    Speakers,
    ceiling,
    draw_clips,
    draw_speakers,
)
from affectbench.corpora.twin.sentence import draw_sentence, speak
from affectbench.corpora.twin.voice import RATE_HZ, Throat
from affectbench.errors import AffectBenchError
from affectbench.store import write_atomic, write_json
from affectbench.types import PARTS

VERSION: Final = 1  # raised when the same seed and scale no longer give the same bytes
CHUNK: Final = 32  # clips that a process makes at a time
FILES: Final = ("train.csv", "devel.csv", "test.csv")
SENTENCE, CLIP = 1, 2  # streams of random numbers

NOTE: Final = """# Synthetic twin of HUME-PROSODY

Everything here is synthetic: no recording, speaker or rating of the real corpus went into it. Only
the layout, sizes and a few counts are known facts. Numbers got on it say nothing about people.

- twin version {version}, seed {seed}, scale {scale} of the released size
- `lab/`: train, devel and test; test labels are masked with `?`. `wav/`: 16 kHz; `raw/wav/`: 48 kHz
  at the level of the recording, of {raws:,} clips.
- Speakers imitate seed sentences. Labels are those of the seed, divided by their maximum, so clips
  of one seed have the same labels; seeds are shared within and across the parts, speakers are not.
- `sealed/test.unmasked.csv`: the test labels; `sealed/speakers.csv`: speaker, sex, age, country and
  seed of every clip. For whoever scores a blind test; a model must never see them.
- `ceiling.json`: what an oracle scores that knows what the seed meant, but not how it was rated,
  and (`recognised`) one that also knows the labels of seeds that it has met in training.
"""


def write_prosody(
    root: Path,
    *,
    scale: float = 0.02,
    seed: int = 0,
    workers: int | None = None,
    progress: Progress | None = None,
    raw: float = 0.0,
) -> Path:
    """Write a synthetic HUME-PROSODY, labels and 16 kHz 16-bit mono audio, to the folder root.

    The same arguments give the same bytes, however many workers make them; ``TWIN.md`` in the
    folder says what is in it. The folder appears under its name only when it is whole.

    Args:
        root: The folder to make; it must not exist, or be empty.
        scale: Factor on the released sizes, above 0 and up to 1; see ``prosody_model.sizes``.
        seed: 0 or above.
        workers: Processes; all cores when None.
        progress: Called with clips done and clips in all.
        raw: Share of the clips, 0 to 1, that also have a 48 kHz file in ``raw/wav``.

    Raises:
        AffectBenchError: The folder is in use, cannot be written, or a number is out of range.
    """
    if seed < 0:
        raise AffectBenchError(f"The seed of a twin is {seed}; expected 0 or a positive integer.")
    root = Path(root)
    rng = np.random.default_rng(seed)
    people = draw_speakers(scale, rng)
    seeds, clips = draw_clips(scale, people, rng)
    raws = chosen("raw", raw, len(clips.seed), seed)
    with new_folder(root) as folder:
        _write_tables(folder, people, seeds, clips)
        write_json(folder / "ceiling.json", ceiling(seeds, clips, rng))
        note = NOTE.format(version=VERSION, seed=seed, scale=scale, raws=int(raws.sum()))
        write_atomic(folder / "TWIN.md", lambda file: file.write(note.encode()))
        (folder / "wav").mkdir()
        if raws.any():
            (folder / "raw" / "wav").mkdir(parents=True)
        jobs = _jobs(folder, people, seeds, clips, raws, seed)
        run_jobs(_make, jobs, len(clips.seed), workers, progress)
    return root


def _write_tables(folder: Path, people: Speakers, seeds: Seeds, clips: Imitations) -> None:
    names = pl.Series("filename", [_name(clip) for clip in range(len(clips.seed))])
    labels = seeds.labels[clips.seed]
    table = pl.DataFrame([names]).with_columns(
        pl.Series(emotion, column) for emotion, column in zip(EMOTIONS, labels.T, strict=True)
    )
    for index, file in enumerate(FILES):
        own = table.filter(pl.Series(clips.part == index))
        if PARTS[index] == "test":
            write_csv(folder / "sealed" / "test.unmasked.csv", own)
            own = own.with_columns(pl.lit("?").alias(emotion) for emotion in EMOTIONS)
        write_csv(folder / "lab" / file, own)
    who = clips.speaker
    sealed = pl.DataFrame([names]).with_columns(
        pl.Series("Split", np.array([Path(file).stem for file in FILES])[clips.part]),
        pl.Series("Speaker", np.array(people.name)[who]),
        pl.Series("Gender", np.where(people.female, "Female", "Male")[who]),
        pl.Series("Age", people.age[who]),
        pl.Series("Country", np.array(COUNTRIES)[people.country[who]]),
        pl.Series("Seed", clips.seed),
        pl.Series("Sentence", seeds.sentence[clips.seed]),
    )
    write_csv(folder / "sealed" / "speakers.csv", sealed)


def _jobs(
    folder: Path,
    people: Speakers,
    seeds: Seeds,
    clips: Imitations,
    raws: NDArray[np.bool_],
    seed: int,
) -> list[tuple[object, ...]]:
    """What each call of ``_make`` is given."""
    throats = [
        Throat(float(f0), float(tract), float(age))
        for f0, tract, age in zip(people.f0_hz, people.tract_cm, people.age, strict=True)
    ]
    sentences = seeds.sentence[clips.seed].tolist()
    jobs: list[tuple[object, ...]] = []
    for start in range(0, len(sentences), CHUNK):
        some = slice(start, start + CHUNK)
        voices = [throats[s] for s in clips.speaker[some]]
        jobs.append((folder, start, sentences[some], clips.control[some], voices, raws[some], seed))
    return jobs


def _make(
    folder: Path,
    start: int,
    sentences: list[int],
    control: NDArray[np.float32],
    throats: list[Throat],
    raws: NDArray[np.bool_],
    seed: int,
) -> int:
    """Synthesise and write some clips; each draws from a generator of its own."""
    from scipy.io import wavfile

    for index, (number, how, throat) in enumerate(zip(sentences, control, throats, strict=True)):
        sentence = draw_sentence(np.random.default_rng([seed, SENTENCE, number]))
        rng = np.random.default_rng([seed, CLIP, start + index])
        wave = speak(sentence, how, throat, rng)
        name = _name(start + index)
        # Not synced one by one, as labels are: a twin can be made again from its seed.
        wavfile.write(folder / "wav" / name, RATE_HZ, wave)
        if raws[index]:
            write_raw(folder / "raw" / "wav" / name, wave, rng)
    return len(sentences)


def _name(clip: int) -> str:
    """Files are numbered from 1 through all parts, as released: at full size devel begins 31746."""
    return f"{clip + 1:05d}.wav"
