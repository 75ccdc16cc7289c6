"""The tasks: the benchmark on one page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from affectbench import splits
from affectbench.corpora import (
    emogator,
    hume_prosody,
    hume_vocalburst,
    modulate_sonata,
    ravdess,
    sonata_splits,
)
from affectbench.metrics import METRICS
from affectbench.rows import Table
from affectbench.types import Submission, Target, Task

CCC: Final[Mapping[str, Any]] = {
    "metric": METRICS["ccc.population"],
    "also": (METRICS["ccc.official"], METRICS["ccc.sample"]),
}
UAR: Final[Mapping[str, Any]] = {
    "metric": METRICS["uar.truth"],
    "also": (METRICS["uar.union"], METRICS["accuracy.share"]),
}
AVB: Final = "Baird et al. 2022, A-VB, arXiv:2207.03572; workshop paper (arXiv:2403.14048)"
EXVO: Final = "Baird et al. 2022, ExVo, arXiv:2205.01780; workshop paper (arXiv:2403.14048)"


def _same(*targets: Target) -> dict[str, str]:
    """Headers that are the names of the label columns."""
    return {column: column for target in targets for column in target.columns}


def _avb(name: str, target: Target, *, aliases: Mapping[str, str] | None = None) -> Submission:
    """``A-VB-<name>_<team>_<number>.csv``."""
    return Submission(
        stem=f"A-VB-{name}",
        key="File_ID",
        bracketed=True,
        columns=_same(target),
        aliases=aliases or {},
        source="A-VB 2022, instructions to participants",
    )


TASKS: Final[Table[Task]] = Table(
    "task",
    Task(
        name="emotion-share",
        title="ComParE 2023 Emotion Share: nine emotions in imitated sentences",
        corpus=hume_prosody.CORPUS,
        targets=(hume_prosody.SHARE,),
        split=splits.released("hume-prosody/compare-2023"),
        metric=METRICS["spearman.mean"],
        also=(METRICS["spearman.official"], METRICS["pearson.mean"], METRICS["mae.mean"]),
        source="Schuller et al. 2023, arXiv:2304.14882; workshop paper, Table 5",
        submission=Submission(
            stem="Emotion-Share",
            key="filename",
            bracketed=False,
            columns=_same(hume_prosody.SHARE),
            aliases={f"{name}_pred": name for name in hume_prosody.EMOTIONS},
            source="ComParE 2023, as participants handed in; the file name is ours",
        ),
        group="seed",
    ),
    Task(
        name="exvo-multitask",
        title="ExVo MultiTask: ten emotions, country and age",
        corpus=hume_vocalburst.CORPUS,
        targets=(hume_vocalburst.HIGH, hume_vocalburst.COUNTRY, hume_vocalburst.AGE),
        split=splits.released("hume-vocalburst/exvo-2022"),
        metric=METRICS["s_mtl.sound"],
        also=(METRICS["s_mtl.official"],),
        source=f"{EXVO}, Table 6a",
        submission=Submission(
            stem="ExVo-Multi",
            key="File_ID",
            bracketed=True,
            columns={"Country": "country", "Age": "age", **_same(hume_vocalburst.HIGH)},
            codes={"country": hume_vocalburst.COUNTRY.classes},
            source="ExVo 2022, instructions to participants",
        ),
    ),
    Task(
        name="exvo-fewshot",
        title="ExVo FewShot: ten emotions, two labelled clips a speaker",
        corpus=hume_vocalburst.CORPUS,
        targets=(hume_vocalburst.HIGH,),
        split=splits.released("hume-vocalburst/exvo-2022"),
        **CCC,
        source=f"{EXVO}, Table 6c",
        submission=Submission(
            stem="ExVo-Few",
            key="File_ID",
            bracketed=True,
            columns=_same(hume_vocalburst.HIGH),
            source="ExVo 2022, instructions to participants",
        ),
        protocol="personalise",
    ),
    Task(
        name="exvo-generate",
        title="ExVo Generate: a hundred new bursts for each of ten emotions",
        corpus=hume_vocalburst.CORPUS,
        targets=(hume_vocalburst.HIGH,),
        split=splits.released("hume-vocalburst/exvo-2022"),
        metric=METRICS["s_gen.mean"],
        also=(METRICS["s_gen.published"],),
        source=f"{EXVO}, Table 6b",
        submission=Submission(
            stem="ExVo-Generate",
            key="clip",
            bracketed=False,
            columns={},
            official=False,
            source="ExVo 2022 asks for 100 wavs an emotion; the names of the files are ours",
        ),
        protocol="generate",
    ),
    Task(
        name="avb-high",
        title="A-VB High: ten emotions",
        corpus=hume_vocalburst.CORPUS,
        targets=(hume_vocalburst.HIGH,),
        split=splits.released("hume-vocalburst/avb-2022"),
        **CCC,
        source=f"{AVB}, Table 7",
        submission=_avb("High", hume_vocalburst.HIGH),
    ),
    Task(
        name="avb-two",
        title="A-VB Two: valence and arousal",
        corpus=hume_vocalburst.CORPUS,
        targets=(hume_vocalburst.TWO,),
        split=splits.released("hume-vocalburst/avb-2022"),
        **CCC,
        source=f"{AVB}, Table 7",
        submission=_avb("Two", hume_vocalburst.TWO),
    ),
    Task(
        name="avb-culture",
        title="A-VB Culture: ten emotions as rated in four countries",
        corpus=hume_vocalburst.CORPUS,
        targets=(hume_vocalburst.CULTURE,),
        split=splits.released("hume-vocalburst/avb-2022"),
        **CCC,
        source=f"{AVB}, Table 7",
        submission=_avb(
            "Culture",
            hume_vocalburst.CULTURE,
            aliases={"SouthAfrica_Sadness": "South Africa_Sadness"},
        ),
    ),
    Task(
        name="avb-type",
        title="A-VB Type: eight kinds of burst",
        corpus=hume_vocalburst.CORPUS,
        targets=(hume_vocalburst.TYPE,),
        split=splits.released("hume-vocalburst/avb-2022"),
        **UAR,
        source=f"{AVB}, Table 7",
        submission=_avb("Type", hume_vocalburst.TYPE),
    ),
    Task(
        name="sonata-emotion",
        title="SONATA: 25 emotions in acted scripts",
        corpus=modulate_sonata.CORPUS,
        targets=(modulate_sonata.EMOTION,),
        split=modulate_sonata.TABLE3,
        **UAR,
        source="workshop paper (arXiv:2403.14048), Table 10",
    ),
    Task(
        name="sonata-sentences",
        title="SONATA: 25 emotions in sentences that were not learnt from",
        corpus=modulate_sonata.CORPUS,
        targets=(modulate_sonata.EMOTION,),
        split=sonata_splits.SENTENCES,
        **UAR,
        source="workshop paper (arXiv:2403.14048), section 2.3; the evaluation is ours",
    ),
    Task(
        name="emogator-emotion",
        title="EmoGator: thirty emotions in open vocal bursts",
        corpus=emogator.CORPUS,
        targets=(emogator.EMOTION,),
        split=splits.by_group("emogator/contributors-60-20-20"),
        **UAR,
        source="Buhl 2023, arXiv:2301.00508; the split is ours, none was published",
    ),
    Task(
        name="emogator-fewshot",
        title="EmoGator FewShot: thirty emotions, two labelled clips a speaker",
        corpus=emogator.CORPUS,
        targets=(emogator.EMOTION,),
        split=splits.by_group("emogator/contributors-60-20-20"),
        **UAR,
        source="Buhl 2023, arXiv:2301.00508; protocol of ExVo FewShot, split and support are ours",
        protocol="personalise",
    ),
    Task(
        name="ravdess-emotion",
        title="RAVDESS: eight acted emotions, six folds of four actors",
        corpus=ravdess.CORPUS,
        targets=(ravdess.EMOTION,),
        split=ravdess.SIX_FOLDS,
        **UAR,
        source="Livingstone & Russo 2018, doi:10.1371/journal.pone.0196391; test actors of the "
        "folds of EmoBox (Ma et al. 2024, arXiv:2406.07162), which fold is dev is ours",
        version=2,
    ),
)

__all__ = ["TASKS"]
