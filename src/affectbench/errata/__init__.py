"""What the workshop paper and the published code got wrong or left open, with the arithmetic.

``docs/errata.md`` and the pages of the tasks are written from these rows (``guide.py``).
"""

from __future__ import annotations

from typing import Final

from affectbench.errata.code import CODE
from affectbench.errata.paper import PAPER
from affectbench.errata.rows import Erratum

ERRATA: Final = (*PAPER, *CODE)


def of_task(name: str) -> tuple[Erratum, ...]:
    """What concerns a task, in the order of the table."""
    return tuple(row for row in ERRATA if name in row.tasks)


__all__ = ["ERRATA", "Erratum", "of_task"]
