"""The ceiling that rating noise puts on the scores of a corpus whose raters are counted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from affectbench.errors import MissingData
from affectbench.intervals import Ceiling, ceilings
from affectbench.types import Corpus, Metric


def ceilings_of(
    corpus: Corpus, root: Path, metrics: Sequence[Metric], *, draws: int = 200, seed: int = 0
) -> dict[str, tuple[Ceiling, ...]]:
    """The ceiling of each metric, by target of vote shares.

    Args:
        corpus: one with ``raters``.
        root: its folder; the audio is not needed.
        metrics: of regression (the shares are the labels) or classification (the majority is).
        draws: of the true shares.
        seed: of the draws.

    Raises:
        MissingData: raters are not counted in this corpus, or its tables are not there.
        BadData: see ``intervals.ceilings``.
    """
    if not corpus.raters:
        raise MissingData(
            f"{corpus.title} does not tell how many raters chose what, so how noisy its labels are "
            "cannot be known. CREMA-D does."
        )
    clips = corpus.read(root).clips
    targets = {target.name: target for target in corpus.targets}
    found = {}
    for name, raters in corpus.raters.items():
        shares = pl.col(targets[name].columns)
        votes = clips.select((shares * pl.col(raters)).round().fill_null(0)).to_numpy()
        found[name] = ceilings(metrics, votes.astype(np.int64), draws=draws, seed=seed)
    return found
