"""HTML from text: what is not HTML already is escaped, wherever it came from.

Control characters, and marks that turn the direction of writing, are left out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from html import escape
from typing import Final, TypeAlias

Child: TypeAlias = "str | int | float | Iterable[Child] | None"

VOID: Final = frozenset({"meta", "link", "br", "hr", "img", "source"})
REFERENCES: Final = re.compile(
    r"arXiv:(?P<arxiv>\d{4}\.\d{4,5})"
    r"|doi[: ](?P<doi>10\.\d{4,9}/[^\s,;)]*[^\s,;).])"
    r"|(?P<code>github\.com/[\w.-]+/[\w.-]*[\w-])"
)


class Html(str):
    """Text that is HTML; any other text is escaped when it becomes part of one."""

    __slots__ = ()


def el(tag: str, *children: Child, **attributes: str | float | bool | None) -> Html:
    """An element.

    Args:
        tag: its name.
        *children: what is in it; ``None`` is nothing, iterables are unpacked.
        **attributes: ``class_`` is ``class``, ``data_value`` is ``data-value``; True has no value,
            None and False are left out.
    """
    told = "".join(
        f" {key.rstrip('_').replace('_', '-')}"
        + ("" if value is True else f'="{_text(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if tag in VOID:
        return Html(f"<{tag}{told}>")
    return Html(f"<{tag}{told}>{joined(*children)}</{tag}>")


def joined(*children: Child, by: str = "") -> Html:
    """Children one after the other, with HTML between them."""
    return Html(by.join(_flat(children)))


def _flat(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if isinstance(child, Html):
            yield child
        elif isinstance(child, str):
            yield _text(child)
        elif isinstance(child, Iterable):
            yield from _flat(child)
        elif child is not None:
            yield escape(str(child))


def _text(text: str) -> str:
    kept = (c for c in text if c in "\n\t" or unicodedata.category(c)[0] != "C")
    return escape("".join(kept))


def sourced(text: str) -> Html:
    """Text in which arXiv ids, DOIs and repositories are links."""
    told: list[Child] = []
    end = 0
    for found in REFERENCES.finditer(text):
        told += [text[end : found.start()], el("a", found[0], href=_address(found))]
        end = found.end()
    return joined(*told, text[end:])


def _address(found: re.Match[str]) -> str:
    if found["arxiv"]:
        return f"https://arxiv.org/abs/{found['arxiv']}"
    return f"https://doi.org/{found['doi']}" if found["doi"] else f"https://{found['code']}"
