"""HUME-VOCALBURST: 59,201 vocal bursts by 1,702 speakers, in the layouts of ExVo and A-VB."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from affectbench.corpora import exvo, labels
from affectbench.corpora.exvo import COUNTRIES, COUNTRY_CODES, EMOTIONS
from affectbench.corpora.folders import circular, list_audio, match_audio, wrong_folder
from affectbench.corpora.labels import ROW
from affectbench.corpora.twin import write_vocalburst
from affectbench.errors import MissingData
from affectbench.schema import CLIPS
from affectbench.types import Corpus, Fact, Finding, Reading, Target

HIGH: Final = Target(name="emotions", kind="regression", columns=EMOTIONS)
TWO: Final = Target(name="dimensions", kind="regression", columns=("Valence", "Arousal"))
CULTURE: Final = Target(
    name="emotions by culture",
    kind="regression",
    columns=(
        *(f"{country}_{emotion}" for country in COUNTRIES for emotion in EMOTIONS[:-1]),
        *(f"{country}_Surprise" for country in COUNTRIES),
    ),
    nan_ok=True,  # whether foreign-country cells are rated in the release is not documented
)
TYPE: Final = Target(
    name="burst type",
    kind="classification",
    columns=("Voc_Type",),
    classes=("Cry", "Gasp", "Groan", "Grunt", "Laugh", "Other", "Pant", "Scream"),
)
COUNTRY: Final = Target(
    name="country",
    kind="classification",
    columns=("country",),
    classes=tuple(COUNTRY_CODES.values()),
    nan_ok=True,
)
AGE: Final = Target(
    name="age", kind="regression", columns=("age",), low=0, high=exvo.OLDEST, nan_ok=True
)  # years; ages of the release are 20.5 to 39.5
FILES: Final = {"high": HIGH, "two": TWO, "culture": CULTURE, "type": TYPE}
AUDIO: Final = (("audio/wav", ".wav"), ("wav", ".wav"), ("webm", ".webm"))  # the preferred first
MARKS: Final = (*(f"labels/{name}_info.csv" for name in FILES), "data_info.csv")


def read(root: Path) -> Reading:
    """Clips of a folder in the layout of A-VB, of ExVo, or both.

    A-VB: ``labels/{high,two,culture,type}_info.csv`` and ``audio/wav/<id>.wav``. ExVo:
    ``data_info.csv`` and ``wav/<id>.wav`` or ``webm/<id>.webm``. Labels come from the A-VB files
    where they are, speakers, countries and ages from ``data_info.csv`` (at the root, or in
    ``labels/``); the A-VB release has none, and then they are unknown and stay null. Few-shot
    support clips: see ``exvo.support``.

    Raises:
        MissingData: no label file, no audio folder, or a column that is not there.
        BadData: cells out of range, unknown classes, ids that do not look like ``[00123]``, label
            files that disagree about ids, splits or speakers.
    """
    clips, findings = _labelled(root / "labels", root)
    folders = [(root / name, ending) for name, ending in AUDIO]
    where = " or ".join(f"{name}/<id>{ending}" for name, ending in AUDIO)
    if not any(folder.is_dir() for folder, _ in folders):
        links = [f"{folder} {circular(folder)}. " for folder, _ in folders if folder.is_symlink()]
        raise MissingData(f"{''.join(links)}No audio in {root}. Expected the clips as {where}.")
    audio = list_audio(folders, lambda file: file.stem)
    clips, unmatched = match_audio(clips, audio, where)
    return Reading(clips.select(*CLIPS, pl.exclude(*CLIPS)), (*findings, *unmatched))


def read_labels(folder: Path) -> pl.DataFrame:
    """Clips of the label files in ``folder`` (or its ``labels/``), without looking for audio.

    Raises:
        MissingData, BadData: as ``read``.
    """
    inner = folder / "labels"
    return _labelled(inner if inner.is_dir() else folder, folder)[0]


def _labelled(folder: Path, root: Path) -> tuple[pl.DataFrame, list[Finding]]:
    """One row a clip from all label files, speakers joined."""
    tables = {}
    for name, target in FILES.items():
        path = folder / f"{name}_info.csv"
        if path.exists() or path.is_symlink():
            tables[path] = _label_file(path, target)
    places = dict.fromkeys((root / "data_info.csv", folder / "data_info.csv"))
    infos = {path: exvo.read_info(path) for path in places if path.exists() or path.is_symlink()}
    if not tables and not infos:
        raise wrong_folder(root, CORPUS.title, CORPUS.layout, MARKS)
    if not infos:
        clips, unknown = _speakers(_join(tables).drop(ROW), known=False)
        return clips, unknown
    first = next(iter(infos))
    info, findings = exvo.support(exvo.merge_infos(infos))
    if tables:
        clips = _join(tables)
        exvo.check_release(next(iter(tables)), clips, first, info)
        more = [column for column in info.columns if column not in clips.columns]
        info = info.select("clip", *more)
        clips = clips.join(info, on="clip", how="left", maintain_order="left")
    else:
        if {"part", *EMOTIONS} - set(info.columns):
            labels.read_csv(first, ["Split", *EMOTIONS])  # says which columns are missing
        clips = info
    clips, unknown = _speakers(clips.drop(ROW), known=True)
    return clips, [*findings, *unknown]


def _label_file(path: Path, target: Target) -> pl.DataFrame:
    """``clip``, line number, ``part`` and the target's columns of one A-VB label file."""
    table = exvo.ids(path, labels.read_csv(path, ["File_ID", "Split", *target.columns]))
    table = exvo.parts(path, table)
    if target.kind == "classification":
        labels.choices(path, table, target.columns[0], target.classes, blank_ok=True)
    else:
        table = labels.numbers(path, table, target.columns, target.low, target.high)
    if not target.nan_ok:
        exvo.no_blanks(path, table, target.columns)
    return table.select("clip", ROW, "part", *target.columns)


