"""``Table``: named rows, which is what grows in this package."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from affectbench.errors import UnknownName

Row = TypeVar("Row")


class Table(Mapping[str, Row]):
    """A read-only table of named rows: what grows in this package is a row in one of these."""

    def __init__(self, kind: str, *rows: Row) -> None:
        self.kind = kind
        names = [name_of(row) for row in rows]
        doubled = {name for name in names if names.count(name) > 1}
        if doubled:
            raise ValueError(f"{kind} names appear twice: {sorted(doubled)}")
        self._rows: dict[str, Row] = dict(zip(names, rows, strict=True))

    def __getitem__(self, name: str) -> Row:
        """The row of that name; ``UnknownName`` with the nearest names otherwise."""
        if name not in self._rows:
            near = difflib.get_close_matches(name, self._rows, n=1)
            hint = f"Did you mean '{near[0]}'? " if near else ""
            raise UnknownName(
                f"No {self.kind} is called '{name}'. {hint}There are: {', '.join(self._rows)}."
            )
        return self._rows[name]

    def __contains__(self, name: object) -> bool:
        """Whether there is a row of that name."""
        return name in self._rows

    def __iter__(self) -> Iterator[str]:
        """The names, in the order of the table."""
        return iter(self._rows)

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self._rows)


def name_of(row: Any) -> str:
    """Its key where it has one, else its name."""
    return str(getattr(row, "key", None) or row.name)
