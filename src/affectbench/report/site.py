"""The whole site as files: which pages there are, what they are called, and how they link."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Final
from urllib.parse import quote

from affectbench.board import Row
from affectbench.board.stored import Stored
from affectbench.report.evidence import Evidence
from affectbench.store import digest

SAFE: Final = re.compile(r"[\w.-]{1,80}", re.ASCII)


@dataclass(frozen=True)
class Names:
    """Files of pages. A name that is no safe file name gets its digest in place of the rest."""

    evidence: Evidence

    @cached_property
    def cards(self) -> Mapping[str, Mapping[str, str]]:
        """Task, then system as the board names it -> file of the card."""
        roots = self.evidence.roots
        return {
            task.name: {
                label: f"cards/{slug(task.name)}--{slug(without_paths(label, roots))}.md"
                for label in task.systems
            }
            for task in self.evidence.tasks
        }

    def task(self, name: str) -> str:
        """File of a task's page."""
        return f"tasks/{slug(name)}.html"

    def corpus(self, name: str) -> str:
        """File of a corpus's page."""
        return f"corpora/{slug(name)}.html"

    def card(self, task: str, row: Row) -> str | None:
        """Address of a card from a page in a folder; None where a row has none."""
        file = self.cards.get(task, {}).get(row.system) if row.kind == "own" else None
        return f"../{quote(file)}" if file else None


def slug(name: str) -> str:
    """A name as part of a file name."""
    if SAFE.fullmatch(name) and name.strip("."):
        return name
    kept = "-".join(re.findall(r"[\w-]+", name, re.ASCII))[:60]
    return f"{kept}-{digest(name)[:8]}"


def without_paths(text: str, roots: Mapping[str, str]) -> str:
    """Text that names no folder of this machine; the longest paths go first."""
    for root in sorted(roots, key=len, reverse=True):
        if len(root) > 1:
            for form in {root, escape(root)}:
                text = text.replace(form, roots[root])
    return text


def seeds_of(one: Stored) -> str:
    """``one seed`` or how many, and which."""
    seeds = list(one.seeds)
    if len(seeds) == 1:
        return f"one seed ({seeds[0]})"
    return f"{len(seeds)} seeds ({', '.join(map(str, seeds))})"
