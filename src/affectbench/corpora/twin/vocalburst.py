"""The twin of HUME-VOCALBURST: the layouts of A-VB and ExVo, with invented bursts and labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectbench.corpora.exvo import COUNTRIES, EMOTIONS
from affectbench.corpora.twin.cast import TYPES, Cast, draw_cast
from affectbench.corpora.twin.ceiling import ceilings
from affectbench.corpora.twin.folder import Progress, new_folder, run_jobs, write_csv
from affectbench.corpora.twin.formats import chosen, need_av, write_raw, write_webm
from affectbench.corpora.twin.latent import Latent, draw_latent, draw_types
from affectbench.corpora.twin.voice import RATE_HZ, Throat, burst
from affectbench.errors import AffectBenchError
from affectbench.store import write_atomic, write_json
from affectbench.types import PARTS, Floats

VERSION: Final = 3  # raised when the same seed and scale no longer give the same bytes
CHUNK: Final = 64  # clips that a process makes at a time
SUPPORT: Final = 2  # clips of a test speaker whose labels ExVo gives for the few-shot task
SPLITS: Final = {"train": "Train", "dev": "Val", "test": "Test"}
CULTURE: Final = tuple(f"{c}_{e}" for c in COUNTRIES for e in EMOTIONS[:-1]) + tuple(
    f"{c}_{EMOTIONS[-1]}" for c in COUNTRIES
)  # as released: the column of the last emotion stands at the end, for each country

NOTE: Final = """# Synthetic twin of HUME-VOCALBURST

Everything here is synthetic: no recording, speaker or rating of the real corpus went into it. Only
the layout, sizes and class shares are published facts. Numbers got on it say nothing about people.

- twin version {version}, seed {seed}, scale {scale} of the published size
- `labels/`, `audio/wav/`: the A-VB 2022 layout. Labels of the test part are blank, and so are
  Subject_ID, Country and Age of its clips in `labels/data_info.csv`.
- `data_info.csv`, `wav/` (a link to `audio/wav/`): the ExVo 2022 layout. Countries are codes in
  alphabetical order. Of the test part it gives the speakers, and the emotions of the first
  {support} clips of each (support of the few-shot task); all else is blank.
- `{raw_folder}/`: 48 kHz versions at the level of the recording, of {raws:,} clips. How the real
  release names their folder is not known. `webm/`: Opus in WebM, of {webms:,} clips.
- Each clip's emotion ratings are divided by their maximum, so its strongest is exactly 1. In
  `culture_info.csv` that holds for each of the four countries' ratings; raters of all countries
  hear every clip, and those of the speaker's own country are less noisy.
- `sealed/`: the same tables with the test truth, and `speakers.csv` with sex and vocal tract. It
  is for whoever scores a blind test; a model must never see it.
- `ceiling.json`: what an oracle scores that knows all that shapes the sound, but not the rating
  noise. No model can do better, but by chance.
"""
OFFSET_NOTE: Final = """- Speaker offsets of sd {speaker_offset:g}, on the logit, are added to
  each emotion of a speaker. The oracle of `ceiling.json` knows them; the sound does not tell them.
"""
ALIKE_NOTE: Final = """- All speakers have one voice, and neither they nor their countries have
  habits.
