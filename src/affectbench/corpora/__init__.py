"""Bodies of recordings: the table ``CORPORA``. One file a corpus: facts first, ``read`` after."""

from __future__ import annotations

from typing import Final

from affectbench.corpora import (
    crema_d,
    emogator,
    hume_prosody,
    hume_vocalburst,
    modulate_sonata,
    modulate_stream,
    ravdess,
)
from affectbench.rows import Table
from affectbench.types import Corpus

CORPORA: Final[Table[Corpus]] = Table(
    "corpus",
    hume_prosody.CORPUS,
    hume_vocalburst.CORPUS,
    modulate_sonata.CORPUS,
    modulate_stream.CORPUS,
    emogator.CORPUS,
    ravdess.CORPUS,
    crema_d.CORPUS,
)

__all__ = ["CORPORA"]
