"""Labels to score against: corpus folders and CSV files of any tool, groups and support clips."""

from __future__ import annotations

import polars as pl
import pytest

from affectbench import TASKS
from affectbench.corpora.exvo import EMOTIONS
from affectbench.errors import BadData, MissingData
from affectbench.truth import predicted_parts, read_truth, scored, with_truth

HIGH, TYPE, MULTI, FEW, SHARE = (
    TASKS[name]
    for name in ("avb-high", "avb-type", "exvo-multitask", "exvo-fewshot", "emotion-share")
)


def write(path, header, *rows):
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def emotions(value):
    return ",".join([str(value)] * len(EMOTIONS))


@pytest.fixture
def info(tmp_path):
    """A data_info.csv with everything in it: two speakers of test, two of dev."""
    header = "File_ID,Split,Subject_ID,Country,Age," + ",".join(EMOTIONS)
    rows = []
    for number in range(8):
        part = "Test" if number < 4 else "Val"
        rows.append(
            f"[{number:05d}],{part},Speaker_{number // 2},{number % 4},3{number}.5,"
            + emotions(number / 10)
        )
    return write(tmp_path / "all.csv", header, *rows)


def test_a_folder_gives_labels_speakers_and_parts(avb):
    truth = read_truth(avb, HIGH)
    assert {"clip", "part", "speaker", "country", "age", *EMOTIONS} <= set(truth.columns)
    assert truth["part"].value_counts(sort=True)["count"].to_list() == [48, 48, 48]
    assert len(scored(truth, HIGH, "dev")) == 48
    with pytest.raises(BadData, match="No clip of test has labels of avb-high"):
        scored(truth, HIGH, "test")


def test_a_file_gives_the_same_where_it_has_the_columns(avb):
    whole = read_truth(avb, HIGH)
    alone = read_truth(avb / "labels/high_info.csv", HIGH, groups=avb / "labels/data_info.csv")
    columns = ["clip", "part", *EMOTIONS]
    assert alone.select(columns).sort("clip").equals(whole.select(columns).sort("clip"))
    dev = pl.col("part") == "dev"  # speakers of test are blank in both
    assert (
        alone.filter(dev).sort("clip")["speaker"].to_list()
        == whole.filter(dev).sort("clip")["speaker"].to_list()
    )
    assert read_truth(avb / "labels/type_info.csv", TYPE)["speaker"].null_count() == 144


def test_a_task_of_several_targets_takes_codes_and_names(info):
    truth = read_truth(info, MULTI)
    assert truth["country"].to_list()[:4] == ["China", "South Africa", "United States", "Venezuela"]
    assert truth["age"].to_list()[:2] == [30.5, 31.5]
    assert truth["speaker"].to_list()[:3] == ["Speaker_0", "Speaker_0", "Speaker_1"]
    assert len(scored(truth, MULTI, None)) == 8


def test_support_clips_are_never_scored(info, tmp_path):
    truth = read_truth(info, FEW)
    assert len(scored(truth, FEW, "dev")) == 4
    for part in ("test", None):
        with pytest.raises(BadData, match="--support data_info.csv"):
            scored(truth, FEW, part)
    lines = info.read_text().splitlines()
    blank = [lines[0]] + [
        line if number % 2 == 0 or number > 4 else line.rsplit(",", 10)[0] + "," * 10
        for number, line in enumerate(lines[1:], start=1)
    ]
    released = write(tmp_path / "data_info.csv", *blank)
    truth = read_truth(info, FEW, support=released)
    assert scored(truth, FEW, "test")["clip"].to_list() == ["00000", "00002"]
    listed = write(tmp_path / "support.csv", "File_ID", "[00000]", "[00003]")
    truth = read_truth(info, FEW, support=listed)
    assert scored(truth, FEW, "test")["clip"].to_list() == ["00001", "00002"]
    with pytest.raises(BadData, match="every labelled test clip is named as support"):
        scored(read_truth(info, FEW, support=info), FEW, "test")
    with pytest.raises(BadData, match="is a folder"):
        read_truth(info, FEW, support=tmp_path)


