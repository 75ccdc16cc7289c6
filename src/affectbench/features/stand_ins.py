"""Feature sets of random models: they show that all runs where no pretrained one is at hand."""

from __future__ import annotations

from dataclasses import replace

from affectbench.features.embeddings import embedding, stand_in
from affectbench.store import cache_root
from affectbench.types import FeatureSet


def stand_in_of(features: FeatureSet) -> FeatureSet | None:
    """The same features from a tiny random model of the same family; None where no model is used.

    The model is written to ``<cache>/stand-ins/<name>`` once. Its numbers mean nothing, and its
    ``facts`` say so.
    """
    if features.parts:
        parts = [stand_in_of(part) for part in features.parts]
        if not any(parts):
            return None
        chosen = [new or old for new, old in zip(parts, features.parts, strict=True)]
        return replace(features, parts=tuple(chosen), dim=sum(part.dim for part in chosen))
    model = features.facts.get("name")
    if not model:
        return None
    folder = cache_root() / "stand-ins" / str(model)
    if not (folder / "config.json").is_file():
        stand_in(str(model), folder)
    return embedding(folder)
