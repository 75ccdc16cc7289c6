"""HUME-PROSODY: spoken sentences that imitate emotional seeds, nine emotions, ComParE 2023."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from affectbench.corpora import labels
from affectbench.corpora.folders import circular, list_audio, match_audio, wrong_folder
from affectbench.corpora.labels import ROW
from affectbench.corpora.twin import write_prosody
from affectbench.errors import BadData, MissingData, listing
from affectbench.schema import CLIPS
from affectbench.types import Corpus, Fact, Finding, Reading, Target

EMOTIONS: Final = (
    "Anger",
    "Boredom",
    "Calmness",
    "Concentration",
    "Determination",
    "Excitement",
    "Interest",
    "Sadness",
    "Tiredness",
)
SHARE: Final = Target(name="emotions", kind="regression", columns=EMOTIONS)
FILES: Final = {"train": "train.csv", "dev": "devel.csv", "test": "test.csv"}
UNMASKED: Final = "test.unmasked.csv"  # the test labels, held by the organisers alone
MASK: Final = "?"
ROW_MAXIMUM: Final = 1e-9  # how far the highest label of a clip may be from 1
MARKS: Final = ("lab/devel.csv", "lab/train.csv", "lab/test.csv", "data/lab/devel.csv")


def read(root: Path) -> Reading:
    """Clips of a folder with ``lab/{train,devel,test}.csv`` and ``wav/``, or of one with ``data/``.

    The id of a clip is its ``filename``, to the letter. Labels that are ``?`` or empty are null.
    ``seed`` is one id for each distinct label vector: the labels are those of the sentence that
    was imitated, so clips that share a vector imitate one seed, as far as can be known; null where
    the labels are masked. The release names no speakers: ``speaker`` is null.

    Raises:
        MissingData: no label files or no audio folder, or a column that is not there.
        BadData: labels out of [0, 1], rows that are masked in part, files that are named twice or
            in two parts, names that are no plain file name.
    """
    held = [root / "lab", root / "data" / "lab"]
    folder = next((place for place in held if place.is_dir()), None)
    if folder is None:
        raise wrong_folder(root, CORPUS.title, CORPUS.layout, MARKS)
    absent = [name for name in FILES.values() if not (folder / name).exists()]
    if (folder / UNMASKED).exists() and FILES["test"] in absent:
        absent.remove(FILES["test"])
    if absent:
        raise MissingData(f"{folder} lacks {listing(absent)}. Expected: {CORPUS.layout}.")
    clips, findings = _labelled(folder)
    places = [folder.parent / "wav", folder.parent / "raw" / "wav"]
    audio = next((place for place in places if place.is_dir()), None)
    if audio is None:
        raise MissingData(f"{places[0]} {circular(places[0])}. Expected the clips in wav/.")
    if audio == places[1]:
        advice = "There is no wav/, so the 48 kHz originals are read; preparing makes them 16 kHz."
        findings.append(Finding(kind="only raw audio", items=(), fatal=False, advice=advice))
    found = list_audio([(audio, ".wav")], lambda file: file.name)
    clips, unmatched = match_audio(clips, found, str(audio))
    return Reading(clips.select(*CLIPS, pl.exclude(*CLIPS)), (*findings, *unmatched))


def read_labels(folder: Path) -> pl.DataFrame:
    """Clips of the label files in ``folder`` (or its ``lab/``), without looking for audio.

    Raises:
        MissingData, BadData: as ``read``.
    """
    inner = folder / "lab"
    return _labelled(inner if inner.is_dir() else folder)[0]


def _labelled(folder: Path) -> tuple[pl.DataFrame, list[Finding]]:
    """One row a clip from the label files that are there, with the seeds."""
    tables: dict[Path, pl.DataFrame] = {}
    for part, name in FILES.items():
        path = folder / name
        if path.exists() or path.is_symlink():
            tables[path] = _label_file(path, part)
    masked, unmasked = folder / FILES["test"], folder / UNMASKED
    if unmasked.exists():
        truth = _label_file(unmasked, "test")
        if masked in tables:
            _same_names(masked, tables.pop(masked), unmasked, truth)
        tables[unmasked] = truth
    if not tables:
        raise wrong_folder(folder, CORPUS.title, CORPUS.layout, (*FILES.values(), UNMASKED))
    _disjoint(tables)
    odd = [
        f"{clip} ({path.name} row {row})"
        for path, table in tables.items()
        for clip, row in _odd_maximum(table)
    ]
    clips = labels.with_seeds(pl.concat(tables.values()).drop(ROW), EMOTIONS)
    unknown = [name for name in CLIPS if name not in {*clips.columns, "path"}]
    clips = clips.with_columns(pl.lit(None, CLIPS[name]).alias(name) for name in unknown)
    return clips, _findings(clips, odd)


def _label_file(path: Path, part: str) -> pl.DataFrame:
    """``clip``, line number, ``part`` and the nine labels of one file, null where masked."""
    table = labels.read_csv(path, ["filename", *EMOTIONS])
    name = pl.col("filename")
    plain = name.is_not_null() & ~name.str.contains(r"[/\\\x00]|^\.\.?$").fill_null(False)
    expected = "a plain file name such as 31746.wav, without folders"
    labels.refuse(path, labels.bad_cells(path, table.filter(~plain), "filename", expected))
    labels.one_row_each(path, table, "filename")
    table = table.with_columns(pl.col(EMOTIONS).replace(MASK, None))
    blank = pl.sum_horizontal(pl.col(EMOTIONS).is_null().cast(pl.UInt8))
    partly = table.filter((blank > 0) & (blank < len(EMOTIONS)))[ROW].to_list()
    if partly:
        raise BadData(
            f"{path}: {len(partly):,} rows are masked in part: row {listing(partly)}. Expected all "
            f"nine labels of a file, or all of them {MASK!r} or empty."
        )
    table = labels.numbers(path, table, EMOTIONS, 0, 1)
    return table.select(name.alias("clip"), ROW, pl.lit(part).alias("part"), *EMOTIONS)


def _same_names(one: Path, first: pl.DataFrame, two: Path, second: pl.DataFrame) -> None:
    """Masked and unmasked test labels must be of the same files."""
    for here, has, there, lacks in ((first, one, second, two), (second, two, first, one)):
        absent = here.join(there, on="clip", how="anti")
        if len(absent):
            raise BadData(
                f"{lacks} lacks {len(absent):,} files of {has.name}: "
                f"{listing(absent['clip'].to_list())} (the first on its row {absent[ROW][0]}). "
                "They are not of one release; download both again."
            )


def _disjoint(tables: dict[Path, pl.DataFrame]) -> None:
    """No file may be in two parts."""
    seen = pl.concat(table.with_columns(file=pl.lit(path.name)) for path, table in tables.items())
    twice = seen.filter(seen["clip"].is_duplicated()).sort("clip", maintain_order=True)
    if len(twice):
        names = twice["clip"].unique(maintain_order=True).to_list()
        where = twice.head(2).select("file", ROW).rows()
        raise BadData(
            f"{len(names):,} files are in two parts: {listing(names)}. The first is on row "
            f"{where[0][1]} of {where[0][0]} and row {where[1][1]} of {where[1][0]}. Expected "
            "parts that share no file; download the label files again."
        )


def _odd_maximum(table: pl.DataFrame) -> list[tuple[str, int]]:
    """Clips, with their rows, whose highest label is not 1."""
    highest = pl.max_horizontal(EMOTIONS)
    odd = table.filter(highest.is_not_null() & ((highest - 1).abs() > ROW_MAXIMUM))
    return odd.select("clip", ROW).rows()


def _findings(clips: pl.DataFrame, odd: list[str]) -> list[Finding]:
    shared = clips.drop_nulls("seed").group_by("seed").agg(pl.col("part").n_unique())
    across = sorted(shared.filter(pl.col("part") > 1)["seed"])
    findings = [
        Finding(
            kind="speakers unknown",
            items=(),
            fatal=False,
            advice="The release names no speakers: no interval by speaker can be made. Clips with "
            "identical labels imitate one seed; 'seed' is a group to resample instead.",
        )
    ]
    if across:
        findings.append(
            Finding(
                kind="seed in two parts",
                items=tuple(across),
                fatal=False,
                advice="Clips with identical labels are in several parts: the parts share no "
                "speaker, but they share imitated sentences, so a score may be too good.",
            )
        )
    if odd:
        findings.append(
            Finding(
                kind="highest label is not 1",
                items=tuple(odd),
                fatal=False,
                advice="Released labels are divided by the highest of their row, so that it is 1. "
                "These rows may have been rounded or changed.",
            )
        )
    return findings


PAPER: Final = "workshop paper (arXiv:2403.14048), Table 1"
SECTION: Final = "workshop paper (arXiv:2403.14048), section 2.1"
LAB: Final = "lab files as seen in public runs of the ComParE 2023 baseline"

DURATION_S: Final = (41 * 60 + 48) * 60 + 55  # 41:48:55
SEXES: Final = (
    ("female", "train", 379),
    ("male", "train", 221),
    ("female", "dev", 117),
    ("male", "dev", 85),
)


def _facts() -> tuple[Fact, ...]:
    """Table 1 of the workshop paper, and what the released label files say instead."""
    speakers, section = {"": 1_004, "train ": 600, "dev ": 202}, SECTION
    return (
        Fact(what="train clips", value=30_133, source=PAPER),
        Fact(what="dev clips", value=12_241, source=PAPER),
        Fact(
            what="dev clips",
            value=9_925,
            source=LAB,
            status="correction",
            note="31746.wav to 41670.wav, without a gap; Table 1 says 12,241.",
        ),
        Fact(
            what="test clips",
            value=10_143,
            source=LAB,
            status="correction",
            note="41671.wav to 51813.wav, without a gap; Table 1 gives no number.",
        ),
        Fact(
            what="train clips",
            value=31_745,
            source=LAB,
            status="correction",
            note="Inferred, an upper limit: the first file of devel is 31746.wav, and ids may "
            "start at 1. Table 1 says 30,133.",
        ),
        *(
            Fact(what=f"{part}speakers", value=count, source=PAPER if part else section)
            for part, count in speakers.items()
        ),
        Fact(
            what="test speakers",
            value=speakers[""] - speakers["train "] - speakers["dev "],
            source=f"{PAPER} and section 2.1: 1,004 in all, less train and dev",
        ),
        *(
            Fact(what=f"{sex} speakers of {part}", value=count, source=PAPER)
            for sex, part, count in SEXES
        ),
        Fact(what="duration_s", value=DURATION_S, source=section),
        Fact(what="age from", value=20, source=section),
        Fact(what="age to", value=66, source=section),
        Fact(
            what="dev seeds",
            value=3_477,
            source=f"{LAB}: distinct label vectors",
            status="correction",
            note="The paper speaks of labels of each audio sample; they are those of the seed.",
        ),
    )


CORPUS: Final = Corpus(
    name="hume-prosody",
    title="The Hume Expressive Prosodic Speech Dataset",
    access="gated",
    licence="end-user agreement of Hume AI",
    source="Schuller et al. 2023, The ACM Multimedia 2023 Computational Paralinguistics "
    "Challenge, arXiv:2304.14882; workshop paper, arXiv:2403.14048",
    home="Hume AI, on request (competitions@hume.ai)",
    languages=("en",),  # of the seeds: MELD and VENEC
    published={"clips": 51_813, "speakers": 1_004, "train": 31_745, "dev": 9_925, "test": 10_143},
    layout="lab/{train,devel,test}.csv, wav/, raw/wav/ (all of them may lie in data/); "
    "lab/test.unmasked.csv where the test labels are known",
    read=read,
    targets=(SHARE,),
    marks=MARKS,
    facts=_facts(),
    access_how="Ask Hume AI (competitions@hume.ai) for the end-user agreement of the ComParE 2023 "
    "Emotion Share Sub-Challenge, sign it, and unpack what they send so that lab/ and wav/ lie in "
    "one folder. Test labels stay with the organisers: predictions go to competitions@hume.ai.",
    read_labels=read_labels,
    twin=write_prosody,
)