def test_seeds_are_told_by_equal_labels(tmp_path):
    names = SHARE.columns
    row = ",".join(["1.0"] + ["0.5"] * 8)
    path = write(
        tmp_path / "test.unmasked.csv",
        "filename," + ",".join(names),
        f"1.wav,{row}",
        f"2.wav,{row}",
        "3.wav," + ",".join(["0.5"] * 8 + ["1.0"]),
        "4.wav," + ",".join(["?"] * 9),
    )
    truth = read_truth(path, SHARE)
    first, second, third, masked = truth["seed"]
    assert first == second != third
    assert masked is None
    assert scored(truth, SHARE, None)["clip"].to_list() == ["1.wav", "2.wav", "3.wav"]


def test_any_names_of_id_and_groups_will_do(tmp_path):
    path = write(
        tmp_path / "mine.csv",
        "Voc_Type,spk_id,Gender,id,fold",
        "Laugh,a,Female,00001,devel",
        "Cry,b,male,00002,1",
    )
    truth = read_truth(path, TYPE)
    assert truth.select("clip", "speaker", "sex", "part").rows() == [
        ("00001", "a", "female", "dev"),
        ("00002", "b", "male", "1"),
    ]


def test_groups_may_be_of_speakers(info, tmp_path):
    sexes = write(tmp_path / "who.csv", "Subject_ID,Gender", "Speaker_0,Female", "Speaker_1,Male")
    truth = read_truth(info, HIGH, groups=sexes)
    assert truth["sex"].to_list()[:5] == ["female", "female", "male", "male", None]
    nobody = write(tmp_path / "nobody.csv", "Gender", "Female")
    with pytest.raises(MissingData, match="neither clips nor speakers"):
        read_truth(info, HIGH, groups=nobody)


@pytest.mark.parametrize(
    ("header", "rows", "error", "said"),
    [
        ("Awe,Split", ["1,Test"], MissingData, "no column names the clips.*expected File_ID"),
        ("File_ID,Awe", ["[00001],1"], MissingData, "Excitement"),
        ("File_ID", ["[00001]", "[00001]"], BadData, "more than one row"),
        ("File_ID", ["[00001]", "[]"], MissingData, "Awe"),
    ],
)
def test_a_wrong_file_is_told_what_is_missing(tmp_path, header, rows, error, said):
    path = write(tmp_path / "labels.csv", header, *rows)
    with pytest.raises(error, match=said):
        read_truth(path, HIGH)


def test_wrong_cells_are_named_by_row_without_going_on(tmp_path):
    header = "File_ID," + ",".join(EMOTIONS)
    path = write(tmp_path / "labels.csv", header, "[00001]," + emotions(1.5), "," + emotions(0.5))
    with pytest.raises(BadData, match="row 3: File_ID is blank"):
        read_truth(path, HIGH)
    path = write(tmp_path / "labels.csv", header, "[00001]," + emotions(1.5))
    with pytest.raises(BadData, match="row 2: Awe"):
        read_truth(path, HIGH)
    path = write(tmp_path / "types.csv", "File_ID,Voc_Type", "[00001],Laughing")
    with pytest.raises(BadData, match="did you mean 'Laugh'"):
        read_truth(path, TYPE)


def test_predictions_are_joined_in_the_order_of_the_truth(info):
    truth = scored(read_truth(info, HIGH), HIGH, "test")
    told = pl.DataFrame({"clip": ["00002", "00000", "99999"], "prediction.Awe": [0.2, 0.0, 9.0]})
    table = with_truth(told, truth, HIGH)
    assert table["clip"].to_list() == ["00000", "00001", "00002", "00003"]
    assert table["prediction.Awe"].to_list() == [0.0, None, 0.2, None]
    assert table["truth.Awe"].to_list() == [0.0, 0.1, 0.2, 0.3]
    assert table["country"].to_list()[0] == "China"
    assert predicted_parts(read_truth(info, HIGH), ["00005"]) == ["dev"]
    assert predicted_parts(read_truth(info, HIGH), ["77777"]) == []
