"""Defects of the published code, and what cannot be known from what is published."""

from __future__ import annotations

from typing import Final

from affectbench.errata.rows import (
    AVB,
    AVB_CODE,
    AVB_REGRESSION,
    COMPARE_CODE,
    E2Y_CODE,
    EXVO_CODE,
    RUN,
    Erratum,
)


def _official_ccc() -> str:
    from affectbench.metrics import ccc

    few, release = list(range(5)), list(range(19_396))
    return (
        f"truth and prediction equal: {ccc(few, few, variant='official'):g} for 5 clips, "
        f"{ccc(release, release, variant='official'):g} for the {len(release):,} of dev"
    )


def _union() -> str:
    from affectbench.metrics import uar

    truth, prediction = [0, 0, 1, 1], [0, 2, 1, 1]
    return (
        f"truth {truth}, prediction {prediction}: {uar(truth, prediction, variant='union'):g} over "
        f"the union, {uar(truth, prediction):g} over the classes of the truth"
    )


def _classes() -> str:
    return f'len("Voc_Type") = {len("Voc_Type")}'


def _age_matrix() -> str:
    return f"19,990 x 19,990 float64 = {19_990**2 * 8 / 1e9:.1f} GB"


def _age_share() -> str:
    def share(ccc: float, uar: float, mae: float) -> float:
        return mae / (1 / ccc + 1 / uar + mae)

    return (
        f"share of the age in the denominator 1/C + 1/U + MAE: {share(0.416, 0.506, 4.22):.0%} at "
        f"C .416, U .506, MAE 4.22 (Table 6a); {share(0.70, 0.72, 3.9):.0%} at .70, .72, 3.9"
    )


