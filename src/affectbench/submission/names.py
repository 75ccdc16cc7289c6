"""What a file that is handed in is called: the form of a task, the team, the number."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from affectbench.errors import BadData
from affectbench.tasks import TASKS
from affectbench.types import Submission, Task

MOST_CHARACTERS: Final = 64  # of a team's name
MOST_BYTES: Final = 128  # of it in UTF-8: file systems take 255 for a whole file name
MOST_NUMBER: Final = 999
PUNCTUATION: Final = " ._-"
NAME: Final = re.compile(r"([^_/\\]+)_([^/\\\n\r]+)_([1-9][0-9]{0,2})\.(?:csv|zip)")


def form_of(task: Task) -> Submission:
    """The official form of a task, or one of ours where none was published.

    Ours has the id column ``clip`` and the columns of the targets, classes by their names.
    """
    if task.submission is not None:
        return task.submission
    return Submission(
        stem=task.name,
        key="clip",
        bracketed=False,
        columns={column: column for column in task.columns},
        official=False,
        source="ours: no form was published",
    )


def check_team(team: str) -> str:
    """The name of a team, composed (NFC) and safe in a file name, a table, a page or a log.

    Raises:
        BadData: it is empty or too long, holds anything but letters, digits and " ._-", or does
            not begin and end with a letter or digit; so no formula, markup, path or control or
            bidirectional character passes. The message shows it escaped.
    """
    name = unicodedata.normalize("NFC", team)
    why = _wrong_with(name)
    if why:
        raise BadData(
            f"The team name {shown(team, MOST_CHARACTERS)} {why}. Expected 1 to {MOST_CHARACTERS} "
            "letters, digits, blanks, points, underscores or hyphens, a letter or digit first and "
            "last."
        )
    return name


def _wrong_with(name: str) -> str:
    """What is wrong with a team's name; empty where nothing is."""
    if not name:
        return "is empty"
    if len(name) > MOST_CHARACTERS or len(name.encode("utf-8", "replace")) > MOST_BYTES:
        return f"is too long ({len(name):,} characters)"
    odd = [c for c in dict.fromkeys(name) if not (_plain(c) or c in PUNCTUATION)]
    if odd:
        return f"holds {', '.join(ascii(c) for c in odd[:10])}"
    if not (_plain(name[0]) and _plain(name[-1])):
        return "begins or ends with a mark or a blank"
    return ""


def _plain(character: str) -> bool:
    """Whether it is a letter of any script or a digit 0-9."""
    return character.isalpha() or character in "0123456789"


def name_of(task: Task, team: str, number: int) -> str:
    """``A-VB-High_<team>_<number>.csv``.

    Raises:
        BadData: the team's name cannot be used (``check_team``), or the number is not 1 to 999.
    """
    return f"{numbered(form_of(task).stem, team, number)}.csv"


def numbered(stem: str, team: str, number: int) -> str:
    """``<stem>_<team>_<number>``; errors as ``name_of``."""
    if not 1 <= number <= MOST_NUMBER:
        raise BadData(
            f"The submission number is {number}. Expected 1 for a team's first, then 2, ..., up "
            f"to {MOST_NUMBER}."
        )
    return f"{stem}_{check_team(team)}_{number}"


def parse_name(filename: str) -> tuple[str, str, int] | None:
    """Stem, team and number of ``<stem>_<team>_<number>.csv`` (or ``.zip``).

    None where a name is not of that form, or its team's name could not be used.
    """
    found = NAME.fullmatch(filename)
    if found is None or _wrong_with(unicodedata.normalize("NFC", found[2])):
        return None
    return found[1], unicodedata.normalize("NFC", found[2]), int(found[3])


def misnamed(filename: str, task: Task) -> str:
    """The task that a file is named for where that is another one; empty otherwise."""

    def named_for(other: Task) -> bool:
        return filename.casefold().startswith(f"{form_of(other).stem}_".casefold())

    if named_for(task):
        return ""
    return next((other.name for other in TASKS.values() if named_for(other)), "")


def shown(text: str, most: int = 40) -> str:
    """``text`` in quotes, cut, with everything that is not plain ASCII escaped."""
    return ascii(text if len(text) <= most else f"{text[:most]}...")
