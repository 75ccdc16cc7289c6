"""CREMA-D: 7,442 acted clips of 91 actors, rated by a crowd as voice, as face, and as both.

The votes can be read without the audio, for what raters agree on; a system needs the audio.

Documented by the corpus: a file name is actor, sentence, acted emotion and level; stimuli are
numbered in SentenceFilenames.csv; in its response files query type 1 is voice only, 2 face only, 3
audio-visual. Inferred: the row ids of tabulatedVotes.csv (100001 to 307442, a column without a
name) are query type x 100,000 + stimulus number. Each of the three blocks holds every stimulus once
under its own name, which ``read`` checks, and the share of votes for the acted emotion rises
from block 1 to 3 (.40, .57, .63), as it must from voice to both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from affectbench.corpora import labels
from affectbench.errors import BadData, MissingData, listing
from affectbench.types import Corpus, Fact, Finding, Reading, Remote, Target

EMOTIONS: Final = {
    "A": "Anger",
    "D": "Disgust",
    "F": "Fear",
    "H": "Happy",
    "N": "Neutral",
    "S": "Sad",
}
ACTED: Final = {name[:3].upper(): name for name in EMOTIONS.values()}
LEVELS: Final = {"LO": "low", "MD": "medium", "HI": "high", "XX": None}  # XX: not specified
SENTENCES: Final = (
    *("IEO", "TIE", "IOM", "IWW", "TAI", "MTI"),
    *("IWL", "ITH", "DFA", "ITS", "TSI", "WSI"),
)
MODALITIES: Final = {1: "voice", 2: "face", 3: "audiovisual"}
BLOCK: Final = 100_000  # a row id is modality * BLOCK + stimulus number
SEXES: Final = {"Male": "male", "Female": "female"}
MOST_VOTES: Final = 10_000  # a bound against shifted columns, far above any count of raters
POINTER: Final = b"version https://git-lfs"
POINTER_BYTES: Final = 1024  # a Git LFS pointer is below, a clip above

VOICE, FACE, AUDIOVISUAL = (
    Target(
        name=f"{modality} votes",
        kind="regression",
        columns=tuple(f"{modality}_{emotion}" for emotion in EMOTIONS.values()),
    )
    for modality in MODALITIES.values()
)
EMOTION: Final = Target(
    name="acted emotion",
    kind="classification",
    columns=("emotion",),
    classes=tuple(EMOTIONS.values()),
)


def read(root: Path) -> Reading:
    """Clips with the shares of the crowd's votes, actors' age, sex and race, and audio where it is.

    Columns after those of ``CLIPS``: ``emotion`` (acted), ``level`` (null: not specified),
    ``sentence`` (code), ``race``, ``ethnicity``, and for each of voice, face and audiovisual six
    shares ``voice_Anger`` ... that sum to 1, and ``voice_raters``, how many voted. Where nobody
    voted the shares are null. Without ``AudioWAV/`` every path is null and a finding says so; it
    stops a run, not the reading.

    Raises:
        MissingData: one of the three tables, or a column, is not there.
        BadData: cells out of range, unknown names, votes that do not add up, row ids and names
            that do not match the list of stimuli, an actor without a row.
    """
    places = [root / "processedResults" / "tabulatedVotes.csv", root / "tabulatedVotes.csv"]
    votes_path = next((place for place in places if place.exists()), places[-1])
    clips = _stimuli(root / "SentenceFilenames.csv")
    clips, unrated = _shares(votes_path, clips)
    clips = _actors(root / "VideoDemographics.csv", clips)
    clips, findings = _audio(root / "AudioWAV", clips)
    clips = clips.with_columns(country=pl.lit(None, pl.String), part=pl.lit(None, pl.String)).drop(
        "stimulus"
    )
    first = ["clip", "path", "speaker", "sex", "age", "country", "part"]
    return Reading(clips.select(*first, pl.exclude(first)), (*unrated, *findings))


def _stimuli(path: Path) -> pl.DataFrame:
    """``stimulus``, ``clip`` and what its name says."""
    table = labels.read_csv(path, ["Stimulus_Number", "Filename"])
    table = labels.numbers(path, table, ["Stimulus_Number"], 1, BLOCK - 1)
    name = rf"^\d{{4}}_({'|'.join(SENTENCES)})_({'|'.join(ACTED)})_({'|'.join(LEVELS)})$"
    bad = table.filter(~pl.col("Filename").str.contains(name).fill_null(False))
    labels.refuse(path, labels.bad_cells(path, bad, "Filename", "a name like 1001_IEO_NEU_XX"))
    for column in ("Stimulus_Number", "Filename"):
        twice = table.filter(~pl.col(column).is_first_distinct() | pl.col(column).is_null())
        labels.refuse(path, labels.bad_cells(path, twice, column, "each once"))
    field = pl.col("Filename").str.split("_").list
    return table.select(
        pl.col("Stimulus_Number").cast(pl.Int64).alias("stimulus"),
        pl.col("Filename").alias("clip"),
        field.get(0).alias("speaker"),
        field.get(2).replace_strict(ACTED, return_dtype=pl.String).alias("emotion"),
        field.get(3).replace_strict(LEVELS, return_dtype=pl.String).alias("level"),
        field.get(1).alias("sentence"),
    )


def _shares(path: Path, clips: pl.DataFrame) -> tuple[pl.DataFrame, list[Finding]]:
    """Add shares and raters of each modality, and report clips that lack votes."""
    votes = _votes(path, clips)
    for code, modality in MODALITIES.items():
        total = pl.col("numResponses")
        some = pl.when(total > 0)
        table = votes.filter(pl.col("modality") == code).select(
            "stimulus",
            *(
                some.then(pl.col(letter) / total).alias(f"{modality}_{emotion}")
                for letter, emotion in EMOTIONS.items()
            ),
            total.cast(pl.Int64).alias(f"{modality}_raters"),
        )
        clips = clips.join(table, on="stimulus", how="left", maintain_order="left")
        clips = clips.with_columns(pl.col(f"{modality}_raters").fill_null(0))
    findings = []
    for modality in MODALITIES.values():
        nobody = clips.filter(pl.col(f"{modality}_raters") == 0)["clip"]
        if len(nobody):
            findings.append(
                Finding(
                    kind=f"no votes on the {modality}",
                    items=tuple(nobody),
                    fatal=False,
                    advice=f"Their shares are null. Is {path.name} complete?",
                )
            )
    return clips, findings


def _votes(path: Path, clips: pl.DataFrame) -> pl.DataFrame:
    """``modality``, ``stimulus``, counts by letter and ``numResponses``, all checked."""
    table = labels.read_csv(path, [*EMOTIONS, "fileName", "numResponses"])
    row_id = next(name for name in table.columns if name != labels.ROW)  # it has no name
    counts = [*EMOTIONS, "numResponses"]
    table = labels.numbers(path, table, counts, 0, MOST_VOTES)
    table = labels.numbers(path, table, [row_id], BLOCK, (max(MODALITIES) + 1) * BLOCK)
    for column in [*counts, row_id]:
        bad = table.filter((pl.col(column) % 1 != 0).fill_null(True))
        labels.refuse(path, labels.bad_cells(path, bad, column, "a whole number"))
    uneven = table.filter(pl.sum_horizontal(*EMOTIONS) != pl.col("numResponses"))
    expected = "the sum of the six counts"
    labels.refuse(path, labels.bad_cells(path, uneven, "numResponses", expected))
    number = pl.col(row_id).cast(pl.Int64)
    table = table.with_columns(modality=number // BLOCK, stimulus=number % BLOCK)
    twice = table.filter(~pl.col(row_id).is_first_distinct())
    labels.refuse(path, labels.bad_cells(path, twice, row_id, "each row id once"))
    named = table.join(clips.select("stimulus", "clip"), on="stimulus", how="left")
    wrong = named.filter(pl.col("clip").ne_missing(pl.col("fileName")))
    if len(wrong):
        lines = [f"row {row} ({name})" for row, name in wrong[labels.ROW, "fileName"].iter_rows()]
        raise BadData(
            f"{path}: {len(wrong):,} rows whose id does not lead to their fileName: "
            f"{listing(lines)}. Expected the last five digits of the id to be the Stimulus_Number "
            "in SentenceFilenames.csv. Take both files from one release."
        )
    return table


def _actors(path: Path, clips: pl.DataFrame) -> pl.DataFrame:
    """Add age, sex, race and ethnicity of the actors."""
    wanted = ["ActorID", "Age", "Sex", "Race", "Ethnicity"]
    table = labels.numbers(path, labels.read_csv(path, wanted), ["Age"], 0, 120)
    labels.choices(path, table, "Sex", tuple(SEXES), blank_ok=False)
    twice = table.filter(~pl.col("ActorID").is_first_distinct())
    labels.refuse(path, labels.bad_cells(path, twice, "ActorID", "each actor once"))
    lacking = clips.join(table, left_on="speaker", right_on="ActorID", how="anti")
    if len(lacking):
        raise BadData(
            f"{path} has no row for actor {listing(lacking['speaker'].unique().sort().to_list())}, "
            f"who speaks in {len(lacking):,} clips. Expected every actor; download it again."
        )
    who = table.select(
        pl.col("ActorID").alias("speaker"),
        pl.col("Sex").replace_strict(SEXES, return_dtype=pl.String).alias("sex"),
        pl.col("Age").alias("age"),
        pl.col("Race").alias("race"),
        pl.col("Ethnicity").alias("ethnicity"),
    )
    return clips.join(who, on="speaker", how="left", maintain_order="left")


def _audio(folder: Path, clips: pl.DataFrame) -> tuple[pl.DataFrame, list[Finding]]:
    """Add ``path``, null where a clip has no file, and report what does not match."""
    if not folder.is_dir():
        finding = Finding(
            kind="no audio",
            items=("AudioWAV/",),
            fatal=True,
            advice="Votes and actors were read, and what raters agree on can be computed. A run "
            f"needs the clips as {folder}/<name>.wav: {ACCESS}",
        )
        return clips.with_columns(path=pl.lit(None, pl.String)), [finding]
    files = {file.stem: file for file in folder.iterdir() if file.suffix == ".wav"}
    paths = {name: str(file) for name, file in files.items()}
    clips = clips.with_columns(
        path=pl.col("clip").replace_strict(paths, default=None, return_dtype=pl.String)
    )
    kinds = {
        "label without audio": (
            clips.filter(pl.col("path").is_null())["clip"].to_list(),
            f"These clips have no file in {folder}. Copy the audio again.",
        ),
        "audio without label": (
            sorted(set(files) - set(clips["clip"])),
            "These files are not in SentenceFilenames.csv. Take them away.",
        ),
        "Git LFS pointer in place of audio": (
            sorted(name for name, file in files.items() if _is_pointer(file)),
            f"A zip download or a plain clone holds these stubs: {ACCESS}",
        ),
    }
    return clips, [
        Finding(kind=kind, items=tuple(items), fatal=True, advice=advice)
        for kind, (items, advice) in kinds.items()
        if items
    ]


def _is_pointer(file: Path) -> bool:
    """Whether Git left a text stub where the audio belongs.

    Raises:
        MissingData: the file cannot be read.
    """
    try:
        return file.stat().st_size < POINTER_BYTES and file.read_bytes().startswith(POINTER)
    except OSError as error:
        raise MissingData(
            f"{file} cannot be read ({error.strerror}). Expected an audio file."
        ) from error


HOME: Final = "https://github.com/CheyneyComputerScience/CREMA-D"
RAW: Final = "https://raw.githubusercontent.com/CheyneyComputerScience/CREMA-D/master"
ACCESS: Final = (
    f"the audio is kept in Git LFS. Clone {HOME} with git-lfs installed (or run 'git lfs pull "
    "--include AudioWAV' in a clone), and point --data at the clone."
)
SOURCE: Final = "Cao et al. 2014, doi:10.1109/TAFFC.2014.2336244"
CORPUS: Final = Corpus(
    name="crema-d",
    title="CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset",
    access="open",
    licence="ODbL-1.0",
    source=SOURCE,
    home=HOME,
    languages=("en",),
    published={"clips": 7_442, "speakers": 91},
    layout="processedResults/tabulatedVotes.csv (or beside the others), VideoDemographics.csv, "
    "SentenceFilenames.csv; AudioWAV/<name>.wav for a run",
    read=read,
    targets=(VOICE, FACE, AUDIOVISUAL, EMOTION),
    marks=("tabulatedVotes.csv", "processedResults/tabulatedVotes.csv", "VideoDemographics.csv"),
    facts=(
        Fact(what="clips", value=7_442, source=f"README of {HOME}"),
        Fact(what="speakers", value=91, source=f"README of {HOME}"),
        Fact(what="male speakers", value=48, source=f"README of {HOME}"),
        Fact(what="female speakers", value=43, source=f"README of {HOME}"),
    ),
    remotes=tuple(
        Remote(url=f"{RAW}/{path}", path=path)
        for path in (
            "processedResults/tabulatedVotes.csv",
            "VideoDemographics.csv",
            "SentenceFilenames.csv",
        )
    ),
    raters={f"{modality} votes": f"{modality}_raters" for modality in MODALITIES.values()},
    access_how=f"Votes and actors are downloaded; {ACCESS}",
)
