"""FEATURES, and ``extract``: prepared waves to numbers per clip, cached by content."""

from typing import Final

from affectbench.features.audeep import AUDEEP
from affectbench.features.cache import Extraction, extract
from affectbench.features.embeddings import EMBEDDINGS, MODELS, embedding, fetch
from affectbench.features.opensmile import COMPARE, EGEMAPS
from affectbench.features.plain import DURATION, WAVES
from affectbench.features.text import TEXT
from affectbench.rows import Table
from affectbench.types import FeatureSet

FEATURES: Final[Table[FeatureSet]] = Table(
    "feature set", EGEMAPS, COMPARE, *EMBEDDINGS.values(), AUDEEP, DURATION, TEXT, WAVES
)

__all__ = [
    "AUDEEP",
    "COMPARE",
    "DURATION",
    "EGEMAPS",
    "FEATURES",
    "MODELS",
    "TEXT",
    "WAVES",
    "Extraction",
    "embedding",
    "extract",
    "fetch",
]
