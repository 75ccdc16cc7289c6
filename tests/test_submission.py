"""Files that are handed in: every repair and refusal, what is written, and that nothing escapes."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from affectbench import TASKS, results
from affectbench.errors import AffectBenchError, BadData, MissingData, ResultConflict
from affectbench.submission import (
    Handed,
    Refused,
    check_team,
    content,
    expected_ids,
    form_of,
    from_result,
    ids,
    name_of,
    pack,
    parse_name,
    read,
    text,
    write,
)

GOLDENS = Path(__file__).parents[1] / "../shared/goldens/emotion-share"
HIGH, TYPE, MULTI = TASKS["avb-high"], TASKS["avb-type"], TASKS["exvo-multitask"]
SHARE = TASKS["emotion-share"]
TABLES = [task for task in TASKS.values() if task.protocol != "generate"]
EMOTIONS = form_of(HIGH).columns


def high(rows=3, columns=tuple(EMOTIONS), key="File_ID", separator=","):
    """A file of A-VB High with a different number in every cell."""
    lines = [separator.join([key, *columns])]
    for row in range(rows):
        cells = [f"0.{row}{place:02d}5" for place in range(len(columns))]
        lines.append(separator.join([f"[{row + 7:05d}]", *cells]))
    return "\n".join(lines) + "\n"


CLEAN = high()
IDS = ("00007", "00008", "00009")


@pytest.fixture
def hand(tmp_path):
    """Write a file of these bytes or this text and read it."""

    def reader(data, task=HIGH, expected=IDS, name="mine.csv", **options):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return read(path, task, expected=expected, **options)

    return reader


@pytest.fixture
def refused(hand):
    """The problems of a file that must be refused, as one text."""

    def reader(*arguments, **options):
        with pytest.raises(Refused) as error:
            hand(*arguments, **options)
        return "\n".join(error.value.problems)

    return reader


def kinds(handed):
    return {repair.kind: repair for repair in handed.repairs}


def test_a_clean_file_is_read_without_a_remark(hand):
    handed = hand(CLEAN)
    assert handed.repairs == handed.notes == ()
    assert handed.checked
    assert handed.table.columns == ["clip", *(f"prediction.{name}" for name in EMOTIONS)]
    assert handed.table["clip"].to_list() == list(IDS)
    assert handed.table.row(1)[1:4] == (0.1005, 0.1015, 0.1025)


@pytest.mark.parametrize(
    ("kind", "rows", "mangle"),
    [
        ("brackets", (2, 3, 4), lambda t: t.replace("[", "").replace("]", "")),
        ("brackets", (2, 3, 4), lambda t: t.replace("[", "[[").replace("]", "]]")),
        ("brackets", (2, 3, 4), lambda t: t.replace("[", "['").replace("]", "']")),
        ("brackets", (3,), lambda t: t.replace("[00008]", "[00008")),
        ("zeros", (2, 3, 4), lambda t: t.replace("[0000", "[")),
        ("zeros", (4,), lambda t: t.replace("[00009]", "[09]")),
        ("endings", (2,), lambda t: t.replace("[00007]", "[audio/wav/00007.wav]")),
        ("endings", (2,), lambda t: t.replace("[00007]", "[7.0]")),
        ("byte-order mark", (), lambda t: "\ufeff" + t),
        ("line ends", (), lambda t: t.replace("\n", "\r\n")),
        ("line ends", (), lambda t: t.replace("\n", "\r")),
        ("blank lines", (5, 6, 7), lambda t: t + "\n  \n,,,,,,,,,,\n"),
        ("blank lines", (1,), lambda t: "\n" + t),
        ("blanks", (3,), lambda t: t.replace("[00008],0.1005", " [00008] , 0.1005\u00a0")),
        ("column names", (), lambda t: t.replace("Awe", " awe ").replace("Fear", "FEAR")),
        ("column names", (), lambda t: t.replace("File_ID", "filename")),
        ("column names", (), lambda t: t.replace("Awe", "prediction.Awe")),
        ("separator", (), lambda t: t.replace(",", "\t")),
        ("separator", (), lambda t: t.replace(",", ";")),
        ("separator line", (1,), lambda t: "sep=;\n" + t.replace(",", ";")),
        ("decimal commas", (2, 3, 4), lambda t: t.replace(",", ";").replace(".", ",")),
        ("index column", (), lambda t: "".join(
            f"{'' if i == 0 else i - 1},{line}\n" for i, line in enumerate(t.splitlines()))),
        ("index column", (), lambda t: "".join(
            f"{'Unnamed: 0' if i == 0 else 40 - i},{line}\n"
            for i, line in enumerate(t.splitlines()))),
        ("blank columns", (), lambda t: t.replace("\n", ",\n")),
    ],
)  # fmt: skip
def test_what_is_safe_is_repaired_and_told(hand, kind, rows, mangle):
    handed = hand(mangle(CLEAN))
    assert kinds(handed)[kind].rows == rows
    assert handed.table.equals(hand(CLEAN).table)


def test_order_of_rows_and_columns_does_not_matter(hand):
    rows = CLEAN.splitlines()
    handed = hand("\n".join([rows[0], *reversed(rows[1:])]))
    assert set(kinds(handed)) == {"row order"}
    assert handed.table.equals(hand(CLEAN).table)
    turned = ["\n".join(",".join(reversed(line.split(","))) for line in rows)]
    handed = hand(turned[0])
    assert set(kinds(handed)) == {"column order"}
    assert handed.table.equals(hand(CLEAN).table)


def test_quoted_decimal_commas(hand):
    quoted = "\n".join(
        ",".join(f'"{cell.replace(".", ",")}"' for cell in line.split(","))
        for line in CLEAN.splitlines()
    )
    assert hand(quoted).table.equals(hand(CLEAN).table)


def test_the_misprinted_column_of_culture(hand):
    task = TASKS["avb-culture"]
    columns = list(form_of(task).columns)
    assert columns[18] == "South Africa_Awe"
    clean = hand(high(columns=columns), task)
    for spelling in ("SouthAfrica_Sadness", "south_africa_sadness"):
        handed = hand(high(columns=columns).replace("South Africa_Sadness", spelling), task)
        assert set(kinds(handed)) == {"column names"}
        assert handed.table.equals(clean.table)


def test_the_prediction_file_of_the_emotion_share_baseline(hand):
    names = form_of(SHARE).columns
    header = ",".join(["filename", *(f"{n}_true" for n in names), *(f"{n}_pred" for n in names)])
    row = ",".join(["?"] * 9 + [f"0.{i}" for i in range(9)])
    handed = hand(f"{header}\n00007.wav,{row}\n", SHARE, ("00007.wav",))
    assert set(kinds(handed)) == {"label columns", "column names"}
    assert handed.table.row(0) == ("00007.wav", *(float(f"0.{i}") for i in range(9)))


def test_the_golden_of_the_emotion_share_baseline():
    path = GOLDENS / "predictions.test.csv"
    if not path.is_file():
        pytest.skip("no goldens: ../shared/goldens/emotion-share is not there")
    rows = pl.read_csv(path)
    handed = read(path, SHARE, expected=rows["filename"].to_list())
    assert {repair.kind for repair in handed.repairs} == {"label columns", "column names"}
    for name in form_of(SHARE).columns:
        assert handed.table[f"prediction.{name}"].to_list() == rows[f"{name}_pred"].to_list()


def test_ids_with_an_ending_are_matched_only_where_one_test_clip_fits(hand, refused):
    header = ",".join(["filename", *form_of(SHARE).columns])
    cells = ",".join(["0.5"] * 8 + ["0.6"])
    known = ("00007.wav", "31746.wav")
    lost = f"{header}\n7,{cells}\n31746,{cells}\n"
    handed = hand(lost, SHARE, known)
    assert handed.table["clip"].to_list() == list(known)
    assert kinds(handed)["ids"].count == 2
    assert "row 2 '7'" in refused(lost, SHARE, (*known, "007.wav"))
    assert hand(lost, SHARE, None).table["clip"].to_list() == ["31746", "7"]


MULTI_HEADER = "File_ID,Country,Age," + ",".join(EMOTIONS)


@pytest.mark.parametrize(
    ("country", "name", "repaired"),
    [
        ("0", "China", False),
        ("1", "South Africa", False),
        ("2.0", "United States", True),
        ('"2,0"', "United States", True),
        ("Venezuela", "Venezuela", True),
        ("south africa", "South Africa", True),
    ],
)
def test_countries_are_codes_or_names(hand, country, name, repaired):
    row = ",".join(["[00007]", country, "32.2", *["0.5"] * 10])
    handed = hand(f"{MULTI_HEADER}\n{row}\n", MULTI, ("00007",))
    assert handed.table["prediction.country"].to_list() == [name]
    assert handed.table["prediction.age"].to_list() == [32.2]
    assert handed.table.columns[-2:] == ["prediction.country", "prediction.age"]
    assert ("classes" in kinds(handed)) == repaired


@pytest.mark.parametrize(
    "country", ["4", "-1", "1.5", "01", "1.", "+1", "", "USA", "nan", "True", "China?"]
)
def test_no_country_is_guessed(refused, country):
    row = ",".join(["[00007]", country, "32.2", *["0.5"] * 10])
    told = refused(f"{MULTI_HEADER}\n{row}\n", MULTI, ("00007",))
    assert "row 2 Country" in told
    assert "2 (United States)" in told


def test_classes_are_names(hand, refused):
    head = "File_ID,Voc_Type\n"
    handed = hand(f"{head}[00007],gasp\n[00008],Laugh\n", TYPE, IDS[:2])
    assert handed.table["prediction.Voc_Type"].to_list() == ["Gasp", "Laugh"]
    assert kinds(handed)["classes"].rows == (2,)
    told = refused(f"{head}[00007],Lagh\n[00008],1\n", TYPE, IDS[:2])
    assert "2 cells of no class: row 2 Voc_Type 'Lagh' (did you mean Laugh?), row 3" in told


@pytest.mark.parametrize(
    "cell",
    ["", "?", "NaN", "-inf", "1e999", "abc", "0.1.2", "0x1", "1_0", "٣", "#N/A", "1,000", "=1+1"],
)
def test_no_number_is_guessed(refused, cell):
    told = refused(CLEAN.replace("0.1025", f'"{cell}"'))
    assert "row 3" in told
    assert "Amusement" in told or "with commas beside numbers with points" in told


def test_commas_that_may_part_thousands_are_refused(refused):
    told = refused(re.sub(r"0\.\d+", "1,005", high(separator=";")))
    assert "with commas that may part thousands: row 2, row 3, row 4" in told


@pytest.mark.parametrize(
    ("mangle", "message"),
    [
        (lambda t: t.replace("[00008]", "[00007]"), "'00007' on rows 2, 3"),
        (lambda t: t + t.splitlines()[1], "'00007' on rows 2, 5"),
        (lambda t: t + "[7" + t.splitlines()[1][6:], "'00007' on rows 2, 5"),
        (lambda t: t.replace("[00008]", "[00010]"), "not of the test part: row 3 '00010'"),
        (lambda t: t.replace("[00008]", "[00010]"), "1 test clip without a row: '00008'"),
        (lambda t: t.replace("[0000", "[1000"), "None of the 3 ids is of the test part"),
        (lambda t: t.replace("[00008]", "[0000008]"), "row 3 has '[0000008]'. Expected five"),
        (lambda t: t.replace("[00008]", "[0000٨]"), "row 3 has '[0000\\u0668]'"),
        (lambda t: t.replace("[00008]", ""), "row 3 has ''"),
        (lambda t: t.replace("Awe", "Aw"), "'Aw' (meant to be 'Awe'?)"),
        (lambda t: t.replace("Awe", "-Awe"), "'-Awe' (meant to be 'Awe'?)"),
        (lambda t: t.replace("Awe,", ""), "3 rows of another number of cells than the 10"),
        (lambda t: t.replace("Awe,", "").replace("0.0005,", ""), "1 column missing: Awe"),
        (lambda t: t.replace("Awe", "Fear", 1), "Column Fear is there 2 times"),
        (lambda t: t.replace("Awe", "FEAR", 1), "'FEAR' (column 2), 'Fear' (column 6)"),
        (lambda t: t.replace("File_ID", ""), "1 column missing: File_ID"),
        (lambda t: t.replace("0.1025", "0,1025"), "row 3 has 12"),
        (lambda t: t.replace("0.1025", '"0.1025'), "quotes that do not close within the line"),
        (lambda t: t.replace("0.1025", '"0.1\n025"'), "Expected one row a line"),
        (lambda t: "\n".join(t.splitlines()[1:]), "The first line is no header of this task"),
        (lambda t: "\n".join(f'"{line}"' for line in t.splitlines()), "no header of this task"),
        (lambda t: t.splitlines()[0], "There is a header and no row"),
        (lambda t: "\n \n\n", "blank lines alone"),
        (lambda t: "", "It is empty (0 bytes)"),
        (lambda t: t.replace("Awe", "\u202eAwe<b>"), "'\\u202eAwe<b>' (meant to be 'Awe'?)"),
        (lambda t: t.encode("utf-16"), "UTF-16 text"),
        (lambda t: t.encode("utf-16-be"), "UTF-16 text without a mark"),
        (lambda t: t.encode("utf-32"), "UTF-32 text"),
        (lambda t: t.replace("Awe", "Aw\xe9").encode("latin-1"), "Line 1 is not UTF-8 text (byte"),
        (lambda t: b"PK\x03\x04" + bytes(100), "zip archive or an Excel workbook"),
        (lambda t: b"\x1f\x8b\x08" + bytes(100), "compressed with gzip"),
        (lambda t: bytes(range(256)) * 20, "binary, not text"),
        (lambda t: "<html>" + t, "HTML or XML"),
        (lambda t: '{"a": 1}', "JSON"),
        (lambda t: t + "[00010]," + "0" * 30_000, "Line 5 has more than 20,000 characters"),
        (lambda t: "a," * 2_000 + "\n" + t, "more than 1,000 columns"),
        (lambda t: t + "[00001],1\n" * 900, "900 rows of another number of cells"),
        (lambda t: t + "[00001],1\n" * 5_000, "It has more than 1,000 rows"),
    ],
)  # fmt: skip
def test_the_rest_is_refused_with_rows_and_columns(refused, mangle, message):
    assert message in refused(mangle(CLEAN))


def test_all_problems_are_told_at_once(refused):
    told = refused(
        CLEAN.replace("0.1025", "nan").replace("[00009]", "[00007]").replace("Awe", "Ave")
        + "[00012],1\n"
    )
    for part in ("row 3 Amusement 'nan'", "rows 2, 4", "'Ave'", "row 5 has 2"):
        assert part in told


def test_many_wrong_cells_are_counted_and_the_first_named(refused):
    told = refused(high(rows=50).replace("0.1", "x"), expected=None)
    assert "cells not a number: row 3 Awe 'x005'" in told
    assert " and 1" in told
    assert len(told) < 600


def test_too_many_rows_stop_the_reading(refused, monkeypatch):
    assert "more than 1,000 rows, of 11 cells" in refused(high(rows=1_001))
    monkeypatch.setattr(text, "MAX_CELLS", 100)
    assert "more than 9 rows, of 11 cells" in refused(high(rows=10), expected=None)


def test_a_large_file_is_refused_before_it_is_opened(tmp_path, monkeypatch):
    path = tmp_path / "large.csv"
    with path.open("wb") as file:
        file.truncate(2_000_000_000)
    monkeypatch.setattr(Path, "open", lambda *_, **__: pytest.fail("opened"))
    with pytest.raises(Refused, match="2,000,000,000 bytes and was not read"):
        read(path, HIGH)


def test_what_is_no_file(tmp_path):
    with pytest.raises(Refused, match="It is a folder"):
        read(tmp_path, HIGH)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Refused, match="a device or a pipe"):
        read(tmp_path / "pipe", HIGH)
    for name in ("nowhere.csv", "a\x00b", "x" * 5_000):
        with pytest.raises(MissingData, match="cannot be opened"):
            read(tmp_path / name, HIGH)


def test_a_task_of_generation_takes_no_table(hand):
    with pytest.raises(BadData, match="takes generated clips"):
        hand(CLEAN, TASKS["exvo-generate"])


def test_odd_values_are_kept_and_noted(hand):
    handed = hand(CLEAN.replace("0.1025", "-0.25").replace("0.2005", "1.75"))
    assert handed.table["prediction.Amusement"][1] == -0.25
    assert "2 predictions outside the range of the labels (Awe 1, Amusement 1)" in handed.notes[0]
    assert "such as percent?" in hand(CLEAN.replace("0.", "50.")).notes[1]
    assert (
        "One number on every row: Awe, Excitement"
        in hand(CLEAN.replace("0.1", "0.0").replace("0.2", "0.0")).notes[0]
    )
    assert "not compared with the test part" in hand(CLEAN, expected=None).notes[0]


def test_a_file_named_for_another_task_is_refused(hand, refused):
    assert "It is named for avb-two" in refused(CLEAN, name="A-VB-Two_team_1.csv")
    assert hand(CLEAN, name="a-vb-high_team_1.csv").repairs == ()


@pytest.mark.parametrize("team", ["EIHW", "Uni Köln", "team_3", "a.b-c", "名前", "x" * 64])
def test_names_of_files(team):
    name = name_of(HIGH, team, 3)
    assert name == f"A-VB-High_{team}_3.csv"
    assert parse_name(name) == ("A-VB-High", team, 3)


@pytest.mark.parametrize(
    "team",
    ["", "=1+1", "+x", "-x", "@x", "<b>x</b>", "a/b", "a\\b", "..", "a\nb", "a\x00b", "\u202eab",
     " a", "a ", "x" * 65, "\U00020000" * 40, "a\ud800", "a;b", "a&b", "a\u200bb", "'a'"],
)  # fmt: skip
def test_team_names_that_could_do_harm(team):
    with pytest.raises(BadData, match="The team name ") as error:
        check_team(team)
    assert str(error.value).isascii()
    assert str(error.value).isprintable()
    assert parse_name(f"A-VB-High_{team}_1.csv") is None


@pytest.mark.parametrize("number", [0, -1, 1_000])
def test_numbers_of_submissions(number):
    with pytest.raises(BadData, match="Expected 1 for a team's first"):
        name_of(HIGH, "x", number)
    assert parse_name(f"A-VB-High_x_{number}.csv") is None


def test_the_official_files_to_the_letter(tmp_path):
    emotions = {f"prediction.{name}": [0.1 + i] for i, name in enumerate(EMOTIONS)}
    row = ",".join(str(0.1 + i) for i in range(10))
    for task, columns, expected in (
        (HIGH, emotions, f"File_ID,{','.join(EMOTIONS)}\n[00007],{row}\n"),
        (TYPE, {"prediction.Voc_Type": ["Cry"]}, "File_ID,Voc_Type\n[00007],Cry\n"),
        (
            MULTI,
            {**emotions, "prediction.country": ["South Africa"], "prediction.age": [32]},
            f"{MULTI_HEADER}\n[00007],1,32.0,{row}\n",
        ),
    ):
        table = pl.DataFrame({"clip": ["00007"], **columns})
        assert content(table, task) == expected.encode()
        write(table, task, tmp_path / "file.csv")
        assert (tmp_path / "file.csv").read_bytes() == expected.encode()
    assert content(table, MULTI).startswith(
        b"File_ID,Country,Age,Awe,Excitement,Amusement,Awkwardness,Fear,Horror,Distress,Triumph,"
        b"Sadness,Surprise\n"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clip": ["7", "00008", "00009"]}, "'7' is not 5 digits"),
        ({"clip": ["00008", "00008", "00009"]}, "'00008' is doubled"),
        ({"prediction.Awe": [None, 0.1, 0.2]}, "1 clips lack a prediction: 00007"),
        ({"prediction.Awe": [0.1, float("nan"), 0.2]}, "emotions: NaN"),
        ({"prediction.Awe": ["a", "b", "c"]}, "emotions: NaN, infinite or no numbers"),
    ],
)
def test_only_whole_predictions_are_written(hand, tmp_path, change, message):
    table = hand(CLEAN).table.with_columns(pl.Series(k, v) for k, v in change.items())
    with pytest.raises(BadData, match=message):
        write(table, HIGH, tmp_path / "out.csv")
    with pytest.raises(BadData, match=r"no column prediction\.Awe"):
        write(table.drop("prediction.Awe"), HIGH, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


@st.composite
def predictions(draw):
    """A task, and a table of predictions for it."""
    task = draw(st.sampled_from(TABLES))
    form = form_of(task)
    if form.bracketed:
        one = st.integers(0, 99_999).map("{:05d}".format)
    else:
        one = st.text(max_size=12).filter(lambda clip: not ids.problem_of(clip, form))
    clips = sorted(draw(st.lists(one, min_size=1, max_size=4, unique=True)))
    numbers = st.floats(allow_nan=False, allow_infinity=False)
    columns = {"clip": pl.Series(clips, dtype=pl.String)}
    for target in task.targets:
        cell = numbers if target.kind == "regression" else st.sampled_from(target.classes)
        for column in target.columns:
            values = draw(st.lists(cell, min_size=len(clips), max_size=len(clips)))
            columns[f"prediction.{column}"] = pl.Series(values)
    return task, pl.DataFrame(columns)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A file that many examples write in turn."""
    return tmp_path_factory.mktemp("handed") / "file.csv"


