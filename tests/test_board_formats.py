"""A board on the terminal and in files: pleasant, whole, and not to be broken by what it holds."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pytest

from affectbench import TASKS
from affectbench.board import Cost, Row, of_task, tables, text
from affectbench.board.wording import clean, interval_of, places, value_of
from affectbench.scoring import Scoring
from board_cases import CLIPS, TASK, group, own, store

FEW = Scoring(draws=500)
NASTY = (
    '=HYPERLINK("http://x")',
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "a | b || c",
    "<script>alert(1)</script> & co",
    r"\input{/etc/passwd} \\ {unclosed",
    "100 % of #1_x $y$ ~z^2 --flag",
    "*bold* _it_ `code` [link](http://x) ![i](y)",
    "[0.1, 0.2] begins an argument",
    "naïve 模型 系统 ∞",
)
CONTROL = "a\x1b[31mred\x1b[0m\nb\tc\x00d\u202ee\u200bf\u2028g\ud800h"


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A board with all there can be: published and own rows, other data, a broken result."""
    out = tmp_path_factory.mktemp("out")
    store(out, "good", right=0.9, seeds=(1, 2), fit_and_predict_s=2.0)
    store(out, "middle", right=0.42, audio_s=900.0, read_and_extract_s=3.0)
    store(out, "on-a-twin", origin="twin")
    broken = store(out, "broken")
    (broken / "summary.json").unlink()
    return of_task(TASK, results=out, scoring=FEW)


def with_text(board, word):
    """The board with a word wherever text from outside can stand."""
    named = {"system": word, "team": word, "note": word, "source": word, "cell": word}
    groups = [
        replace(
            each,
            rows=tuple(replace(row, also=(word,), overlaps=(word,), **named) for row in each.rows),
            remarks=(word,),
        )
        for each in board.groups
    ]
    return replace(board, groups=tuple(groups), remarks=(word,))


# Words


def test_control_characters_go_and_lines_become_blanks():
    assert clean(CONTROL) == "a[31mred[0m b cdef gh"
    assert clean("  two   words \r\n") == "two words"
    assert all(clean(word) == word for word in NASTY)


def test_control_characters_of_a_stored_result_reach_no_format(tmp_path):
    store(tmp_path, "mine")
    path = tmp_path / "avb-type/mine/seed0/result.json"
    told = json.loads(path.read_text())
    told["system"]["label"] = "a\x1b[31mred\nline"
    told["notes"] = ["note\x1b]0;title\x07"]
    path.write_text(json.dumps(told))
    board = of_task(TASK, results=tmp_path, scoring=FEW)
    (row,) = own(group(board, "Test"))
    assert row.system == "a[31mred line"
    for form in (tables.to_csv, tables.to_markdown, tables.to_latex, tables.to_json):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", form(board))


def test_numbers_have_the_digits_that_are_known():
    printed = Row(
        system="",
        team="",
        kind="published",
        split="test",
        metric="uar.unknown",
        scale="uar",
        value=0.84,
        printed=".84",
        status="reported",
        source="",
    )
    assert value_of(printed) == "0.84"
    assert value_of(replace(printed, value=0.56871, printed="0.56871")) == "0.569"
    assert value_of(replace(printed, value=None)) == "n/a"
    assert value_of(replace(printed, kind="own")) == "0.840"
    assert interval_of(replace(printed, low=0.8, high=0.9)) == "[0.800, 0.900]"
    assert interval_of(replace(printed, spread=0.002)) == "± 0.002"
    assert interval_of(replace(printed, kind="own", spread=0.002)) == ""
    assert [places(ranks) for ranks in (None, (2, 2), (1, 3))] == ["", "2", "1-3"]


# The terminal


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("width", [40, 80, 200])
def test_lines_fit_and_nothing_is_cut(name, width):
    board = of_task(TASKS[name])
    lines = text.lines(board, width)
    assert max(map(len, lines)) <= min(max(width, text.NARROWEST), text.WIDEST)
    assert "…" not in "\n".join(lines)
    words = " ".join("\n".join(lines).split())
    for row in board.rows:
        assert value_of(row) in words
        assert row.source.replace(" ", "") in words.replace(" ", "")


