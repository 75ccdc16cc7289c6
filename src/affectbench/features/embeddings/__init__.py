"""Embeddings of pretrained speech models, through ``transformers``, offline."""

from affectbench.features.embeddings.families import FAMILIES
from affectbench.features.embeddings.hub import fetch
from affectbench.features.embeddings.models import MODELS, PretrainedModel
from affectbench.features.embeddings.sets import EMBEDDINGS, embedding
from affectbench.features.embeddings.stand_in import stand_in

__all__ = [
    "EMBEDDINGS",
    "FAMILIES",
    "MODELS",
    "PretrainedModel",
    "embedding",
    "fetch",
    "stand_in",
]
