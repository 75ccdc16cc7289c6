"""MODULATE-STREAM at scale: index it, ask it questions, pack it, and never lose or repeat a clip.

    build(data) -> StreamIndex -> select(...) -> Selection -> pack(...) -> Shards

Clips that a classifier takes for a child's are left out of everything unless one opts in
(``Policy``), and transcripts are read only when asked for.
"""

from affectbench.stream.index import StreamIndex
from affectbench.stream.indexing import build
from affectbench.stream.packing import Form, Packed, pack
from affectbench.stream.policy import Policy
from affectbench.stream.query import Selection, query, select
from affectbench.stream.shards import Shards
from affectbench.stream.subsets import read_subset, save_subset
from affectbench.stream.summary import summarise
from affectbench.stream.unpacking import unpack
from affectbench.stream.verifying import Damage, verify

__all__ = [
    "Damage",
    "Form",
    "Packed",
    "Policy",
    "Selection",
    "Shards",
    "StreamIndex",
    "build",
    "pack",
    "query",
    "read_subset",
    "save_subset",
    "select",
    "summarise",
    "unpack",
    "verify",
]