"""


@dataclass(frozen=True, slots=True)
class _Extras:
    """Which clips [N] have a second file, and where the 48 kHz ones lie."""

    raw: NDArray[np.bool_]
    webm: NDArray[np.bool_]
    raw_folder: str


def write_vocalburst(  # noqa: PLR0913 - what is optional goes by name
    root: Path,
    *,
    scale: float = 0.02,
    seed: int = 0,
    workers: int | None = None,
    progress: Progress | None = None,
    raw: float = 0.0,
    webm: float = 0.0,
    raw_folder: str = "raw/wav",
    speaker_offset: float = 0.0,
    alike: bool = False,
) -> Path:
    """Write a synthetic HUME-VOCALBURST, labels and 16 kHz 16-bit mono audio, to the folder root.

    It has the layouts of A-VB and of ExVo. The same arguments give the same bytes, however many
    workers make them; ``TWIN.md`` in the folder says what is in it. The folder appears under its
    name only when it is whole.

    Args:
        root: The folder to make; it must not exist, or be empty.
        scale: Factor on the published sizes, above 0 and up to 1; see ``cast.sizes``.
        seed: 0 or above.
        workers: Processes; all cores when None.
        progress: Called with clips done and clips in all.
        raw: Share of the clips, 0 to 1, that also have a 48 kHz file.
        webm: Share of the clips, 0 to 1, that also have an Opus file in WebM.
        raw_folder: Where the 48 kHz files go, below the root.
        speaker_offset: Standard deviation, on the logit, of what is added to each emotion of a
            speaker, whatever the clip: what a few labelled clips of the speaker can tell, and the
            sound of a clip cannot. The audio is the same for every value.
        alike: Whether all speakers have one voice and no habits of their own, so that nothing but
            the offset tells them apart.

    Raises:
        AffectBenchError: The folder is in use, cannot be written, or a number is out of range.
        MissingExtra: ``webm`` is above 0 and PyAV is not installed.
    """
    if seed < 0:
        raise AffectBenchError(f"The seed of a twin is {seed}; expected 0 or a positive integer.")
    if not 0 <= speaker_offset < np.inf:
        raise AffectBenchError(
            f"The speaker offset of a twin is {speaker_offset}; expected 0 or a positive number."
        )
    if webm > 0:
        need_av()
    root = Path(root)
    rng = np.random.default_rng(seed)
    cast = draw_cast(scale, rng)
    total = len(cast.speaker)
    extras = _Extras(chosen("raw", raw, total, seed), chosen("webm", webm, total, seed), raw_folder)
    if alike:
        cast = one_voice(cast)
    latent = draw_latent(cast, rng, speaker_offset=speaker_offset, alike=alike)
    labels: dict[str, NDArray[Any]] = {
        name: ratings.draw(rng).astype(float).round(4) for name, ratings in latent.ratings.items()
    }
    labels["type"] = draw_types(latent, rng)
    part = cast.part[cast.speaker]
    blind = {name: part == PARTS.index(name) for name in PARTS[1:]}
    counts = {"raws": int(extras.raw.sum()), "webms": int(extras.webm.sum())}
    numbers = {"version": VERSION, "seed": seed, "scale": scale, "support": SUPPORT}
    with new_folder(root) as folder:
        _write_tables(folder, cast, labels)
        _write_exvo(folder / "data_info.csv", cast, labels["high"])
        write_json(folder / "ceiling.json", ceilings(latent, labels, blind, rng))
        note = NOTE.format(raw_folder=raw_folder, **counts, **numbers)
        if speaker_offset:
            note += OFFSET_NOTE.format(speaker_offset=speaker_offset)
        if alike:
            note += ALIKE_NOTE
        write_atomic(folder / "TWIN.md", lambda file: file.write(note.encode()))
        heard = replace(cast, age=np.full(len(cast.age), cast.age.mean())) if alike else cast
        _write_audio(folder, heard, latent, extras, (seed, workers, progress))
    return root


def one_voice(cast: Cast) -> Cast:
    """The same speakers, all with the mean vocal tract and the mean pitch (in octaves)."""
    count = len(cast.name)
    f0_hz = np.exp(np.log(cast.f0_hz).mean())
    return replace(cast, tract_cm=np.full(count, cast.tract_cm.mean()), f0_hz=np.full(count, f0_hz))


def _write_tables(folder: Path, cast: Cast, labels: Mapping[str, NDArray[Any]]) -> None:
    speaker = cast.speaker
    names = np.array([SPLITS[part] for part in PARTS])
    head = {
        "File_ID": [f"[{name}]" for name in _ids(len(speaker))],
        "Split": names[cast.part[speaker]],
    }
    who = {
        "Subject_ID": np.array(cast.name)[speaker],
        "Country": np.array(COUNTRIES)[cast.country[speaker]],
        "Age": cast.age[speaker],
    }
    high = dict(zip(EMOTIONS, labels["high"].T, strict=True))
    by_panel = [f"{country}_{emotion}" for country in COUNTRIES for emotion in EMOTIONS]
    culture = dict(zip(by_panel, labels["culture"].T, strict=True))
    tables: dict[str, dict[str, Any]] = {
        "high": high,
        "two": dict(zip(("Valence", "Arousal"), labels["two"].T, strict=True)),
        "culture": {column: culture[column] for column in CULTURE},
        "type": {"Voc_Type": np.array(TYPES)[labels["type"]]},
        "data": who | high,
    }
    for name, columns in tables.items():
        sealed = pl.DataFrame(head | columns)
        shown = pl.when(pl.col("Split") != SPLITS["test"]).then(pl.col(list(columns)))
        write_csv(folder / "sealed" / f"{name}_info.csv", sealed)
        write_csv(folder / "labels" / f"{name}_info.csv", sealed.with_columns(shown))
    speakers = {
        "Subject_ID": cast.name,
        "Split": names[cast.part],
        "Country": np.array(COUNTRIES)[cast.country],
        "Gender": np.where(cast.female, "Female", "Male"),
        "Age": cast.age,
        "Vocal_Tract_cm": cast.tract_cm,
        "F0_Hz": cast.f0_hz,
    }
    write_csv(folder / "sealed" / "speakers.csv", pl.DataFrame(speakers))


def _write_exvo(path: Path, cast: Cast, high: Floats) -> None:
    """The label file of ExVo: test speakers are known, test labels but for support are blank."""
    speaker = cast.speaker
    nth = pl.int_range(pl.len()).over("Subject_ID")
    alone = pl.len().over("Subject_ID") <= SUPPORT  # no clip would be left to predict
    names = np.array([SPLITS[part] for part in PARTS])
    table = pl.DataFrame(
        {
            "File_ID": [f"[{name}]" for name in _ids(len(speaker))],
            "Split": names[cast.part[speaker]],
            "Subject_ID": np.array(cast.name)[speaker],
            "Country": np.array([sorted(COUNTRIES).index(c) for c in COUNTRIES])[
                cast.country[speaker]
            ],
            "Age": cast.age[speaker],
            **dict(zip(EMOTIONS, high.T, strict=True)),
        }
    )
    seen = pl.col("Split") != SPLITS["test"]
    table = table.with_columns(
        pl.when(seen).then(pl.col("Country", "Age")),
        pl.when(seen | ((nth < SUPPORT) & ~alone)).then(pl.col(EMOTIONS)),
    )
    write_csv(path, table)


def _write_audio(
    folder: Path,
    cast: Cast,
    latent: Latent,
    extras: _Extras,
    how: tuple[int, int | None, Progress | None],
) -> None:
    """All audio files; ``how`` is seed, workers and progress."""
    seed, workers, progress = how
    (folder / "audio" / "wav").mkdir(parents=True)
    (folder / "wav").symlink_to(Path("audio") / "wav", target_is_directory=True)
    if extras.raw.any():
        (folder / extras.raw_folder).mkdir(parents=True)
    if extras.webm.any():
        (folder / "webm").mkdir()
    total = len(cast.speaker)
    jobs = []
    for start in range(0, total, CHUNK):
        clips = slice(start, min(start + CHUNK, total))
        throats = [
            Throat(float(cast.f0_hz[s]), float(cast.tract_cm[s]), float(cast.age[s]))
            for s in cast.speaker[clips]
        ]
        kinds = [TYPES[kind] for kind in latent.kind[clips]]
        some = _Extras(extras.raw[clips], extras.webm[clips], extras.raw_folder)
        jobs.append((folder, start, kinds, latent.control[clips], throats, some, seed))
    run_jobs(_make, jobs, total, workers, progress)


def _make(
    folder: Path,
    start: int,
    kinds: list[str],
    control: NDArray[np.float32],
    throats: list[Throat],
    extras: _Extras,
    seed: int,
) -> int:
    """Synthesise and write some clips; each draws from a generator of its own."""
    from scipy.io import wavfile

    for index, (kind, how, throat) in enumerate(zip(kinds, control, throats, strict=True)):
        rng = np.random.default_rng([seed, start + index])
        name = f"{start + index:05d}"
        wave = burst(kind, how, throat, rng)
        # Not synced one by one, as labels are: a twin can be made again from its seed.
        wavfile.write(folder / "audio" / "wav" / f"{name}.wav", RATE_HZ, wave)
        if extras.raw[index]:
            write_raw(folder / extras.raw_folder / f"{name}.wav", wave, rng)
        if extras.webm[index]:
            write_webm(folder / "webm" / f"{name}.webm", wave)
    return len(kinds)


def _ids(total: int) -> list[str]:
    return [f"{clip:05d}" for clip in range(total)]
