"""FEATURES, and ``extract``: prepared waves to numbers per clip, cached by content."""

from typing import Final

from affectbench.features.cache import Extraction, extract
from affectbench.features.opensmile import COMPARE, EGEMAPS
from affectbench.types import FeatureSet, Table

FEATURES: Final[Table[FeatureSet]] = Table("feature set", EGEMAPS, COMPARE)

__all__ = ["COMPARE", "EGEMAPS", "FEATURES", "Extraction", "extract"]