@given(predictions())
@settings(max_examples=80, deadline=None)
def test_what_is_written_is_read_back_without_loss(place, made):
    task, table = made
    write(table, task, place)
    handed = read(place, task, expected=table["clip"].to_list())
    assert handed.repairs == ()
    assert handed.table.equals(table)
    assert [repr(row) for row in handed.table.rows()] == [repr(row) for row in table.rows()]


@given(
    order=st.permutations(range(11)),
    rows=st.permutations(range(1, 4)),
    separator=st.sampled_from(",;\t"),
    case=st.sampled_from([str, str.lower, str.upper]),
    ids_as=st.sampled_from(["[{:05d}]", "{}", "['{:05d}']", "[[{:03d}]]", "{}.0", "{:05d}.wav"]),
    comma=st.booleans(),
    ends=st.sampled_from(["\n", "\r\n"]),
    mark=st.sampled_from(["", "\ufeff"]),
)
@settings(max_examples=60, deadline=None)
def test_spelling_loses_nothing(place, order, rows, separator, case, ids_as, comma, ends, mark):
    lines = [line.split(",") for line in CLEAN.splitlines()]
    for number, line in enumerate(lines[1:]):
        line[0] = ids_as.format(number + 7)
        line[1:] = [cell.replace(".", ",") if comma else cell for cell in line[1:]]
    lines = [[case(cell) for cell in lines[0]], *(lines[row] for row in rows)]
    quoted = [[f'"{line[i]}"' if separator == "," else line[i] for i in order] for line in lines]
    place.write_bytes((mark + ends.join(separator.join(line) for line in quoted)).encode())
    found = read(place, HIGH, expected=IDS).table
    place.write_text(CLEAN)
    assert found.equals(read(place, HIGH, expected=IDS).table)


