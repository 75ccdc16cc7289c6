"""Generated bursts that are handed in: 100 wavs an emotion, and what is known of each.

The rules of ExVo-Generate ask for 100 clips for each of the ten emotions, or for one emotion alone,
and name no files. The names are ours: ``Awe/Awe_000.wav`` to ``Surprise/Surprise_099.wav`` and
``manifest.json``, in a zip ``ExVo-Generate_<team>_<number>.zip``. What is read is more: a folder or
a zip, each clip below a folder of the name of its emotion, or with a name that begins with it.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

import numpy as np
import polars as pl

from affectbench.audio import Decoded, decode
from affectbench.corpora.exvo import EMOTIONS
from affectbench.environment import version
from affectbench.errors import BadData, ResultConflict
from affectbench.store import digest, write_atomic
from affectbench.submission.archive import Files, opened
from affectbench.submission.names import check_team, numbered, shown
from affectbench.submission.packing import as_json
from affectbench.submission.verdict import Refused, first_of, number_of

TASK: Final = "exvo-generate"
STEM: Final = "ExVo-Generate"
MANIFEST: Final = "manifest.json"
SCHEMA: Final = 1
PER_EMOTION: Final = 100
RATE_HZ: Final = 16_000
MAX_S: Final = 30.0
MIN_RATE_HZ, MAX_RATE_HZ = 4_000, 192_000
ZIP_TIME: Final = (1980, 1, 1, 0, 0, 0)  # no date of making: the same clips give the same zip
OTHER_AUDIO: Final = (".mp3", ".flac", ".ogg", ".opus", ".webm", ".aiff", ".m4a", ".aac", ".wave")
CLIPS: Final = {
    "name": pl.String,  # Awe/Awe_000.wav
    "emotion": pl.String,
    "origin": pl.String,  # the name that it was handed in under
    "sha256": pl.String,  # of the file
    "samples": pl.Int64,
    "rate_hz": pl.Int64,
}


@dataclass(frozen=True, slots=True)
class Bundle:
    """Clips of one attempt at generation: ``clips`` has the columns of ``CLIPS``."""

    path: Path
    clips: pl.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def emotions(self) -> tuple[str, ...]:
        """Those that are there: all ten, or one."""
        held = set(self.clips["emotion"])
        return tuple(emotion for emotion in EMOTIONS if emotion in held)

    def waves(self, emotion: str) -> list[Decoded]:
        """The clips of one emotion, decoded, in the order of their names.

        Raises:
            Refused: a file changed since the bundle was read.
        """
        rows = self.clips.filter(pl.col("emotion") == emotion)
        with opened(self.path) as files:
            return [decode(_unchanged(self.path, files, row)) for row in rows.iter_rows(named=True)]


def read_bundle(path: Path, *, per_emotion: int = PER_EMOTION) -> Bundle:
    """Check the clips of a folder or zip, one at a time; nothing is unpacked to disk.

    Other rates, channels or sample formats than 16 kHz, mono, 16 bit, and clips that are there
    twice, are noted.

    Args:
        path: the folder or zip.
        per_emotion: how many clips each emotion must have.

    Raises:
        MissingData: there is nothing of that name.
        Refused: other counts, names that tell no emotion or two, clips that are unreadable, silent,
            not finite or longer than half a minute, files that differ from the manifest, and
            whatever ``archive.opened`` refuses; with every problem found.
    """
    with opened(path) as files:
        origins, notes = _by_emotion(path, files, per_emotion)
        heard = _Heard()
        for emotion, names in origins.items():
            for place, origin in enumerate(names):
                name = f"{emotion}/{emotion}_{place:03d}.wav"
                heard.take(name, emotion, origin, files.read(origin))
        problems = heard.problems() or _as_listed(files, heard.rows, notes)
    if problems:
        raise Refused(path.name, problems)
    table = pl.DataFrame(heard.rows, schema=CLIPS)
    return Bundle(path, table, (*notes, *heard.notes()))


@dataclass(slots=True)
class _Heard:
    """What the clips read so far are like."""

    rows: list[dict[str, Any]] = field(default_factory=list)  # of ``CLIPS``
    bad: list[str] = field(default_factory=list)
    odd: dict[str, int] = field(default_factory=dict)
    sounds: dict[str, list[str]] = field(default_factory=dict)  # digest of samples -> clips

    def take(self, name: str, emotion: str, origin: str, data: bytes) -> None:
        """Decode one clip and keep its facts, or why it cannot be used."""
        try:
            wave, odd = _wave(data)
        except BadData as error:
            self.bad.append(f"{shown(origin)} {error}")
            return
        self.sounds.setdefault(digest(wave.samples.tobytes()), []).append(shown(origin))
        for what in odd:
            self.odd[what] = self.odd.get(what, 0) + 1
        sha256 = hashlib.sha256(data).hexdigest()
        facts = (name, emotion, origin, sha256, len(wave.samples), wave.rate_hz)
        self.rows.append(dict(zip(CLIPS, facts, strict=True)))

    def problems(self) -> list[str]:
        """Clips that cannot be used, in one sentence."""
        count = len(self.bad)
        told = f"{number_of(count, 'clip')} that cannot be used: {first_of(self.bad, count)}."
        return [told] if count else []

    def notes(self) -> list[str]:
        """What is unusual and allowed."""
        told = [f"{number_of(count, 'clip')} {what}." for what, count in self.odd.items()]
        twice = [" = ".join(names[:3]) for names in self.sounds.values() if len(names) > 1]
        if twice:
            count = number_of(len(twice), "sound")
            told.append(f"{count} in more than one clip: {first_of(twice, len(twice))}.")
        return told


def _by_emotion(
    path: Path, files: Files, per_emotion: int
) -> tuple[dict[str, list[str]], list[str]]:
    """Names of the clips by emotion, sorted, and notes on what was left out."""
    found: dict[str, list[str]] = {emotion: [] for emotion in EMOTIONS}
    unclear, foreign, left = [], [], []
    for name in sorted(files.sizes):
        ending = PurePosixPath(name).suffix.casefold()
        if ending in OTHER_AUDIO:
            foreign.append(shown(name))
        elif ending != ".wav":
            left += [] if PurePosixPath(name).name == MANIFEST else [shown(name)]
        elif (emotion := emotion_of(name)) is None:
            unclear.append(shown(name))
        else:
            found[emotion].append(name)
    problems = []
    if foreign:
        problems.append(
            f"{number_of(len(foreign), 'file')} of audio that is not wav: "
            f"{first_of(foreign, len(foreign))}. Expected wav, 16 kHz, mono, 16 bit."
        )
    if unclear:
        problems.append(
            f"{number_of(len(unclear), 'clip')} of no emotion, or of two: "
            f"{first_of(unclear, len(unclear))}. Expected names such as {EMOTIONS[0]}/"
            f"{EMOTIONS[0]}_000.wav, of {', '.join(EMOTIONS)}."
        )
    held = {emotion: names for emotion, names in found.items() if names}
    if len(held) not in (1, len(EMOTIONS)) or any(len(n) != per_emotion for n in held.values()):
        counts = ", ".join(f"{emotion} {len(names):,}" for emotion, names in found.items())
        problems.append(
            f"The clips of an emotion are {counts}. Expected {per_emotion} for each of the ten, or "
            f"{per_emotion} for one emotion and none for the others."
        )
    if problems:
        raise Refused(path.name, problems)
    notes = [f"{number_of(len(left), 'file')} left out: {first_of(left, len(left))}."]
    return held, notes if left else []


def emotion_of(name: str) -> str | None:
    """The emotion that a clip's folder or the beginning of its name tells; None: none, or two."""
    path = PurePosixPath(name)
    spelt = {emotion.casefold(): emotion for emotion in EMOTIONS}
    told = {spelt[part.casefold()] for part in path.parts[:-1] if part.casefold() in spelt}
    word = re.match(r"[A-Za-z]*", path.name)
    if word and word[0].casefold() in spelt:
        told.add(spelt[word[0].casefold()])
    return told.pop() if len(told) == 1 else None


