"""Which column of a file is which of the form: by name, never by place."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Final

from affectbench.errors import listing
from affectbench.submission.names import shown
from affectbench.submission.text import Sheet
from affectbench.submission.verdict import FIRST, Log, first_of, number_of
from affectbench.types import Submission

IDS: Final = ("clip", "clip_id", "id", "file", "file_id", "filename", "file_name")
INDEX: Final = re.compile(r"(?:Unnamed: ?\d+)?", re.ASCII)  # what pandas calls its index
BETWEEN: Final = re.compile(r"(?<=[^\W_])[\s_.-]+(?=[^\W_])")
PREDICTED: Final = ("{}pred", "{}prediction", "pred{}", "prediction{}")
LABELLED: Final = ("{}true", "{}truth", "true{}", "truth{}")


@dataclass(frozen=True, slots=True)
class Places:
    """Where the columns of a form stand in a file; those not found are left out."""

    key: int | None
    columns: dict[str, int]  # header of the form -> place


def find(sheet: Sheet, form: Submission, log: Log) -> Places:
    """Match header cells to the form; what cannot be matched becomes a problem."""
    known = _spellings(form)
    dropped = {fill.format(plain(name)) for name in form.columns for fill in LABELLED} - set(known)
    found: dict[str, list[int]] = {}
    extra: list[int] = []
    labels: list[int] = []
    for place, name in enumerate(sheet.header):
        target = name if name in (form.key, *form.columns) else known.get(plain(name))
        if target is not None:
            found.setdefault(target, []).append(place)
        elif plain(name) in dropped:
            labels.append(place)
        else:
            extra.append(place)
    extra = _without_index(sheet, extra, log)
    if form.key not in found:
        extra = _other_key(sheet, form, found, extra)
    left = f"{number_of(len(labels), 'column')} of labels (_true) left out."
    log.repaired("label columns", len(labels), left)
    _tell_problems(sheet, form, found, extra, log)
    places = {name: at[0] for name, at in found.items()}
    _tell_spelling(sheet, form, places, log)
    return Places(places.pop(form.key, None), places)


def plain(name: str) -> str:
    """A name for comparison: small, without blanks and marks between letters or digits."""
    return BETWEEN.sub("", name.strip().casefold())


def _spellings(form: Submission) -> dict[str, str]:
    """Spellings, compared by ``plain``, of every header of the form."""
    known = {plain(form.key): form.key}
    for header, column in form.columns.items():
        for name in (header, column):
            forms = (fill.format(plain(name)) for fill in ("{}", *PREDICTED))
            known |= {spelling: header for spelling in forms if spelling not in known}
    known |= {plain(alias): header for alias, header in form.aliases.items()}
    return known | {plain(header): header for header in form.columns}


def _without_index(sheet: Sheet, extra: list[int], log: Log) -> list[int]:
    """Leave out columns without a name that are blank, or number the rows as pandas does."""
    left, empty, index = [], 0, 0
    for place in extra:
        cells = sheet.cells[str(place)]
        if not INDEX.fullmatch(sheet.header[place]):
            left.append(place)
        elif (cells == "").all():
            empty += 1
        elif cells.str.contains(r"^[0-9]+$").all() and not cells.is_duplicated().any():
            index += 1
        else:
            left.append(place)
    log.repaired("index column", index, "A column without a name that numbers the rows, left out.")
    log.repaired("blank columns", empty, f"{number_of(empty, 'blank column')} left out.")
    return left


def _other_key(
    sheet: Sheet, form: Submission, found: dict[str, list[int]], extra: list[int]
) -> list[int]:
    """Take the one column that is called as ids are elsewhere; the extra columns that stay."""
    names = [plain(name) for name in IDS]
    held = [place for place in extra if plain(sheet.header[place]) in names]
    if len(held) != 1:
        return extra
    found[form.key] = held
    return [place for place in extra if place not in held]


def _tell_problems(
    sheet: Sheet, form: Submission, found: dict[str, list[int]], extra: list[int], log: Log
) -> None:
    """Columns that are missing, not of the form, or there twice."""
    expected = [form.key, *form.columns]
    missing = [name for name in expected if name not in found]
    if len(missing) == len(expected):
        first = ", ".join(shown(cell) for cell in sheet.header[:3])
        lone = " The columns are not separated." if len(sheet.header) == 1 else ""
        log.problems.append(
            f"The first line is no header of this task: it begins with {first}.{lone} Expected "
            f"{listing(expected, 50)}."
        )
        return
    if missing:
        log.problems.append(
            f"{number_of(len(missing), 'column')} missing: {listing(missing, 50)}. Expected "
            f"{listing(expected, 50)}."
        )
    if extra:
        named = []
        for place in extra[:FIRST]:
            name = sheet.header[place]
            near = difflib.get_close_matches(name[:100], missing, n=1)
            hint = f" (meant to be '{near[0]}'?)" if near else ""
            named.append((shown(name) if name else f"column {place + 1} without a name") + hint)
        log.problems.append(
            f"{number_of(len(extra), 'column')} that this task does not have: "
            f"{first_of(named, len(extra))}. Take them out, or name them as expected."
        )
    for name, places in found.items():
        if len(places) > 1:
            spelt = ", ".join(f"{shown(sheet.header[p])} (column {p + 1})" for p in places[:5])
            log.problems.append(f"Column {name} is there {len(places):,} times: {spelt}. Keep one.")


def _tell_spelling(sheet: Sheet, form: Submission, places: dict[str, int], log: Log) -> None:
    """Columns under other names, or in another order, are repairs."""
    spelt = {name: sheet.header[at] for name, at in places.items()}
    other = [f"{shown(cell)} as {name}" for name, cell in spelt.items() if cell != name]
    log.repaired(
        "column names",
        len(other),
        f"{number_of(len(other), 'column')} read under the official name: {listing(other, 5)}.",
    )
    expected = [name for name in (form.key, *form.columns) if name in places]
    order = sorted(expected, key=lambda name: places[name])
    moved = sum(a != b for a, b in zip(expected, order, strict=True))
    log.repaired(
        "column order", moved, f"{number_of(moved, 'column')} put into the official order."
    )
