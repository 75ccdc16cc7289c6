"""What can go wrong, as a tree. Every message says what was found, what was expected, what to do.

    AffectBenchError            the user's input or call is wrong: one message, exit code 2
    ├── UnknownName             no such corpus, task, system, feature set or metric
    ├── MissingData             a folder, a file or a column is not there
    ├── BadData                 it is there and cannot be used: labels, audio, features
    ├── MissingExtra            an optional package is not installed
    └── ResultConflict          a result of other data or settings lies where this one belongs

Anything else that escapes is a bug of ours and shows its traceback.
"""

from __future__ import annotations

from collections.abc import Sequence


class AffectBenchError(Exception):
    """Base of all errors that the user's input, data or machine causes."""


class UnknownName(AffectBenchError, KeyError):  # noqa: N818 - reads as a sentence where raised
    """No row of that name in a table."""

    def __str__(self) -> str:
        """The message as it is; a KeyError would put it into quotes."""
        return str(self.args[0])


class MissingData(AffectBenchError):  # noqa: N818
    """A folder, file, column or label that is needed is not there."""


class BadData(AffectBenchError):  # noqa: N818
    """Data that is there and cannot be used: a label out of range, a corrupt file, NaN features."""


class MissingExtra(AffectBenchError):  # noqa: N818
    """An optional package is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        self.package = package
        self.extra = extra
        super().__init__(
            f"The package '{package}' is not installed. It is needed here and comes with the "
            f"extra '{extra}': python -m pip install 'affectbench[{extra}]'"
        )

    def __reduce__(self) -> tuple[type[MissingExtra], tuple[str, str]]:
        """How it crosses from a worker process."""
        return MissingExtra, (self.package, self.extra)


class ResultConflict(AffectBenchError):  # noqa: N818
    """A stored result of other data, labels, split or settings is in the way."""


def listing(items: Sequence[object], limit: int = 10) -> str:
    """Up to ``limit`` items separated by commas, then how many more there are."""
    shown = ", ".join(str(item) for item in items[:limit])
    more = len(items) - limit
    return f"{shown} and {more:,} more" if more > 0 else shown