def test_points_are_below_each_other():
    lines = text.lines(of_task(TASKS["exvo-multitask"]))
    rows = [line for line in lines if re.match(r"  dev +\d\.\d", line)]
    assert len(rows) > 3
    assert len({line.index(".") for line in rows}) == 1


def test_own_rows_on_the_terminal(full):
    lines = "\n".join(text.lines(full, 80))
    assert re.search(r"1 +good +\d\.\d{3} +\[.*\] +1 +own", lines)
    assert re.search(r"good +2 +2\.0 +1,002", lines)
    assert re.search(r"middle +1 +1,000 +300", lines)
    assert "affectbench run avb-type --system FILE.py:NAME --data DIR" in lines
    assert "~" in lines
    assert "Ceiling" not in lines
    assert "broken: unusable;" in " ".join(lines.split())


def test_the_ceiling_is_told(full):
    groups = tuple(replace(each, ceiling=0.8125) for each in full.groups)
    assert "Ceiling 0.812" in "\n".join(text.lines(replace(full, groups=groups)))
    assert "Ceiling 0.812" in tables.to_markdown(replace(full, groups=groups))


@pytest.mark.parametrize("word", [*NASTY, "x" * 300])
def test_nothing_breaks_the_terminal(full, word):
    lines = text.lines(with_text(full, word), 80)
    assert max(map(len, lines)) <= 81  # a wide character counts two


# Files


def read_csv(told):
    return list(csv.DictReader(io.StringIO(told)))


def test_csv_holds_every_row_and_number_in_full(full):
    lines = read_csv(tables.to_csv(full))
    assert tuple(lines[0]) == tables.COLUMNS
    assert len(lines) == len(full.rows)
    for line, row in zip(lines, full.rows, strict=True):
        assert line["value"] == ("" if row.value is None else repr(row.value))
        assert (line["system"], line["status"]) == (row.system, row.status)
        assert (line["rank_best"], line["rank_worst"]) == tuple(map(str, row.ranks or ("", "")))
    good = next(line for line in lines if line["system"] == "good")
    assert (good["seeds"], good["train_s"], good["parameters"]) == ("2", "2.0", "1002")


@pytest.mark.parametrize("word", NASTY)
def test_csv_is_text_to_a_spreadsheet(full, word):
    for line in read_csv(tables.to_csv(with_text(full, word))):
        formula = word[0] in "=+-@"
        assert line["system"] == line["note"] == ("'" if formula else "") + word
        assert not any(cell.startswith(("=", "+", "@")) for cell in line.values())


def test_csv_leaves_numbers_as_they_are(full):
    row = replace(full.rows[0], value=-0.25, printed="-.25")
    each = replace(full.groups[0], rows=(row,))
    (line,) = read_csv(tables.to_csv(replace(full, groups=(each,))))
    assert (line["value"], line["printed"]) == ("-0.25", "-.25")


def test_json_holds_every_field(full):
    told = json.loads(tables.to_json(full))
    rows = [row for each in told["groups"] for row in each["rows"]]
    assert [row["value"] for row in rows] == [row.value for row in full.rows]
    assert rows[0]["cost"] == {"train_s": 2.0, "audio_per_s": None, "parameters": 1002}
    undefined = replace(full.rows[0], value=float("nan"))
    each = replace(full.groups[0], rows=(undefined,))
    assert (
        json.loads(tables.to_json(replace(full, groups=(each,))))["groups"][0]["rows"][0]["value"]
        is None
    )


def unescaped(line, char):
    return len(re.findall(rf"(?<!\\)(?:\\\\)*{re.escape(char)}", line))


@pytest.mark.parametrize("word", [*NASTY, ""])
def test_markdown_tables_keep_their_columns(full, word):
    told = tables.to_markdown(with_text(full, word) if word else full)
    blocks = [block for block in told.split("\n\n") if block.startswith("|")]
    assert len(blocks) == len(full.groups)
    for block in blocks:
        assert len({unescaped(line, "|") for line in block.splitlines()}) == 1
    assert not re.search(r"<(?!br)", told)
    assert unescaped(told, "*") == unescaped(told, "`") == unescaped(told, "[") == 0


