"""The tasks: the benchmark on one page."""

from __future__ import annotations

from typing import Final

from affectbench import splits
from affectbench.corpora import emogator, hume_vocalburst, modulate_sonata, ravdess
from affectbench.metrics import METRICS
from affectbench.types import Table, Task

CCC: Final = (METRICS["ccc.official"], METRICS["ccc.sample"])
AVB_SPLIT: Final = splits.released("hume-vocalburst/avb-2022")
AVB_SOURCE: Final = "Baird et al. 2022, A-VB, arXiv:2207.03572; workshop paper, Table 7"

TASKS: Final[Table[Task]] = Table(
    "task",
    Task(
        name="avb-high",
        title="A-VB High: ten emotions",
        corpus=hume_vocalburst.CORPUS,
        target=hume_vocalburst.HIGH,
        split=AVB_SPLIT,
        metric=METRICS["ccc.population"],
        also=CCC,
        source=AVB_SOURCE,
    ),
    Task(
        name="avb-two",
        title="A-VB Two: valence and arousal",
        corpus=hume_vocalburst.CORPUS,
        target=hume_vocalburst.TWO,
        split=AVB_SPLIT,
        metric=METRICS["ccc.population"],
        also=CCC,
        source=AVB_SOURCE,
    ),
    Task(
        name="avb-culture",
        title="A-VB Culture: ten emotions as rated in four countries",
        corpus=hume_vocalburst.CORPUS,
        target=hume_vocalburst.CULTURE,
        split=AVB_SPLIT,
        metric=METRICS["ccc.population"],
        also=CCC,
        source=AVB_SOURCE,
    ),
    Task(
        name="avb-type",
        title="A-VB Type: eight kinds of burst",
        corpus=hume_vocalburst.CORPUS,
        target=hume_vocalburst.TYPE,
        split=AVB_SPLIT,
        metric=METRICS["uar.truth"],
        also=(METRICS["uar.union"],),
        source=AVB_SOURCE,
    ),
    Task(
        name="sonata-emotion",
        title="SONATA: 25 emotions in acted scripts",
        corpus=modulate_sonata.CORPUS,
        target=modulate_sonata.EMOTION,
        split=modulate_sonata.TABLE3,
        metric=METRICS["uar.truth"],
        also=(METRICS["uar.union"],),
        source="workshop paper, arXiv:2403.14048, Table 10",
    ),
    Task(
        name="emogator-emotion",
        title="EmoGator: thirty emotions in open vocal bursts",
        corpus=emogator.CORPUS,
        target=emogator.EMOTION,
        split=splits.by_group("emogator/contributors-60-20-20"),
        metric=METRICS["uar.truth"],
        also=(METRICS["uar.union"],),
        source="Buhl 2023, arXiv:2301.00508; the split is ours, none was published",
    ),
    Task(
        name="ravdess-emotion",
        title="RAVDESS: eight acted emotions, tested on actors 21-24",
        corpus=ravdess.CORPUS,
        target=ravdess.EMOTION,
        split=ravdess.ACTORS_16_4_4,
        metric=METRICS["uar.truth"],
        also=(METRICS["uar.union"],),
        source="Livingstone & Russo 2018, doi:10.1371/journal.pone.0196391; the split is ours",
    ),
)

__all__ = ["TASKS"]