def judged(place, data, task=HIGH, expected=IDS):
    """What a file of these bytes came to; anything but a verdict escapes."""
    place.write_bytes(data)
    try:
        handed = read(place, task, expected=expected)
    except AffectBenchError as error:
        assert str(error).isascii()
        return error
    assert isinstance(handed, Handed)
    content(handed.table, task)  # what is accepted can be written
    return handed


NASTY = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["nan", "-inf", "?", '"', '""', ";", "\n", "\r", "\x00", "=1+1", "[", "]]",
                     "1e400", "0,5", "\u202e", "\ud7ff", "'", "\t", "00007", "[00007]"]),
)  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 10), NASTY), max_size=6), st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_cells_end_in_a_verdict(place, changes, known):
    cells = [line.split(",") for line in CLEAN.splitlines()]
    for row, column, value in changes:
        cells[row][column] = value
    data = "\n".join(",".join(line) for line in cells).encode()
    judged(place, data, expected=IDS if known else None)


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
def test_any_bytes_end_in_a_verdict(place, data):
    raw = bytearray(CLEAN.encode())
    for _ in range(data.draw(st.integers(0, 5))):
        start = data.draw(st.integers(0, len(raw)))
        end = min(len(raw), start + data.draw(st.integers(0, 40)))
        raw[start:end] = data.draw(st.binary(max_size=20))
    judged(place, bytes(raw), task=data.draw(st.sampled_from(TABLES)))


