"""Synthetic twins of gated corpora: same layout and sizes, invented sound, known ceiling."""

from affectbench.corpora.twin.prosody import write_prosody
from affectbench.corpora.twin.vocalburst import write_vocalburst

__all__ = ["write_prosody", "write_vocalburst"]
