"""FEATURES, and ``extract``: prepared waves to numbers per clip, cached by content."""

from typing import Final

from affectbench.features.cache import Extraction, extract
from affectbench.features.opensmile import COMPARE, EGEMAPS
from affectbench.features.plain import DURATION, WAVES
from affectbench.rows import Table
from affectbench.types import FeatureSet

FEATURES: Final[Table[FeatureSet]] = Table("feature set", EGEMAPS, COMPARE, DURATION, WAVES)

__all__ = ["COMPARE", "DURATION", "EGEMAPS", "FEATURES", "WAVES", "Extraction", "extract"]