def write_result(folder, task, clips, seeds=2, scores=True):
    """A stored result with numbers that tell seed and row."""
    frame = pl.DataFrame(
        {"clip": clips, "speaker": ["a"] * len(clips), **dict.fromkeys(task.columns)}
    )
    for seed in range(seeds):
        values = [
            np.arange(len(clips) * target.outputs, dtype=float).reshape(len(clips), -1)
            * (-1 if target.kind == "classification" and seed else 1)
            + seed
            for target in task.targets
        ]
        table = results.predictions(frame, task, values)
        if not scores:
            table = table.select(pl.exclude(r"^score\..*$"))
        result = {
            "task": {"name": task.name, "version": task.version},
            "system": {"label": "mine"},
            "inputs": "x",
            "seed": seed,
            "predictions": {"test": results.content(table)},
        }
        place = folder / f"seed{seed}"
        results.write_seed(place, {"test": table}, result, {}, overwrite=False)
    return folder


def test_a_result_is_the_mean_of_its_seeds(tmp_path):
    folder = write_result(tmp_path / "result", MULTI, ["00009", "00007"])
    found = from_result(folder, MULTI, expected=("00007", "00009"))
    assert found.table["clip"].to_list() == ["00007", "00009"]
    assert found.table["prediction.Awe"].to_list() == [10.5, 0.5]
    assert found.table["prediction.age"].to_list() == [1.5, 0.5]
    assert found.table["prediction.country"].to_list() == ["China", "China"]
    assert found.notes == (
        "emotions: the mean over 2 seeds.",
        "country: the class of the highest mean score of 2 seeds.",
        "age: the mean over 2 seeds.",
    )
    one = from_result(folder / "seed1", MULTI).table
    assert one["prediction.Awe"].to_list() == [11, 1]
    bare = write_result(tmp_path / "bare", MULTI, ["00007"], scores=False)
    found = from_result(bare, MULTI)
    assert found.table["prediction.country"].to_list() == ["Venezuela"]
    assert "the class of the first seed" in found.notes[1]


