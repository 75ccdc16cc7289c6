"""RAVDESS speech audio: 1,440 acted clips, 24 actors, 8 emotions; the label is the file name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import polars as pl

from affectbench.errors import MissingData
from affectbench.types import Corpus, Fact, Finding, Reading, Remote, Split, Target

EMOTIONS: Final = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
INTENSITIES: Final = ("normal", "strong")
STATEMENTS: Final = ("kids", "dogs")  # "Kids / Dogs are talking / sitting by the door"
REPETITIONS: Final = 2
ACTORS: Final = 24
# Each emotion at both intensities, but neutral at one; each statement twice.
PER_ACTOR: Final = (2 * len(EMOTIONS) - 1) * len(STATEMENTS) * REPETITIONS
FORMS: Final = (".wav", ".flac")  # in the order of preference

# Test actors of the six folds of EmoBox (github.com/emo-box/EmoBox, data/ravdess/fold_*). It has no
# dev part: which fold is dev, in ``FOLD_SPLITS``, is ours.
FOLDS: Final = (
    (1, 11, 20, 21),
    (4, 10, 12, 14),
    (8, 9, 19, 23),
    (3, 5, 7, 24),
    (2, 15, 16, 18),
    (6, 13, 17, 22),
)
# One recording under the names of two repetitions: equal sample by sample, the only such pair among
# the 1,440 clips (by digest of the decoded samples; ``tests/test_ravdess.py`` decodes them).
TWICE: Final = ("03-01-03-01-02-01-07", "03-01-03-01-02-02-07")

EMOTION: Final = Target(
    name="emotion", kind="classification", columns=("emotion",), classes=EMOTIONS
)
NAME: Final = re.compile(r"(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)")
AUDIO_ONLY, SPEECH = "03", "01"
TREE: Final = "Audio_Speech_Actors_01-24"
COLUMNS: Final = {
    "clip": pl.String,
    "path": pl.String,
    "speaker": pl.String,  # the actor, 01 to 24
    "sex": pl.String,
    "emotion": pl.String,
    "intensity": pl.String,
    "statement": pl.String,
    "repetition": pl.Int64,
    "fold": pl.Int64,  # 1-6, by the actor
}


def read(root: Path) -> Reading:
    """Clips of ``Audio_Speech_Actors_01-24/Actor_XX/03-01-EE-II-SS-RR-AA.{wav,flac}``.

    The Actor folders may lie directly under root, as the archive unpacks. The fields of a name
    are modality (03: audio only), vocal channel (01: speech), emotion, intensity, statement,
    repetition, actor. Odd actors are male, even ones female.

    Raises:
        MissingData: there is no Actor folder, or no clip in any.
    """
    tree = root / TREE
    actors = sorted(path for path in (tree if tree.is_dir() else root).glob("Actor_*"))
    actors = [path for path in actors if path.is_dir()]
    if not actors:
        raise MissingData(
            f"{root} holds no folder Actor_01 and so on. Expected the released layout of RAVDESS "
            f"speech audio: {CORPUS.layout}."
        )
    rows: dict[str, tuple[object, ...]] = {}
    odd: dict[str, list[str]] = {kind: [] for kind in ADVICE}
    files = (path for actor in actors for path in actor.iterdir())
    audio = [path for path in files if path.suffix.lower() in FORMS]
    for path in sorted(audio, key=lambda p: (p.stem, FORMS.index(p.suffix.lower()))):
        kind = _odd(path, rows)
        if kind:
            odd[kind].append(f"{path.parent.name}/{path.name}")
        if kind in {None, SWAPPED}:
            rows[path.stem] = _row(path)
    if not rows:
        raise MissingData(
            f"{actors[0].parent} holds no clip named like 03-01-01-01-01-01-01.wav. Expected "
            f"{CORPUS.layout}; found {len(audio):,} audio files with other names."
        )
    clips = pl.DataFrame(list(rows.values()), schema=COLUMNS, orient="row").with_columns(
        age=pl.lit(None, pl.Float64), country=pl.lit(None, pl.String), part=pl.lit(None, pl.String)
    )
    first = ["clip", "path", "speaker", "sex", "age", "country", "part"]
    findings = [
        Finding(kind=kind, items=tuple(items), fatal=True, advice=ADVICE[kind])
        for kind, items in odd.items()
        if items
    ]
    return Reading(clips.select(*first, pl.exclude(first)), (*findings, *_gaps(clips)))


UNNAMED: Final = "audio without label"
OTHER: Final = "not audio-only speech"
SWAPPED: Final = "actor of the name is not the actor of the folder"
TWO_FORMS: Final = "one recording in two files"
ADVICE: Final = {
    UNNAMED: "The name must be 03-01-EE-II-SS-RR-AA with emotion 01-08, intensity 01-02 (neutral: "
    "01), statement 01-02, repetition 01-02 and actor 01-24, since it is the label. Rename these "
    "files or take them away.",
    OTHER: "Modality (first field) must be 03 and vocal channel (second) 01. These are not read: "
    "videos and songs are other parts of RAVDESS. Take them away.",
    SWAPPED: "The name was believed. Unpack the archive again.",
    TWO_FORMS: "The first one found was read, wav before flac. Keep one of each pair.",
}


def _odd(path: Path, rows: Mapping[str, object]) -> str | None:
    """What is wrong with a file, None when nothing is."""
    match = NAME.fullmatch(path.stem)
    if match is None:
        return UNNAMED
    modality, channel, *codes = match.groups()
    if (modality, channel) != (AUDIO_ONLY, SPEECH):
        return OTHER
    emotion, intensity, statement, repetition, actor = map(int, codes)
    tops = (len(EMOTIONS), 1 if emotion == 1 else 2, len(STATEMENTS), REPETITIONS, ACTORS)
    values = (emotion, intensity, statement, repetition, actor)
    if not all(1 <= value <= top for value, top in zip(values, tops, strict=True)):
        return UNNAMED
    if path.stem in rows:
        return TWO_FORMS
    return None if path.parent.name == f"Actor_{actor:02d}" else SWAPPED


def _row(path: Path) -> tuple[object, ...]:
    """The fields of a good name, in the order of ``COLUMNS``."""
    emotion, intensity, statement, repetition, actor = map(int, path.stem.split("-")[2:])
    return (
        path.stem,
        str(path),
        f"{actor:02d}",
        "male" if actor % 2 else "female",
        EMOTIONS[emotion - 1],
        INTENSITIES[intensity - 1],
        STATEMENTS[statement - 1],
        repetition,
        next(fold for fold, actors in enumerate(FOLDS, 1) if actor in actors),
    )


def _gaps(clips: pl.DataFrame) -> list[Finding]:
    """Actors that lack clips, and the pair that is known to be one recording."""
    findings = []
    held = dict(clips.group_by("speaker").len().iter_rows())
    short = [
        f"{actor:02d}" for actor in range(1, ACTORS + 1) if held.get(f"{actor:02d}") != PER_ACTOR
    ]
    if short:
        findings.append(
            Finding(
                kind="actor not complete",
                items=tuple(short),
                fatal=False,
                advice=f"The release has {ACTORS} actors with {PER_ACTOR} clips each. The score is "
                "of what is there.",
            )
        )
    if set(TWICE) <= set(clips["clip"]):
        findings.append(
            Finding(
                kind="known exact duplicate",
                items=(" = ".join(TWICE),),
                fatal=False,
                advice="One recording was released as both repetitions, and counts twice. The "
                "actor is one: it crosses no split by actor.",
            )
        )
    return findings


def _by_actor(name: str, parts: Mapping[str, tuple[int, ...]]) -> Split:
    """A split of ours by actor: part -> actors."""
    part = {f"{actor:02d}": key for key, actors in parts.items() for actor in actors}

    def assign(clips: pl.DataFrame) -> pl.Series:
        found = clips["speaker"].replace_strict(part, default=None, return_dtype=pl.String)
        return found.alias("part")

    return Split(name=name, version=1, disjoint="speaker", released=False, assign=assign)


def _fold_split(test: int) -> Split:
    """Test on one fold, choose on the next one (the first after the last), train on four."""
    dev = test % len(FOLDS) + 1
    rest = [actors for fold, actors in enumerate(FOLDS, 1) if fold not in {test, dev}]
    train = tuple(actor for actors in rest for actor in actors)
    parts = {"train": train, "dev": FOLDS[dev - 1], "test": FOLDS[test - 1]}
    return _by_actor(f"ravdess/fold-{test}", parts)


FOLD_SPLITS: Final = tuple(_fold_split(fold) for fold in range(1, len(FOLDS) + 1))
SIX_FOLDS: Final = Split(
    name="ravdess/emobox-6-folds",
    version=1,
    disjoint="speaker",
    released=False,
    assign=FOLD_SPLITS[0].assign,
    folds=FOLD_SPLITS,
)

SOURCE: Final = "Livingstone & Russo 2018, doi:10.1371/journal.pone.0196391"
CORPUS: Final = Corpus(
    name="ravdess",
    title="RAVDESS: The Ryerson Audio-Visual Database of Emotional Speech and Song (speech audio)",
    access="open",
    licence="CC-BY-NC-SA-4.0",
    source=SOURCE,
    home="https://zenodo.org/records/1188976",
    languages=("en",),
    published={"clips": ACTORS * PER_ACTOR, "speakers": ACTORS},
    layout=f"{TREE}/Actor_XX/03-01-EE-II-SS-RR-AA.wav or .flac, or Actor_XX/ directly",
    read=read,
    targets=(EMOTION,),
    marks=(f"{TREE}/Actor_*", "Actor_*/03-01-*-*-*-*-*.*"),
    facts=(
        Fact(what="clips", value=ACTORS * PER_ACTOR, source=SOURCE),
        Fact(what="speakers", value=ACTORS, source=SOURCE),
        Fact(what="female speakers", value=ACTORS // 2, source=SOURCE),
        Fact(what="male speakers", value=ACTORS // 2, source=SOURCE),
    ),
    remotes=(
        Remote(
            url=f"https://zenodo.org/records/1188976/files/{TREE}.zip?download=1",
            path=f"{TREE}.zip",
            unpack=True,
        ),
    ),
)
