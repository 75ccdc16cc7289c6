"""Bodies of recordings: the table ``CORPORA``. One file a corpus: facts first, ``read`` after."""

from __future__ import annotations

from typing import Final

from affectbench.corpora import emogator, hume_vocalburst
from affectbench.types import Corpus, Table

CORPORA: Final[Table[Corpus]] = Table("corpus", hume_vocalburst.CORPUS, emogator.CORPUS)

__all__ = ["CORPORA"]
