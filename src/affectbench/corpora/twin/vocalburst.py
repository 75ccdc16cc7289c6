"""The twin of HUME-VOCALBURST: a folder in the A-VB layout, with invented bursts and labels."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectbench.corpora.twin.cast import COUNTRIES, TYPES, Cast, draw_cast
from affectbench.corpora.twin.ceiling import ceilings
from affectbench.corpora.twin.latent import EMOTIONS, Latent, draw_latent, draw_types
from affectbench.corpora.twin.voice import RATE_HZ, Throat, burst
from affectbench.errors import AffectBenchError
from affectbench.store import disk_error, write_atomic, write_json
from affectbench.types import PARTS

VERSION: Final = 1  # raised when the same seed and scale no longer give the same bytes
CHUNK: Final = 64  # clips that a process makes at a time
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
- Each clip's emotion ratings are divided by their maximum, so its strongest is exactly 1. In
  `culture_info.csv` that holds for each of the four countries' ratings; raters of all countries
  hear every clip, and those of the speaker's own country are less noisy.
- `sealed/`: the same tables with the test truth, and `speakers.csv` with sex and vocal tract. It
  is for whoever scores a blind test; a model must never see it.
- `ceiling.json`: what an oracle scores that knows all that shapes the sound, but not the rating
  noise. No model can do better, but by chance.
"""


def write_vocalburst(
    root: Path,
    *,
    scale: float = 0.02,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a synthetic HUME-VOCALBURST, labels and 16 kHz 16-bit mono audio, to the folder root.

    The same seed and scale give the same bytes, however many workers make them; ``TWIN.md`` in the
    folder says what is in it. The folder appears under its name only when it is whole.

    Args:
        root: The folder to make; it must not exist, or be empty.
        scale: Factor on the published sizes, above 0 and up to 1; see ``cast.sizes``.
        seed: 0 or above.
        workers: Processes; all cores when None.
        progress: Called with clips done and clips in all.

    Raises:
        AffectBenchError: The folder is in use, cannot be written, or scale or seed is out of range.
    """
    if seed < 0:
        raise AffectBenchError(f"The seed of a twin is {seed}; expected 0 or a positive integer.")
    root = Path(root)
    rng = np.random.default_rng(seed)
    cast = draw_cast(scale, rng)
    latent = draw_latent(cast, rng)
    labels: dict[str, NDArray[Any]] = {
        name: ratings.draw(rng).astype(float).round(4) for name, ratings in latent.ratings.items()
    }
    labels["type"] = draw_types(latent, rng)
    part = cast.part[cast.speaker]
    blind = {name: part == PARTS.index(name) for name in PARTS[1:]}
    with _new_folder(root) as folder:
        _write_tables(folder, cast, labels)
        write_json(folder / "ceiling.json", ceilings(latent, labels, blind, rng))
        note = NOTE.format(version=VERSION, seed=seed, scale=scale)
        write_atomic(folder / "TWIN.md", lambda file: file.write(note.encode()))
        _write_audio(folder / "audio" / "wav", cast, latent, seed, workers, progress)
    return root


@contextmanager
def _new_folder(root: Path) -> Iterator[Path]:
    """A folder beside ``root`` that takes its name when all went well, and is removed otherwise."""
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise AffectBenchError(
            f"{root} exists and is not an empty folder. A twin is never written over other files: "
            "name a new folder, or remove this one."
        )
    partial = root.with_name(f".{root.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        partial.mkdir(parents=True)
        yield partial
        partial.replace(root)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise disk_error(error, root) from error
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


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
        _write_csv(folder / "sealed" / f"{name}_info.csv", sealed)
        _write_csv(folder / "labels" / f"{name}_info.csv", sealed.with_columns(shown))
    speakers = {
        "Subject_ID": cast.name,
        "Split": names[cast.part],
        "Country": np.array(COUNTRIES)[cast.country],
        "Gender": np.where(cast.female, "Female", "Male"),
        "Age": cast.age,
        "Vocal_Tract_cm": cast.tract_cm,
        "F0_Hz": cast.f0_hz,
    }
    _write_csv(folder / "sealed" / "speakers.csv", pl.DataFrame(speakers))


def _write_csv(path: Path, table: pl.DataFrame) -> None:
    write_atomic(path, lambda file: table.write_csv(file, float_precision=4))


def _write_audio(
    folder: Path,
    cast: Cast,
    latent: Latent,
    seed: int,
    workers: int | None,
    progress: Callable[[int, int], None] | None,
) -> None:
    from joblib import Parallel, delayed

    folder.mkdir(parents=True)
    total = len(cast.speaker)
    names = _ids(total)
    jobs = []
    for start in range(0, total, CHUNK):
        clips = range(start, min(start + CHUNK, total))
        throats = [
            Throat(float(cast.f0_hz[s]), float(cast.tract_cm[s]), float(cast.age[s]))
            for s in cast.speaker[start : start + CHUNK]
        ]
        kinds = [TYPES[kind] for kind in latent.kind[start : start + CHUNK]]
        control = latent.control[start : start + CHUNK]
        paths = [folder / f"{names[clip]}.wav" for clip in clips]
        jobs.append(delayed(_make)(paths, clips, kinds, control, throats, seed))
    pool = Parallel(n_jobs=workers or os.cpu_count(), backend="loky", return_as="generator")
    done = 0
    with closing(pool(jobs)) as finished:  # closed before the folder is removed
        for count in finished:
            done += count
            if progress:
                progress(done, total)


def _make(
    paths: list[Path],
    clips: range,
    kinds: list[str],
    control: NDArray[np.float32],
    throats: list[Throat],
    seed: int,
) -> int:
    """Synthesise and write some clips; each draws from a generator of its own."""
    from scipy.io import wavfile

    for path, clip, kind, how, throat in zip(paths, clips, kinds, control, throats, strict=True):
        wave = burst(kind, how, throat, np.random.default_rng([seed, clip]))
        # Not synced one by one, as labels are: a twin can be made again from its seed.
        wavfile.write(path, RATE_HZ, wave)
    return len(paths)


def _ids(total: int) -> list[str]:
    return [f"{clip:05d}" for clip in range(total)]
