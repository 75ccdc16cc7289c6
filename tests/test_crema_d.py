"""CREMA-D: votes to shares, with and without audio, and tables that do not fit together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from affectbench.corpora import crema_d
from affectbench.errors import BadData, MissingData
from affectbench.schema import check_clips

REAL = Path(__file__).parents[1] / "../shared/data/crema-d"
STIMULI = ("1001_IEO_NEU_XX", "1001_IEO_HAP_LO", "1002_TIE_SAD_HI")
VOTES = {  # modality and stimulus -> votes for A D F H N S
    100001: (0, 0, 0, 1, 3, 0),
    100002: (0, 0, 0, 5, 5, 0),
    100003: (1, 1, 1, 1, 1, 5),
    200001: (0, 0, 0, 0, 8, 0),
    200002: (0, 0, 0, 8, 0, 0),
    200003: (0, 0, 0, 0, 0, 7),
    300001: (2, 0, 0, 0, 6, 0),
    300002: (0, 0, 0, 9, 0, 0),
    300003: (0, 0, 0, 0, 0, 9),
}


def write_votes(root: Path, votes: dict[int, tuple[int, ...]], names=STIMULI) -> None:
    header = '"","A","D","F","H","N","S","fileName","numResponses"'
    rows = [
        f'"{row}",{",".join(map(str, cells))},"{names[row % 100_000 - 1]}",{sum(cells)}'
        for row, cells in votes.items()
    ]
    (root / "tabulatedVotes.csv").write_text("\n".join([header, *rows]) + "\n")


@pytest.fixture
def folder(tmp_path):
    write_votes(tmp_path, VOTES)
    stimuli = [f'{number},"{name}"' for number, name in enumerate(STIMULI, 1)]
    (tmp_path / "SentenceFilenames.csv").write_text(
        "\n".join(['"Stimulus_Number","Filename"', *stimuli]) + "\n"
    )
    (tmp_path / "VideoDemographics.csv").write_text(
        '"ActorID","Age","Sex","Race","Ethnicity"\n'
        '1001,51,"Male","Caucasian","Not Hispanic"\n1002,21,"Female","Asian","Hispanic"\n'
    )
    return tmp_path


def add_audio(root: Path, names=STIMULI) -> Path:
    (root / "AudioWAV").mkdir()
    for name in names:
        (root / "AudioWAV" / f"{name}.wav").write_bytes(b"RIFF" + bytes(2000))
    return root / "AudioWAV"


def kinds(reading) -> dict[str, tuple[str, ...]]:
    return {finding.kind: finding.items for finding in reading.findings}


def test_votes_become_shares(folder):
    reading = crema_d.read(folder)
    clips = check_clips(reading.clips)
    assert clips["clip"].to_list() == list(STIMULI)
    first = clips.row(0, named=True)
    assert [first[column] for column in crema_d.VOICE.columns] == [0, 0, 0, 0.25, 0.75, 0]
    assert first["voice_raters"] == 4
    assert first["audiovisual_Anger"] == 0.25
    assert first["emotion"] == "Neutral"
    assert first["level"] is None
    assert first["sentence"] == "IEO"
    assert (first["speaker"], first["sex"], first["age"]) == ("1001", "male", 51)
    assert first["race"] == "Caucasian"
    assert clips["level"].to_list() == [None, "low", "high"]
    assert kinds(reading) == {"no audio": ("AudioWAV/",)}
    assert clips["path"].null_count() == 3
    assert reading.findings[0].fatal  # a run stops; the reading does not


def test_with_audio(folder):
    add_audio(folder)
    reading = crema_d.read(folder)
    assert reading.findings == ()
    assert all(Path(path).is_file() for path in reading.clips["path"])


def test_audio_that_does_not_match(folder):
    wav = add_audio(folder, [*STIMULI[1:], "1003_IEO_NEU_XX"])
    stub = wav / f"{STIMULI[1]}.wav"
    stub.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    reading = crema_d.read(folder)
    assert kinds(reading) == {
        "label without audio": (STIMULI[0],),
        "audio without label": ("1003_IEO_NEU_XX",),
        "Git LFS pointer in place of audio": (STIMULI[1],),
    }
    assert reading.clips["path"].null_count() == 1


def test_nobody_voted_is_null_and_said(folder):
    votes = VOTES | {100002: (0,) * 6}
    del votes[200003]
    write_votes(folder, votes)
    reading = crema_d.read(folder)
    assert kinds(reading)["no votes on the voice"] == (STIMULI[1],)
    assert kinds(reading)["no votes on the face"] == (STIMULI[2],)
    row = reading.clips.row(1, named=True)
    assert [row[column] for column in crema_d.VOICE.columns] == [None] * 6
    assert row["voice_raters"] == 0


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("tabulatedVotes.csv", ",4\n", ",5\n", "row 2: numResponses is 5.0, expected the sum"),
        ("tabulatedVotes.csv", '"100001",0', '"100001",0.5', "row 2: A is 0.5, expected a whole"),
        ("tabulatedVotes.csv", '"100001",0', '"100001",x', "row 2: A is 'x'"),
        ("tabulatedVotes.csv", '"100002"', '"100001"', "row 3"),
        ("tabulatedVotes.csv", '"100002"', '"100009"', "id does not lead to their fileName"),
        ("tabulatedVotes.csv", '"100001"', '"1"', "row 2"),
        ("SentenceFilenames.csv", "NEU_XX", "JOY_XX", "row 2: Filename is '1001_IEO_JOY_XX'"),
        ("SentenceFilenames.csv", "2,", "1,", "row 3: Stimulus_Number"),
        ("VideoDemographics.csv", "Female", "F", "row 3: Sex is 'F'"),
        ("VideoDemographics.csv", "51", "510", "row 2: Age"),
        ("VideoDemographics.csv", "1002", "1001", "row 3: ActorID"),
        ("VideoDemographics.csv", "1002", "1009", "no row for actor 1002"),
    ],
)
def test_wrong_cells(folder, file, old, new, message):
    path = folder / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(BadData, match=message) as error:
        crema_d.read(folder)
    assert file in str(error.value)


def test_the_released_place_of_the_votes(folder):
    (folder / "processedResults").mkdir()
    (folder / "tabulatedVotes.csv").rename(folder / "processedResults" / "tabulatedVotes.csv")
    assert len(crema_d.read(folder).clips) == 3


def test_a_folder_of_other_things(tmp_path):
    with pytest.raises(MissingData, match="SentenceFilenames"):
        crema_d.read(tmp_path)


def test_the_real_votes():
    if not REAL.is_dir():
        pytest.skip("no real votes: ../shared/data/crema-d is not there")
    reading = crema_d.read(REAL)
    clips = check_clips(reading.clips)
    assert len(clips) == crema_d.CORPUS.published["clips"]
    assert clips["speaker"].n_unique() == crema_d.CORPUS.published["speakers"]
    actors = clips.unique("speaker")
    assert dict(actors.group_by("sex").len().iter_rows()) == {"male": 48, "female": 43}
    assert (actors["age"].min(), actors["age"].max()) == (20, 74)
    assert list(kinds(reading)) == ["no audio"]
    agreed = []
    for target in (crema_d.VOICE, crema_d.FACE, crema_d.AUDIOVISUAL):
        shares = clips.select(target.columns).to_numpy()
        np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-12)
        order = clips["emotion"].replace_strict(
            dict(zip(crema_d.EMOTION.classes, range(6), strict=True)), return_dtype=pl.Int64
        )
        agreed.append(shares[np.arange(len(clips)), order.to_numpy()].mean())
    assert agreed == sorted(agreed)  # voice, face, both: what the modality codes are inferred from
