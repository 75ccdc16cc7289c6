"""The report: one HTML file of a folder of results, which opens from the disk with no network."""

from __future__ import annotations

from html import escape
from pathlib import Path
from string import Template
from typing import Any, Final

from affectbench import board
from affectbench.store import write_atomic

WIDTH: Final = 260  # px of an interval drawing
PAGE: Final = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>AffectBench report</title>
<style>
:root { color-scheme: light dark; --line: #8886; --mark: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --mark: #56b4e9; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; text-align: left; border-bottom: 1px solid var(--line); }
td { white-space: nowrap; }
td svg { display: block; }
.note { font-size: .9rem; }
</style></head><body>
<h1>AffectBench report</h1>
$boards
</body></html>
""")


def write(out: Path, path: Path | None = None) -> Path:
    """Write the report of a folder of results; ``index.html`` in it unless ``path`` is given.

    Raises:
        MissingData: the folder holds no scored results.
    """
    path = path or out / "index.html"
    boards = "\n".join(section(found) for found in board.collect(out))
    page = PAGE.substitute(boards=boards).encode()
    write_atomic(path, lambda file: file.write(page))
    return path


def section(found: board.Board) -> str:
    """A task: its ranked table, a drawing of each interval, the remarks."""
    header = "".join(f'<th scope="col">{escape(name)}</th>' for name in board.HEADER)
    drawn = [draw(entry.score(found.part)) for entry in found.entries]
    rows = "\n".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + f"<td>{picture}</td></tr>"
        for row, picture in zip(board.lines(found), drawn, strict=True)
    )
    remarks = "\n".join(f'<p class="note">{escape(remark)}</p>' for remark in board.remarks(found))
    return f"""<h2>{escape(found.task)}</h2>
<div class="wide"><table>
<tr>{header}<th scope="col">{escape(found.metric)} on {found.part}, 0 to 1</th></tr>
{rows}
</table></div>
{remarks}"""


def draw(score: dict[str, Any] | None) -> str:
    """A score and its interval on a line from 0 to 1, as SVG; ``n/a`` where undefined."""
    if score is None or score["value"] is None:
        return "n/a"
    value = score["value"]
    low, high = (value if score[end] is None else score[end] for end in ("low", "high"))
    x, left, right = (round(WIDTH * min(max(v, 0.0), 1.0), 1) for v in (value, low, high))
    told = f"{value:.3f}, interval {low:.3f} to {high:.3f}"
    return (
        f'<svg width="{WIDTH}" height="16" role="img" aria-label="{told}"><title>{told}</title>'
        f'<path d="M0 8H{WIDTH}" stroke="var(--line)"/>'
        f'<path d="M{left} 8H{right}" stroke="var(--mark)" stroke-width="3"/>'
        f'<circle cx="{x}" cy="8" r="5" fill="var(--mark)"/></svg>'
    )
