"""MODULATE-STREAM at scale: index it, ask it questions, pack it, and never lose or repeat a clip.

    build(data) -> StreamIndex -> select(...) -> Selection -> pack(...) -> Shards

Clips that a classifier takes for a child's are left out of everything unless one opts in
(``Policy``), and transcripts are read only when asked for. Every public name is imported when it is
first used: the processes that fill shards need none of them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from affectbench.stream.index import StreamIndex
    from affectbench.stream.indexing import build
    from affectbench.stream.packing import Form, Packed, pack
    from affectbench.stream.policy import Policy
    from affectbench.stream.selecting import Selection, query, select
    from affectbench.stream.shards import Shards
    from affectbench.stream.subsets import read_subset, save_subset
    from affectbench.stream.summary import summarise
    from affectbench.stream.unpacking import unpack
    from affectbench.stream.verifying import Damage, verify

HOMES = {
    "Damage": "verifying",
    "Form": "packing",
    "Packed": "packing",
    "Policy": "policy",
    "Selection": "selecting",
    "Shards": "shards",
    "StreamIndex": "index",
    "build": "indexing",
    "pack": "packing",
    "query": "selecting",
    "read_subset": "subsets",
    "save_subset": "subsets",
    "select": "selecting",
    "summarise": "summary",
    "unpack": "unpacking",
    "verify": "verifying",
}

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


def __getattr__(name: str) -> Any:
    """The public name, imported from its home."""
    if name not in HOMES:
        raise AttributeError(f"module 'affectbench.stream' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"affectbench.stream.{HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return __all__