def test_results_that_cannot_be_handed_in(tmp_path):
    folder = write_result(tmp_path / "result", HIGH, ["00007", "00008"])
    with pytest.raises(ResultConflict, match="of avb-high, version 1. Expected avb-two"):
        from_result(folder, TASKS["avb-two"])
    with pytest.raises(BadData, match=r"1 of its clips have no prediction \(00009\)"):
        from_result(folder, HIGH, expected=IDS)
    with pytest.raises(MissingData, match="holds no result"):
        from_result(tmp_path, HIGH)


def test_pack_writes_the_clean_file_and_its_manifest(tmp_path):
    source = tmp_path / "mine.csv"
    source.write_text(CLEAN.replace("[0000", "["))
    packed = pack(source, HIGH, "Team A", 2, tmp_path / "out", expected=IDS)
    assert packed.file == tmp_path / "out/A-VB-High_Team A_2.csv"
    assert packed.file.read_text() == CLEAN
    told = json.loads(packed.manifest.read_text())
    assert told["sha256"] == hashlib.sha256(CLEAN.encode()).hexdigest()
    assert (told["rows"], told["bytes"], told["number"]) == (3, len(CLEAN), 2)
    assert told["ids_checked"] is True
    assert told["repairs"][0]["kind"] == "zeros"
    assert told["original"]["name"] == "mine.csv"
    assert "0.0005" not in packed.manifest.read_text()
    before = [packed.file.read_bytes(), packed.manifest.read_bytes()]
    again = pack(source, HIGH, "Team A", 2, tmp_path / "out", expected=IDS)
    assert [again.file.read_bytes(), again.manifest.read_bytes()] == before
    source.write_text(CLEAN.replace("0.1025", "0.1026"))
    with pytest.raises(ResultConflict, match="with another content"):
        pack(source, HIGH, "Team A", 2, tmp_path / "out", expected=IDS)
    assert [again.file.read_bytes(), again.manifest.read_bytes()] == before