def _wave(data: bytes) -> tuple[Decoded, list[str]]:
    """A clip decoded, and what is unusual about its form.

    Raises:
        BadData: it is no wav, cannot be decoded whole, is silent, or longer or of another rate
            than a burst can be.
    """
    import soundfile

    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise BadData("is no wav, whatever its name says")
    try:
        facts = soundfile.info(io.BytesIO(data))
    except soundfile.LibsndfileError as error:
        raise BadData(f"is broken ({error.error_string.rstrip('.')})") from error
    if not MIN_RATE_HZ <= facts.samplerate <= MAX_RATE_HZ:
        raise BadData(f"has {facts.samplerate:,} samples a second")
    if facts.frames > MAX_S * facts.samplerate:
        raise BadData(f"is {facts.frames / facts.samplerate:,.0f} s long, at most {MAX_S:g} s")
    wave = decode(data)
    if np.abs(wave.samples).max() < 1 / 32768:
        raise BadData("is silent")
    odd = {
        f"not at {RATE_HZ:,} Hz": wave.rate_hz != RATE_HZ,
        "not mono": wave.channels != 1,
        "not of 16 bit": facts.subtype != "PCM_16",
    }
    return wave, [what for what, is_so in odd.items() if is_so]


def _as_listed(files: Files, rows: list[dict[str, Any]], notes: list[str]) -> list[str]:
    """Problems where a manifest of ours lists other files or contents than there are."""
    places = [name for name in files.sizes if PurePosixPath(name).name == MANIFEST]
    if not places:
        return []
    try:
        listed = json.loads(files.read(places[0]))["files"]
        hashes = {str(item["name"]): str(item["sha256"]) for item in listed}
    except (ValueError, KeyError, TypeError, RecursionError):
        notes.append(f"{shown(places[0])} is no manifest of ours and was left out.")
        return []
    folder = str(PurePosixPath(places[0]).parent)
    root = "" if folder == "." else f"{folder}/"
    there = {row["origin"].removeprefix(root): row["sha256"] for row in rows}
    differ = [name for name in hashes.keys() | there.keys() if hashes.get(name) != there.get(name)]
    if not differ:
        return []
    names = first_of((shown(name) for name in sorted(differ)), len(differ))
    return [
        f"{number_of(len(differ), 'file')} not as {MANIFEST} lists them: {names}. The bundle was "
        "changed after it was packed; pack it again."
    ]


