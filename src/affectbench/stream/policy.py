"""Whose clips are left out: those that a classifier takes for a child's, unless one opts in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from affectbench.corpora.modulate_stream import CHILD_FROM
from affectbench.errors import BadData

RISK: Final = "child_risk"  # the column of the index that the policy reads


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Which clips are excluded from every query, subset, shard, loader and export.

    ``child_risk`` is ``is_child_probability``; 1 where that is blank or wrong; and the largest of
    them where several rows name one clip. It is the guess of a classifier (workshop paper, section
    2.4), so no threshold keeps all children out.
    """

    threshold: float = CHILD_FROM  # a clip is excluded from this risk on
    include_children: bool = False  # True: nothing is excluded

    def __post_init__(self) -> None:
        """Refuse a threshold that no probability can stand for.

        Raises:
            BadData: it is not above 0 and up to 1.
        """
        if not 0 < self.threshold <= 1:
            raise BadData(
                f"The child threshold is {self.threshold}. Expected a probability above 0 and up "
                "to 1; to keep every clip, opt in with --include-children."
            )

    def keeps(self) -> pl.Expr:
        """Boolean: the clip is not excluded."""
        return pl.lit(True) if self.include_children else pl.col(RISK) < self.threshold

    def json(self) -> dict[str, Any]:
        """As it is written into everything that is produced under it."""
        return {
            "is_child_probability": "included" if self.include_children else "excluded",
            "from": self.threshold,
            "missing": "counts as 1",
        }

    @classmethod
    def of(cls, written: dict[str, Any]) -> Policy:
        """The policy that ``json`` wrote."""
        included = written["is_child_probability"] == "included"
        return cls(threshold=written["from"], include_children=included)

    def line(self) -> str:
        """The policy as a sentence for people."""
        if self.include_children:
            return "Policy: clips of children are included, as asked for."
        return (
            f"Policy: clips with a child probability of {self.threshold:g} or more, or none, are "
            "excluded."
        )