def test_pack_takes_a_result(tmp_path):
    folder = write_result(tmp_path / "result", TYPE, ["00007", "00008"])
    packed = pack(folder, TYPE, "x", 1, tmp_path / "out")
    assert packed.file.read_text().splitlines()[0] == "File_ID,Voc_Type"
    told = json.loads(packed.manifest.read_text())
    assert told["original"]["result"] == "mine"
    assert told["original"]["seeds"] == [0, 1]


def test_expected_ids_of_folders_and_tables(avb, tmp_path):
    found = expected_ids(HIGH, labels=avb)
    assert len(found) == 48
    assert found == expected_ids(HIGH, data=avb)
    assert found == expected_ids(HIGH, labels=avb / "labels/high_info.csv")
    assert expected_ids(HIGH) is None
    table = tmp_path / "ids.csv"
    table.write_text("clip\n00007\n00009\n")
    assert expected_ids(HIGH, labels=table) == ("00007", "00009")
    table.write_text("name\n00007\n")
    with pytest.raises(MissingData, match="has no column File_ID"):
        expected_ids(HIGH, labels=table)


def test_support_clips_are_not_expected(tmp_path):
    rows = ["File_ID,Split,Subject_ID," + ",".join(EMOTIONS)]
    for number, (part, labelled) in enumerate(
        [("Train", True), ("Val", True), ("Test", True), ("Test", False), ("Test", False)]
    ):
        cells = ["0.5" if labelled else ""] * 10
        rows.append(",".join([f"[{number:05d}]", part, "Speaker_1", *cells]))
    (tmp_path / "data_info.csv").write_text("\n".join(rows) + "\n")
    assert expected_ids(TASKS["exvo-fewshot"], labels=tmp_path) == ("00003", "00004")
    assert expected_ids(MULTI, labels=tmp_path) == ("00002", "00003", "00004")