def write_bundle(
    path: Path, out: Path, team: str, number: int, *, per_emotion: int = PER_EMOTION
) -> tuple[Path, Bundle]:
    """Write ``ExVo-Generate_<team>_<number>.zip`` into ``out``: the clips as they are, named by us.

    The same clips give the same bytes.

    Args:
        path: a folder or zip that ``read_bundle`` takes.
        out: folder of the zip; it is made where it is not there.
        team: see ``check_team``.
        number: of the submission, 1 for the team's first.
        per_emotion: how many clips each emotion must have.

    Returns:
        The zip, and what was read from ``path``.

    Raises:
        MissingData, Refused: as ``read_bundle``.
        BadData: the team's name or the number cannot be used.
        ResultConflict: a zip of that name with other clips is there, and was left as it is.
    """
    target = out / f"{numbered(STEM, team, number)}.zip"
    bundle = read_bundle(path, per_emotion=per_emotion)
    if target.exists():
        there = read_bundle(target, per_emotion=per_emotion)
        same = ("name", "sha256")
        if there.clips.select(same).equals(bundle.clips.select(same)):
            return target, bundle
        raise ResultConflict(
            f"{target} is there already with other clips, and was left as it is. Choose another "
            "number or folder, or remove it."
        )
    manifest = {
        "schema": SCHEMA,
        "task": TASK,
        "team": check_team(team),
        "number": number,
        "names": "ours: none were published",
        "files": bundle.clips.drop("origin").to_dicts(),
        "notes": list(bundle.notes),
        "affectbench": version("affectbench"),
    }
    write_atomic(target, lambda file: _fill(file, bundle, as_json(manifest)))
    return target, bundle


def _fill(file: IO[bytes], bundle: Bundle, manifest: bytes) -> None:
    """Write the zip: manifest, then the clips in order."""
    with opened(bundle.path) as files, zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo(MANIFEST, ZIP_TIME), manifest)
        for row in bundle.clips.iter_rows(named=True):
            data = _unchanged(bundle.path, files, row)
            archive.writestr(zipfile.ZipInfo(row["name"], ZIP_TIME), data)


def _unchanged(path: Path, files: Files, row: dict[str, Any]) -> bytes:
    """The bytes of a clip, as they were when it was checked."""
    data = files.read(row["origin"])
    if hashlib.sha256(data).hexdigest() != row["sha256"]:
        raise Refused(path.name, [f"{shown(row['origin'])} was changed while it was read."])
    return data
