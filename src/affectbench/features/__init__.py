"""FEATURES, and ``extract``: prepared waves to numbers per clip, cached by content."""

from typing import Final

from affectbench.features.audeep import AUDEEP
from affectbench.features.cache import Extraction, extract
from affectbench.features.deepspectrum import DEEPSPECTRUM
from affectbench.features.embeddings import EMBEDDINGS, MODELS, embedding, fetch
from affectbench.features.joined import concatenated
from affectbench.features.opensmile import COMPARE, EGEMAPS
from affectbench.features.plain import DURATION, WAVES
from affectbench.features.text import TEXT
from affectbench.rows import Table
from affectbench.types import FeatureSet

W2V2_HUBERT: Final = concatenated(
    EMBEDDINGS["w2v2-base-960h"],
    EMBEDDINGS["hubert-base-ls960"],
    name="w2v2-hubert",
    title="wav2vec 2.0 and HuBERT base side by side",
)

FEATURES: Final[Table[FeatureSet]] = Table(
    "feature set",
    EGEMAPS,
    COMPARE,
    *EMBEDDINGS.values(),
    W2V2_HUBERT,
    DEEPSPECTRUM,
    AUDEEP,
    DURATION,
    TEXT,
    WAVES,
)

__all__ = [
    "AUDEEP",
    "COMPARE",
    "DEEPSPECTRUM",
    "DURATION",
    "EGEMAPS",
    "FEATURES",
    "MODELS",
    "TEXT",
    "W2V2_HUBERT",
    "WAVES",
    "Extraction",
    "concatenated",
    "embedding",
    "extract",
    "fetch",
]
