"""Feature sets of tiny models: they show that all runs where no pretrained one is at hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from affectbench.features.audeep import AUDEEP, audeep
from affectbench.features.deepspectrum import DEEPSPECTRUM, deepspectrum, stand_in_resnet
from affectbench.features.embeddings import MODELS, embedding, stand_in
from affectbench.features.joined import concatenated
from affectbench.store import cache_root
from affectbench.types import FeatureSet

SMALL_UNITS: Final = 16  # of the autoencoders that stand in for those of auDeep
SMALL_EPOCHS: Final = 4


def stand_in_of(features: FeatureSet) -> FeatureSet | None:
    """The same features from a tiny model of the same family; None where no network is used.

    Random weights stand for pretrained ones; of what is learnt on the corpus there is a small one.

    The model is written to ``<cache>/stand-ins`` once. Its numbers mean nothing, and its ``facts``
    say so.
    """
    name = f"{features.name}-stand-in"
    if features.parts:
        parts = [stand_in_of(part) for part in features.parts]
        if not any(parts):
            return None
        chosen = [new or old for new, old in zip(parts, features.parts, strict=True)]
        return concatenated(*chosen, name=name, title=f"{features.title} (random weights)")
    if features.name == AUDEEP.name:  # learnt here, not pretrained, and slow at its full size
        return replace(audeep(units=SMALL_UNITS, epochs=SMALL_EPOCHS), name=name)
    folder = cache_root() / "stand-ins"
    if features.name == DEEPSPECTRUM.name:
        return replace(deepspectrum(stand_in_resnet(folder / features.name)), name=name)
    model = features.facts.get("model")
    row = next((row for row in MODELS.values() if row.id == model), None)
    if row is None:
        return None
    return embedding(
        stand_in(row.name, folder / row.name),
        layer=features.facts["layer"],
        pooling=features.facts["pooling"],
        name=name,
    )
