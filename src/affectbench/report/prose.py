"""The pages of ``guide.py`` as HTML: the little Markdown that they are written in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from affectbench.report.markup import Child, Html, el, joined, sourced

INLINE: Final = re.compile(
    r"`(?P<code>[^`]+)`|\*\*(?P<strong>[^*]+)\*\*|\*(?P<em>[^*]+)\*|\[(?P<text>[^]]+)\]\((?P<to>[^)]+)\)"
)
HEADING: Final = re.compile(r"(#+) (.*)")
MARKS: Final = re.compile(r"\W+")


def rendered(markdown: str, *, deeper: int, prefix: str) -> Html:
    """Markdown without its title and comments.

    Args:
        markdown: headings, paragraphs, lists, tables, fenced code; code, emphasis and links.
        deeper: by how much headings go down: with 1, ``##`` is ``<h3>``.
        prefix: which the ids of headings begin with.
    """
    return joined(_block(block, deeper, prefix) for block in _blocks(markdown))


def _blocks(markdown: str) -> Iterator[str]:
    """What blank lines part, fenced code in one piece."""
    fenced: list[str] = []
    for piece in markdown.strip().split("\n\n"):
        fenced.append(piece)
        block = "\n\n".join(fenced)
        if block.count("```") % 2:
            continue
        fenced = []
        if block.strip() and not block.startswith(("<!--", "# ")):
            yield block


def _block(block: str, deeper: int, prefix: str) -> Html:
    heading = HEADING.fullmatch(block)
    if heading:
        name = MARKS.sub("-", heading[2].lower()).strip("-")
        return el(f"h{len(heading[1]) + deeper}", _inline(heading[2]), id=f"{prefix}-{name}")
    if block.startswith("```"):
        return code("\n".join(block.split("\n")[1:-1]))
    lines = block.split("\n")
    if block.startswith("- "):
        return el("ul", (el("li", _inline(line.removeprefix("- "))) for line in lines))
    if block.startswith("|"):
        return _table(lines)
    parts: list[Child] = []
    for line in lines:
        parts += [_inline(line.rstrip()), el("br") if line.endswith("  ") else "\n"]
    return el("p", parts[:-1])


def code(text: str) -> Html:
    """Commands or files, which scroll where they are long."""
    return el("pre", el("code", text), tabindex="0", role="group", aria_label="Commands")


def _table(lines: list[str]) -> Html:
    """Header, alignment, rows."""
    head, _, *rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines
    ]
    top = el("thead", el("tr", (el("th", _inline(cell), scope="col") for cell in head)))
    body = [
        el("tr", el("th", _inline(row[0]), scope="row"),
           (el("td", _inline(cell)) for cell in row[1:]))
        for row in rows
    ]  # fmt: skip
    label = f"Table: {', '.join(head)}"
    whole = el("table", el("caption", label, class_="unseen"), top, el("tbody", body))
    return el("div", whole, class_="wide prose", tabindex="0", role="group", aria_label=label)


def _inline(text: str) -> Html:
    told: list[Child] = []
    end = 0
    for found in INLINE.finditer(text):
        told.append(sourced(text[end : found.start()]))
        tag = found.lastgroup
        if tag == "to":
            told.append(el("a", found["text"], href=found["to"]))
        elif tag == "code":
            told.append(el("code", found["code"]))
        elif tag:
            told.append(el(tag, _inline(found[tag])))
        end = found.end()
    return joined(*told, sourced(text[end:]))
