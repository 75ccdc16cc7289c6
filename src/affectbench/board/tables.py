"""A board as CSV, Markdown, LaTeX and JSON. Text from outside breaks none of them."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from affectbench.board.model import Board, Cost, Group, Row
from affectbench.board.wording import interval_of, number, places, value_of
from affectbench.store import plain

# One column each; a cell is empty where nothing is known.
COLUMNS: Final = (
    *("task", "group", "ranked", "place", "system", "team", "kind", "split", "metric", "scale"),
    *("value", "printed", "low", "high", "spread", "seeds", "rank_best", "rank_worst"),
    *("overlaps", "status", "apart", "train_s", "audio_per_s", "parameters", "data", "ceiling"),
    *("source", "cell", "paper", "also", "note", "folder"),
)
# A spreadsheet takes a cell that begins with one of these for a formula.
FORMULA: Final = ("=", "+", "-", "@")
NUMBERS: Final = re.compile(r"-?\.?\d[\d.]*", re.ASCII)
MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]|~#!])")
LATEX: Final = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "[": "{[}",  # after a line break it would begin an argument, and a star would be one
    "*": "{*}",
    "±": r"$\pm$",
    "²": r"$^2$",
}
RIGHT: Final = ("#", "value", "seeds", "training s", "parameters", "audio s/s")


def to_json(board: Board) -> str:
    """The board field by field; paths are text and NaN is null."""
    told = json.loads(json.dumps(asdict(board), default=str))
    return json.dumps(plain(told), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_csv(board: Board) -> str:
    """A row a line under ``COLUMNS``, of all groups; numbers in full.

    Text that begins with ``=``, ``+``, ``-`` or ``@`` gets an apostrophe in front, so that no
    spreadsheet takes it for a formula. Numbers stay as they are.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for group in board.groups:
        for row in group.rows:
            writer.writerow([_csv_cell(cell) for cell in _cells(board, group, row)])
    return file.getvalue()


def _cells(board: Board, group: Group, row: Row) -> list[Any]:
    """The cells of ``COLUMNS``."""
    cost = row.cost or Cost()
    best, worst = row.ranks or (None, None)
    return [
        *(board.task, group.title, "yes" if group.ranked else "no", row.place, row.system),
        *(row.team, row.kind, row.split, row.metric, row.scale),
        *(row.value, row.printed, row.low, row.high, row.spread, row.seeds, best, worst),
        *("; ".join(row.overlaps), row.status, row.apart),
        *(cost.train_s, cost.audio_per_s, cost.parameters, group.data, group.ceiling),
        *(row.source, row.cell, row.paper, "; ".join(row.also), row.note, row.folder),
    ]


def _csv_cell(value: Any) -> Any:
    if value is None or isinstance(value, int | float):
        return value
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA) and not NUMBERS.fullmatch(text) else text


def to_markdown(board: Board) -> str:
    """A heading and a table a group, in the Markdown of GitHub, then the remarks."""
    told = [f"## {_markdown(f'{board.task}: {board.title}' if board.title else board.task)}"]
    for group in board.groups:
        header, rows = _shown(group)
        aligned = ["---:" if name in RIGHT else "---" for name in header]
        told += [
            f"### {_markdown(group.title)}",
            "\n".join(
                f"| {' | '.join(line)} |"
                for line in (
                    map(_markdown, header),
                    aligned,
                    *(map(_markdown, row) for row in rows),
                )
            ),
            *(_markdown(remark) for remark in _said(group)),
        ]
    told.append("\n".join(f"- {_markdown(remark)}" for remark in board.remarks))
    return "\n\n".join(told) + "\n"


def _markdown(text: str) -> str:
    """Text as it is, whatever it holds."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return MARKDOWN.sub(r"\\\1", text)


def to_latex(board: Board) -> str:
    r"""A ``table`` a group with ``\usepackage{booktabs}``; sources and notes below each.

    UTF-8 with T1 fonts; other scripts than Latin need LuaLaTeX or XeLaTeX and a font that has them.
    """
    told = [r"% needs \usepackage{booktabs} and \usepackage[T1]{fontenc}"]
    for index, group in enumerate(board.groups):
        header, rows = _shown(group, ("status", "source", "note"))
        columns = "".join("r" if name in RIGHT else "l" for name in header)
        notes = [f"{row.system}: {_sourced(row)}" for row in group.rows]
        told += [
            r"\begin{table}",
            r"  \centering\small",
            f"  \\caption{{{_latex(f'{board.task}, {board.metric}: {group.title}.')}}}",
            f"  \\label{{tab:{re.sub('[^a-z0-9-]', '-', board.task.lower())}-{index}}}",
            f"  \\begin{{tabular}}{{{columns}}}",
            r"    \toprule",
            f"    {_latex_row(header)}",
            r"    \midrule",
            *(f"    {_latex_row(row)}" for row in rows),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"  \par\smallskip\raggedright\footnotesize",
            *(f"  {_latex(note)}\\par" for note in (*_said(group), *notes)),
            r"\end{table}",
        ]
    return "\n".join(told) + "\n"


def _sourced(row: Row) -> str:
    """Status, sources and notes of a row."""
    sources = f"{row.status}, {'; '.join([row.source, *row.also])}"
    return "; ".join(text for text in (sources, row.apart, row.note) if text)


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(_latex(cell) for cell in cells) + r" \\"


def _latex(text: str) -> str:
    """Text as it is, whatever it holds."""
    return "".join(LATEX.get(char, char) for char in text).replace("--", "-{}-")


def _said(group: Group) -> list[str]:
    """The remarks of a group, the ceiling first."""
    ceiling = group.ceiling
    first = [] if ceiling is None else [f"Ceiling {number(ceiling)}: an oracle on this twin."]
    return [*first, *group.remarks]


def _shown(group: Group, without: Sequence[str] = ()) -> tuple[list[str], list[list[str]]]:
    """Header and cells of a group for a page; columns of which no row has a value are left out."""
    table = [_page_cells(row) for row in group.rows]
    header = [n for n in table[0] if n not in without and any(cells[n] for cells in table)]
    return header, [[cells[name] for name in header] for cells in table]


def _page_cells(row: Row) -> dict[str, str]:
    cost = row.cost or Cost()
    apart = bool(row.apart)
    return {
        "#": "" if row.place is None else str(row.place),
        "system": row.system,
        "team": row.team or "own",
        "part": row.split if apart else "",
        "scale": row.scale if apart else "",
        "value": value_of(row),
        "~": "~" if row.overlaps else "",
        "interval": interval_of(row),
        "own": places(row.ranks),
        "seeds": "" if row.seeds is None else str(row.seeds),
        "training s": "" if cost.train_s is None else f"{cost.train_s:,.1f}",
        "parameters": "" if cost.parameters is None else f"{cost.parameters:,}",
        "audio s/s": "" if cost.audio_per_s is None else f"{cost.audio_per_s:,.0f}",
        "status": row.status,
        "source": "; ".join([row.source, *row.also]),
        "note": "; ".join(text for text in (row.apart, row.note) if text),
    }