def _join(tables: dict[Path, pl.DataFrame]) -> pl.DataFrame:
    """One row a clip with the labels of every file; the files must agree about ids and splits."""
    (first, clips), *others = tables.items()
    for path, table in others:
        exvo.check_release(first, clips, path, table)
        clips = clips.join(table.drop(ROW, "part"), on="clip", how="left", maintain_order="left")
    return clips


def _speakers(clips: pl.DataFrame, *, known: bool) -> tuple[pl.DataFrame, list[Finding]]:
    """Add what is not told of the speakers as null, and say what is not known."""
    absent = {name: dtype for name, dtype in exvo.WHO.items() if name not in clips.columns}
    clips = clips.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in absent.items())
    if "speaker" in absent:
        advice = (
            "data_info.csv has no column Subject_ID: no interval by speaker can be made."
            if known
            else "The A-VB release names no speakers: no interval by speaker can be made. Put "
            "data_info.csv of the ExVo release into labels/ or beside it to have them."
        )
        return clips, [Finding(kind="speakers unknown", items=(), fatal=False, advice=advice)]
    blank = clips.filter(pl.col("speaker").is_null() & (pl.col("part") != "test"))
    if not len(blank):
        return clips, []
    finding = Finding(
        kind="speaker blank",
        items=tuple(blank["clip"]),
        fatal=False,
        advice="data_info.csv names no speaker for these Train and Val clips: parts that hold them "
        "get no interval by speaker.",
    )
    return clips, [finding]


PAPER: Final = "workshop paper (arXiv:2403.14048), Table 2"
LISTS: Final = "file lists in public code of ExVo and A-VB participants"


def _facts() -> tuple[Fact, ...]:
    """Table 2 of the workshop paper, counts that public code prints, and what corrects them."""
    rows: list[tuple[str, float, str]] = []
    for part, clips, speakers in (
        ("train", 19_990, 571),
        ("dev", 19_396, 568),
        ("test", 19_815, 563),
    ):
        rows += [(f"{part} clips", clips, PAPER), (f"{part} speakers", speakers, PAPER)]
    for part, females, males in (("train", 305, 266), ("dev", 324, 244)):
        rows.append((f"female speakers of {part}", females, PAPER))
        rows.append((f"male speakers of {part}", males, PAPER))
    by_country = {"train": (5120, 7142, 5090, 2638), "dev": (4999, 7020, 4804, 2573)}
    by_type = {
        "train": (1845, 7104, 1366, 1347, 4940, 1348, 467, 1573),
        "dev": (1834, 6855, 1322, 1251, 4730, 1393, 421, 1590),
    }
    for column, names, table in (
        ("country", COUNTRIES, by_country),
        ("Voc_Type", TYPE.classes, by_type),
    ):
        for part, counts in table.items():
            for name, count in zip(names, counts, strict=True):
                rows.append((f"{part} clips of {column} {name}", count, LISTS))
    section = "workshop paper (arXiv:2403.14048), section 2.2"
    hours, minutes, seconds = 36, 47, 4
    rows.append(("speakers", 1_702, section))
    rows.append(("duration_s", (hours * 60 + minutes) * 60 + seconds, section))
    rows += [("age from", 20.5, PAPER), ("age to", 39.5, PAPER)]
    return (
        Fact(what="clips", value=59_299, source="A-VB 2022, abstract (arXiv:2207.03572)"),
        Fact(
            what="clips",
            value=59_201,
            source=f"ExVo 2022 (arXiv:2205.01780); {PAPER}: sum of the splits; {LISTS}",
            status="correction",
            note="The three splits of Table 2 sum to 59,201, and so do all file lists; 59,299 "
            "stands in the abstract of A-VB alone.",
        ),
        *(Fact(what=what, value=value, source=source) for what, value, source in rows),
    )


CORPUS: Final = Corpus(
    name="hume-vocalburst",
    title="The Hume Expressive Vocal Bursts Dataset",
    access="gated",
    licence="end-user agreement of Hume AI",
    source="Baird et al. 2022, The ExVo Workshop & Competition, arXiv:2205.01780; "
    "The ACII 2022 Affective Vocal Bursts Workshop & Competition, arXiv:2207.03572",
    home="Hume AI, on request (competitions@hume.ai)",
    languages=(),
    published={"clips": 59_201, "speakers": 1_702, "train": 19_990, "dev": 19_396, "test": 19_815},
    layout="A-VB: labels/{high,two,culture,type}_info.csv, audio/wav/[id].wav, "
    "labels/data_info.csv; ExVo: data_info.csv, wav/[id].wav or webm/[id].webm; or both",
    read=read,
    targets=(*FILES.values(), COUNTRY, AGE),
    marks=MARKS,
    facts=_facts(),
    access_how="Ask Hume AI (competitions@hume.ai) for the end-user agreement of ExVo or A-VB "
    "2022, sign it, and unpack what they send into one folder: label files and audio of A-VB under "
    "labels/ and audio/wav/, those of ExVo as data_info.csv and wav/ or webm/. Both may lie in "
    "the same folder; data_info.csv is what names the speakers.",
    read_labels=read_labels,
    twin=write_vocalburst,
)