@pytest.mark.parametrize("word", [*NASTY, ""])
def test_latex_is_balanced_and_escaped(full, word):
    told = tables.to_latex(with_text(full, word) if word else full)
    assert told.startswith(r"% needs \usepackage{booktabs}")
    body = told.split("\n", 1)[1]
    assert unescaped(body, "{") == unescaped(body, "}")
    for char in "#%$_~^" if "±" not in body else "#%_~^":
        assert unescaped(body.replace(r"\textasciitilde{}", ""), char) == 0, char
    assert "--" not in body
    for block in re.findall(r"\\midrule\n(.*?)\\bottomrule", body, re.DOTALL):
        rows = block.strip().splitlines()
        assert len({unescaped(row, "&") for row in rows}) == 1
        assert all(row.endswith(r" \\") for row in rows)
        assert not any(re.match(r" *[\[*]", row) for row in rows)
    assert body.count(r"\begin{table}") == body.count(r"\end{table}") == len(full.groups)


def test_an_empty_board_is_told_in_every_format():
    board = of_task(TASKS["ravdess-emotion"])
    assert text.lines(board)[0].startswith("ravdess-emotion")
    assert tables.to_csv(board) == ",".join(tables.COLUMNS) + "\n"
    assert tables.to_markdown(board).startswith("## ravdess-emotion")
    assert json.loads(tables.to_json(board))["groups"] == []
    assert "begin" not in tables.to_latex(board)


def test_a_cost_of_nothing_is_left_out(full):
    rows = tuple(replace(row, cost=Cost()) for row in full.rows if row.kind == "own")
    bare = replace(full, groups=(replace(full.groups[0], rows=rows),))
    assert "training" not in "\n".join(text.lines(bare)) + tables.to_markdown(bare)


# The command line


def test_board_prints_published_numbers_without_results(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = call("board", "avb-high")
    assert (code, err) == (0, "")
    assert "task attention, uncertainty weights" in out
    assert "[1] reported: arXiv:2403.14048, Table 9" in out
    for flag in ("--csv", "--markdown", "--latex", "--json"):
        code, out, _ = call("board", "avb-high", flag, "--part", "dev")
        assert code == 0
        assert "SclabCNU" in out
        assert "HCCL" not in out
    assert json.loads(call("board", "avb-high", "--json")[1])["task"] == "avb-high"


def test_board_reads_results_where_they_are(call, tmp_path, monkeypatch):
    store(tmp_path / "results", "mine")
    monkeypatch.chdir(tmp_path)
    code, out, _ = call("board", "avb-type")
    assert code == 0
    assert f"Test, {CLIPS} of 19,815 clips" in out
    assert call("board", "avb-type", "--results", "results/avb-type")[1] == out
    (tmp_path / "results/avb-type/mine/summary.json").unlink()
    code, out, err = call("board", "avb-type")
    assert code == 1
    assert "unusable" in out
    assert err == "affectbench: results that cannot be used: 1; see there why.\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("board", "avb-hihg"), "Did you mean 'avb-high'"),
        (("board", "avb-high", "--results", "nowhere"), "nowhere is not a folder"),
        (("board", "avb-high", "--part", "train"), "Expected dev or test"),
        (("board", "avb-high", "--csv", "--json"), "Found --json and --csv; expected one"),
    ],
)
def test_wrong_calls_are_told(call, arguments, message):
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_show_prints_own_rows_of_every_task(call, tmp_path):
    store(tmp_path, "good", right=0.9)
    store(tmp_path, "poor", right=0.1)
    code, out, _ = call("show", tmp_path)
    assert code == 0
    assert "End2You" not in out
    assert re.search(r"1 +good", out)
    assert f"Results lie in {tmp_path}." in out
    told = json.loads(call("show", tmp_path, "--json")[1])
    assert [row["system"] for row in told["avb-type"]] == ["good", "poor"]
