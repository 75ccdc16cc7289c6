"""The file of published numbers: read once and late, a broken one is refused with its line."""

from __future__ import annotations

import csv
import io
import math
import re
import subprocess
import sys
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectbench import published
from affectbench.errors import BadData, MissingData
from affectbench.published import COLUMNS, PUBLISHED, of_task, parse

TEXT = resources.files("affectbench.published").joinpath("rows.csv").read_text(encoding="utf-8")


def test_rows_are_read_when_they_are_first_asked_for():
    code = (
        "import sys, affectbench.published as p; from affectbench.published import _load as l; "
        "assert l.cache_info().misses == 0; assert p.PUBLISHED is p.PUBLISHED; "
        "assert l.cache_info().misses == 1; assert 'polars' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'PUBLISHD'"):
        published.PUBLISHD  # noqa: B018


def test_the_file_is_plain_and_diffs_by_line():
    assert "\r" not in TEXT
    assert TEXT.endswith("\n")
    assert len(TEXT.splitlines()) == len(PUBLISHED) + 1
    assert parse(TEXT) == PUBLISHED


GOOD = dict.fromkeys(COLUMNS, "") | {
    "task": "avb-high",
    "system": "E",
    "team": "T",
    "split": "test",
    "metric": "ccc",
    "variant": "unknown",
    "scale": "ccc",
    "value": ".5",
    "low": ".4",
    "high": ".6",
    "source": "arXiv:2403.14048",
    "table": "Table 1",
    "cell": "a / b",
    "status": "reported",
}


def written(*rows, header=COLUMNS):
    """The text of a file with these rows."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([header, *(row.values() for row in rows)])
    return file.getvalue()


def test_a_small_file():
    (row,) = parse(written(GOOD))
    assert (row.value, row.printed, row.low, row.high, row.spread) == (0.5, ".5", 0.4, 0.6, None)
    assert row.place == ("avb-high", "test", "ccc", "")
    assert row.key == "ccc.unknown"
    assert row.rankable
    assert parse(written()) == ()
    assert parse(written(GOOD | {"note": 'a "quoted", word'}))[0].note == 'a "quoted", word'


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": "nan"}, "'value' is 'nan'; expected a number in plain digits"),
        ({"value": "1e-1"}, "plain digits"),
        ({"value": "9" * 400}, "plain digits"),
        ({"value": "٠.٥"}, "plain digits"),
        ({"value": ".5¢"}, "plain digits"),
        ({"value": ""}, "'note' is empty"),
        ({"value": "", "note": "lost"}, "does not hold"),
        ({"value": ".7"}, r"0.4 to 0.6 does not hold '.7'"),
        ({"low": ""}, "one bound"),
        ({"low": "x"}, "'low' is 'x'"),
        ({"low": ".6", "high": ".4"}, "does not hold"),
        ({"spread": "-.1"}, "0 or more"),
        ({"split": "train"}, "'split' is 'train'; expected one of dev, test, unknown"),
        ({"scale": "cc"}, "'scale' is 'cc'"),
        ({"status": "checked"}, "'status' is 'checked'"),
        ({"status": "disputed"}, "'note' is empty"),
        ({"status": "extraction-damaged"}, "'note' is empty"),
        ({"task": ""}, "'task' is empty"),
        ({"team": "T "}, "'team' begins or ends with a blank"),
        ({"note": "two\nlines"}, "line break"),
    ],
)
def test_a_bad_line_is_refused_by_number(change, message):
    with pytest.raises(BadData, match=message) as raised:
        parse(written(GOOD | {"cell": "first / cell", "system": "S"}, GOOD | change))
    assert re.match(r"Published numbers, line [34]: .*Mend the line", str(raised.value))


def test_a_damaged_value_is_kept_as_text():
    odd = GOOD | {"value": ".5¢", "low": "", "high": "", "note": "a digit is lost"}
    (row,) = parse(written(odd | {"status": "extraction-damaged"}))
    assert row.value is None
    assert row.printed == ".5¢"
    assert not row.rankable


def test_a_cell_stands_there_once():
    with pytest.raises(BadData, match="line 3: tells the cell of line 2 again"):
        parse(written(GOOD, GOOD | {"value": ".41", "system": "S"}))
    with pytest.raises(BadData, match="line 3: tells the cell of line 2 again"):
        parse(written(GOOD, GOOD | {"value": ".41", "cell": "c / d"}))
    assert len(parse(written(GOOD, GOOD | {"table": "abstract"}))) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 0: found the columns ; expected task, system"),
        (written(header=COLUMNS[1:]), "line 1: found the columns system, team"),
        (written(header=("\ufefftask", *COLUMNS[1:])), "line 1: found the columns"),
        (TEXT[: TEXT.rindex(",")], "fields; expected 18"),
        (f"{written(GOOD)}\n", "line 3: found 0 fields"),
        (f'{written(GOOD)}"open', "unexpected end of data"),
        (TEXT.replace(",", ";"), "line 1: found the columns"),
    ],
)
def test_a_broken_file_is_refused(text, message):
    with pytest.raises(BadData, match=message):
        parse(text)


@given(st.text(max_size=200))
def test_any_text_is_rows_or_a_message(text):
    with pytest.raises(BadData, match="Published numbers, line"):
        parse(text)
    try:
        rows = parse(written(GOOD) + text)
    except BadData:
        return
    assert len(rows) >= 1


@given(st.sampled_from(COLUMNS), st.text(max_size=12))
def test_any_field_is_a_row_or_a_message(column, field):
    try:
        (row,) = parse(written(GOOD | {column: field}))
    except BadData:
        return
    assert row.value is None or math.isfinite(row.value)
    assert row.low is None or row.low <= row.value <= row.high


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [(None, MissingData, "are not there"), (b"task,\xff", BadData, "not UTF-8")],
)
def test_a_damaged_installation_is_told(monkeypatch, tmp_path, content, error, message):
    if content is not None:
        (tmp_path / "rows.csv").write_bytes(content)
    monkeypatch.setattr(published.resources, "files", lambda _name: tmp_path)
    published._load.cache_clear()
    try:
        with pytest.raises(error, match=f"{message}.*Install affectbench again"):
            of_task("avb-high")
    finally:
        monkeypatch.undo()
        published._load.cache_clear()
    assert of_task("avb-high")
