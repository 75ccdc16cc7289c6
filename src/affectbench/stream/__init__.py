"""MODULATE-STREAM at scale: index it, ask it questions, pack it, and never lose or repeat a clip.

    build(data) -> StreamIndex -> select(...) -> Selection -> pack(...) -> Shards

Clips that a classifier takes for a child's are left out of everything unless one opts in
(``Policy``), and transcripts are read only when asked for.
"""

from affectbench.stream.index import StreamIndex
from affectbench.stream.indexing import build
from affectbench.stream.policy import Policy
from affectbench.stream.query import Selection, query, select
from affectbench.stream.subsets import read_subset, save_subset
from affectbench.stream.summary import summarise

__all__ = [
    "Policy",
    "Selection",
    "StreamIndex",
    "build",
    "query",
    "read_subset",
    "save_subset",
    "select",
    "summarise",
]