CODE: Final = (
    Erratum(
        name="ccc-degrees-of-freedom",
        kind="code",
        where="metric of the feature baselines",
        tasks=(*AVB_REGRESSION, "exvo-multitask"),
        says="CCC with variances over n - 1, covariance over n, float32 means, rounded to four "
        "decimals for each column before the mean is taken.",
        holds="A perfect prediction scores (n - 1) / n. `ccc.official` computes it so; "
        "`ccc.population`, Lin's definition, ranks. At the size of the release they differ by less "
        "than the rounding, on a few clips by a lot.",
        source=f"{AVB_CODE}; {EXVO_CODE}",
        arithmetic=_official_ccc,
    ),
    Erratum(
        name="uar-union",
        kind="code",
        where="UAR",
        tasks=("avb-type", "exvo-multitask"),
        says="scikit-learn's macro recall: the mean over classes of truth or prediction.",
        holds="A class that was only predicted counts as a recall of 0. `uar.union` does so; "
        "`uar.truth` ranks. On complete parts they are equal.",
        source=f"{AVB_CODE}; {EXVO_CODE}",
        arithmetic=_union,
    ),
    Erratum(
        name="last-epoch",
        kind="code",
        where="training of the feature baselines",
        tasks=(*AVB, "exvo-multitask"),
        says="Training stops on the loss of dev with an absolute delta (.1 ExVo, .01 A-VB), and "
        "the last epoch is evaluated.",
        holds="The kept model is worse than its best epoch. `--mode official` does the same; "
        "`sound` restores the best dev epoch by the task's metric.",
        source=f"{AVB_CODE}; {EXVO_CODE}",
    ),
    Erratum(
        name="seed-after-weights",
        kind="code",
        where="seeds of the feature baselines",
        tasks=(*AVB, "exvo-multitask"),
        says="The seed is set after the model is built, and the list of seeds is itself drawn "
        "without a seed; the best seed on dev is reported.",
        holds="The initial weights are not reproducible. Ours draws them from a stated seed, and "
        "the value of a system is the mean over its seeds.",
        source=f"{AVB_CODE}; {EXVO_CODE}",
    ),
    Erratum(
        name="type-classes",
        kind="code",
        where="number of classes",
        tasks=("avb-type",),
        says="The length of the column's name.",
        holds="By chance it is the number of classes.",
        source=AVB_CODE,
        arithmetic=_classes,
    ),
    Erratum(
        name="avb-pearson",
        kind="code",
        where="instructions to participants",
        tasks=("avb-two", "avb-culture"),
        says="Pearson's correlation is announced beside the CCC.",
        holds="The code never computes it.",
        source=AVB_CODE,
    ),
    Erratum(
        name="submission-zeros",
        kind="code",
        where="files that the baselines write",
        tasks=(*AVB, "exvo-multitask"),
        says="Ids such as [123] or ['00123'].",
        holds="The official form is [00123]. The reader accepts all three and says what it "
        "repaired; the writer writes the official one.",
        source=f"{AVB_CODE}; {EXVO_CODE}",
    ),
    Erratum(
        name="south-africa",
        kind="code",
        where="header of the Culture submission",
        tasks=("avb-culture",),
        says="`SouthAfrica_Sadness` in the instructions.",
        holds="The label file and the code say `South Africa_Sadness`. Both are read, the second "
        "is written.",
        source=AVB_CODE,
    ),
    Erratum(
        name="end2you-chunk",
        kind="code",
        where="End2You, the published baseline",
        tasks=AVB,
        says="A clip is cut into frames of 0.1 s.",
        holds="The last full frame is dropped, and clips under 0.2 s have none.",
        source=E2Y_CODE,
    ),
    Erratum(
        name="two-scale",
        kind="open",
        where="labels of valence and arousal",
        tasks=("avb-two",),
        says="1 is unpleasant or subdued, 5 neutral, 9 pleasant or stimulated.",
        holds="The released values lie in 0 to 1. Whether by (x - 1) / 8 or x / 9 is not known: "
        "the two differ in where neutral lies. The CCC does not depend on it.",
        source=AVB_CODE,
    ),
    Erratum(
        name="culture-blanks",
        kind="open",
        where="labels of Culture",
        tasks=("avb-culture",),
        says="Forty columns, ten emotions as rated in four countries.",
        holds="Whether every clip was rated in all four is not known. A blank cell is masked in "
        "loss and metric, and counted.",
        source=AVB_CODE,
    ),
    Erratum(
        name="mtl-inverse",
        kind="code",
        where="column MAE of the ExVo results",
        tasks=("exvo-multitask",),
        says="MAE",
        holds="It holds 1 / MAE. Here both have a name of their own.",
        source=EXVO_CODE,
    ),
    Erratum(
        name="mtl-negative",
        kind="code",
        where="S_MTL of a negative CCC",
        tasks=("exvo-multitask",),
        says="The harmonic mean of SciPy.",
        holds="Older versions raise, newer ones give NaN, and the seed with NaN is then taken for "
        "the best. `s_mtl.official` is NaN there; `s_mtl.sound` is 0, as the limit is.",
        source=EXVO_CODE,
    ),
    Erratum(
        name="mtl-age-matrix",
        kind="code",
        where="CCC of the age, every epoch",
        tasks=("exvo-multitask",),
        says="A column of N against a row of N.",
        holds="An N x N matrix is built for a number near 0 that is not used.",
        source=EXVO_CODE,
        arithmetic=_age_matrix,
    ),
    Erratum(
        name="mtl-age-rules",
        kind="code",
        where="S_MTL",
        tasks=("exvo-multitask",),
        says="Three terms of equal standing.",
        holds="The unit of the age, years, decides how much it weighs, and it weighs the more the "
        "better the rest is. Read the three parts beside the score.",
        source=EXVO_CODE,
        arithmetic=_age_share,
    ),
    Erratum(
        name="fewshot-evaluation",
        kind="code",
        where="few-shot evaluation",
        tasks=("exvo-fewshot",),
        says="Adapts to two support clips and predicts the query.",
        holds="It writes the output for the first support clip, from before the adaptation, under "
        "the name of the query; only the last clip of a speaker is predicted; weights are carried "
        "from speaker to speaker; batch normalisation stays in training mode. The printed .444, "
        "far below what no personalisation gives, may come from that. The protocol here: adapt a "
        "copy, predict all other clips of the speaker, restore. A system that does not adapt is "
        "run as it is, and its result says that support labels were not used.",
        source=EXVO_CODE,
    ),
    Erratum(
        name="fewshot-normalisation",
        kind="code",
        where="few-shot audio",
        tasks=("exvo-fewshot",),
        says="Divided by the largest absolute value in training.",
        holds="Not normalised in the test.",
        source=EXVO_CODE,
    ),
    Erratum(
        name="fid-statistics",
        kind="code",
        where="Fréchet distance",
        tasks=("exvo-generate",),
        says="Statistics of ten emotions and a classifier are announced.",
        holds="There are none for Triumph, and the weights of the classifier are not at hand: the "
        "published scale cannot be reproduced without them. Statistics of the wav and of the webm "
        "classifier must not be mixed. Audio is divided by its largest, not its largest absolute "
        "value, and a clip of whole frames gets an empty one more.",
        source=EXVO_CODE,
    ),
    Erratum(
        name="share-test-rho",
        kind="code",
        where="per-emotion rho of test",
        tasks=("emotion-share",),
        says="Nine values.",
        holds="All nine are the last one of dev. The mean and the interval are right.",
        source=COMPARE_CODE,
    ),
    Erratum(
        name="share-fusion",
        kind="code",
        where="late fusion of four systems",
        tasks=("emotion-share",),
        says="The mean of the raw predictions.",
        holds="It stops with an error from pandas 2.0 on.",
        source=COMPARE_CODE,
    ),
    Erratum(
        name="share-grid-edge",
        kind="code",
        where="choice of C",
        tasks=("emotion-share",),
        says="C from 1e-6 to 1e-2.",
        holds="The best C of wav2vec2 is the largest on offer. The late fusion is worse than "
        "wav2vec2 alone.",
        source=RUN,
    ),
    Erratum(
        name="share-speakers",
        kind="open",
        where="lab files",
        tasks=("emotion-share",),
        says="Speaker-independent parts.",
        holds="The files name no speakers, so intervals resample seeds, told by equal labels.",
        source=COMPARE_CODE,
    ),
    Erratum(
        name="sonata-split",
        kind="open",
        where="split and text files",
        tasks=("sonata-emotion",),
        says="A split by speaker; a text file beside each recording.",
        holds="Neither the file of the split nor the form of the time stamps is published. A split "
        "of ours is named as ours and is not comparable with Table 10.",
        source="workshop paper (arXiv:2403.14048), section 2.3",
    ),
)
