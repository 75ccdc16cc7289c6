"""The board of a task: published numbers and stored results, ranked where they compare.

model.py    what a board is made of: ``Board``, ``Group``, ``Row``, ``Cost``
printed.py  published numbers as rows
stored.py   stored results, checked and counted once
own.py      stored results as rows, and how they compare
ranking.py  what is ranked together, what is set apart, what must be said
text.py     a board for a terminal
tables.py   a board as CSV, Markdown, LaTeX and JSON
"""

from __future__ import annotations

from affectbench.board.model import Board, Cost, Group, Row
from affectbench.board.ranking import of_folder, of_task
from affectbench.board.wording import interval, number

__all__ = ["Board", "Cost", "Group", "Row", "interval", "number", "of_folder", "of_task"]
