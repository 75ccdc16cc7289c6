"""The nouns of the benchmark. Read this file first.

    Corpus.read(root) -> clips -> FeatureSet -> System, per part of a Task -> predictions
    predictions -> Metric, bootstrap by group -> Score

Shapes, here and everywhere: T samples, F frames, D dims, N clips, C classes or emotions,
S speakers, G groups, B bootstrap draws. Units are in the name: rate_hz, start_s, level_db.
Parts of a split are ``train``, ``dev`` and ``test``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from affectbench.errors import BadData

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.float64]
PARTS: Final = ("train", "dev", "test")
Kind = Literal["regression", "classification", "composite", "generation"]
Progress = Callable[[str, int, int], None]  # told of a stage: its name, what is done, what there is


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something odd about a corpus folder that a reader must know before trusting a number."""

    kind: str  # "audio without label", "label without audio", "speakers unknown", ...
    items: tuple[str, ...]  # the clips or files concerned
    fatal: bool  # True: a run stops unless told to go on
    advice: str  # what to do about it


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading a folder gives: the clips (``schema.CLIPS``) and what is odd about them."""

    clips: pl.DataFrame
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A published count that a folder is checked against, and what is known to be wrong with it."""

    what: str  # "clips", "speakers", "train clips", "duration_s", "female speakers of train", ...
    value: float
    source: str  # "workshop paper, Table 2"
    status: Literal["published", "correction"] = "published"
    note: str = ""  # why a correction is one


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A file of an open corpus at its published home."""

    url: str
    path: str  # below the corpus folder
    size_bytes: int | None = None  # None: not published; then only the transfer is checked
    sha256: str = ""
    unpack: bool = False  # an archive, to be unpacked where it lies


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """A body of recordings: its facts, and how its released layout is read."""

    name: str  # "hume-vocalburst"
    title: str
    access: Literal["open", "gated"]
    licence: str  # SPDX id, or the name of the agreement
    source: str  # paper with DOI or arXiv id
    home: str  # where it is published, or who grants access
    languages: tuple[str, ...]  # BCP 47; empty for non-verbal corpora
    published: Mapping[str, int]  # facts to check a folder against: clips, speakers, ...
    layout: str  # the files that ``read`` looks for, in one line
    read: Callable[[Path], Reading]  # touches names and label files, never audio samples
    targets: tuple[Target, ...] = ()  # label columns that a folder may hold, for checking
    marks: tuple[str, ...] = ()  # globs that give the layout away, the most telling first
    facts: tuple[Fact, ...] = ()  # Tables 1-4 and their known corrections
    remotes: tuple[Remote, ...] = ()  # open corpora: what ``affectbench get`` downloads
    access_how: str = ""  # gated corpora: who grants access, how, what to put where
    # labels and speakers alone, for scoring what was blind: folder of label files -> clips
    read_labels: Callable[[Path], pl.DataFrame] | None = None
    # name of a target of vote shares -> column that counts the raters of each clip
    raters: Mapping[str, str] = field(default_factory=dict)
    twin: Callable[..., Path] | None = None  # (root, scale, seed) -> root of a synthetic copy


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a task predicts: columns of the clips table and their range, or classes."""

    name: str  # "emotions"
    kind: Literal["regression", "classification"]
    columns: tuple[str, ...]  # one per output (regression); the one class column (classification)
    classes: tuple[str, ...] = ()  # in the order of the official label encoding
    low: float = 0.0  # range of a regression label
    high: float = 1.0
    nan_ok: bool = False  # True: a label may be blank and is masked in loss and metric

    @property
    def outputs(self) -> int:
        """C: classes of a classification, columns of a regression."""
        return len(self.classes) if self.kind == "classification" else len(self.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A rule that puts each clip into train, dev or test, by name and version."""

    name: str  # "emogator/contributors-60-20-20"
    version: int
    disjoint: str | None  # column that no two parts share ("speaker"); None where it is unknown
    released: bool  # True: came with the corpus; False: ours
    assign: Callable[[pl.DataFrame], pl.Series]  # clips -> part of each clip; of folds the first's
    folds: tuple[Split, ...] = ()  # of cross-validation: each is run, their predictions are pooled


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One reading of one measure.

    ``compute(truth, prediction, outputs)`` gives a value per output, [C]: a CCC per column, a
    recall per class. ``resampled(truth, prediction, group, counts, outputs)`` gives the same for
    many bootstrap draws at once, [B, C]: ``group`` [N] is the group index of each clip, ``counts``
    [B, G] how often each group was drawn. Undefined is NaN. ``combine`` turns [..., C] into
    [...]: the mean over outputs, by the NaN rule of the variant.

    What truth and prediction are, by kind:

    - regression: [N, C] floats; classification: [N] class indices in 0..C-1; ``outputs`` is C.
    - composite: a tuple of those, one for each of ``parts``, and ``outputs`` a tuple of their C.
      Its own outputs are the combined values of its parts.
    - generation: the Fréchet distance and the HEEP of each emotion, both [..., C].
    """

    name: str  # "ccc"
    variant: str  # "population"
    kind: Kind
    compute: Callable[[Any, Any, Any], Floats]
    resampled: Callable[[Any, Any, NDArray[np.intp], NDArray[Any], Any], Floats]
    combine: Callable[[Floats], Floats]
    low: float  # worst value
    high: float  # best value
    source: str
    about: str = ""  # how it is computed, in a sentence
    parts: tuple[Metric, ...] = ()  # of a composite: one a target, in the order of the task's
    # (truth, prediction) -> low and high [C] of each output: an interval that was published with
    # the measure and is no bootstrap by group
    bounds: Callable[[Floats, Floats], tuple[Floats, Floats]] | None = None
    bounds_level: float = float("nan")  # coverage that they aim at, and the draws they are made of
    bounds_draws: int = 0

    @property
    def key(self) -> str:
        """``ccc.population``: the name under which a score is stored."""
        return f"{self.name}.{self.variant}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """The file that a participant hands in: one CSV, comma separated, one row a test clip."""

    stem: str  # "A-VB-High": the file is A-VB-High_<team>_<number>.csv
    key: str  # header of the id column: "File_ID"
    bracketed: bool  # whether an id is written [00123]
    columns: Mapping[str, str]  # header, in the official order -> column of the targets
    codes: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # classes written as 0, 1, ..
    aliases: Mapping[str, str] = field(default_factory=dict)  # other spelling -> header
    official: bool = True  # False: there is no official format, this one is ours
    attempts: int = 5  # per team
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A published task: corpus, targets, split, and the metric that ranks.

    A task of several targets is ranked by a composite metric with one part a target.
    """

    name: str  # "avb-high"
    title: str
    corpus: Corpus
    targets: tuple[Target, ...]
    split: Split
    metric: Metric  # the one that ranks
    also: tuple[Metric, ...]  # reported beside it
    source: str
    submission: Submission | None = None  # None: one of ours, submission.form_of
    version: int = 1  # raised when old scores stop being comparable
    protocol: Literal["predict", "personalise", "generate"] = "predict"
    group: str = "speaker"  # what intervals resample: a column of the clips

    @property
    def target(self) -> Target:
        """The only target.

        Raises:
            BadData: there are several.
        """
        if len(self.targets) > 1:
            names = ", ".join(target.name for target in self.targets)
            raise BadData(f"{self.name} has several targets ({names}); expected a task with one.")
        return self.targets[0]

    @property
    def columns(self) -> tuple[str, ...]:
        """The label columns of all targets."""
        return tuple(column for target in self.targets for column in target.columns)

    def single(self) -> tuple[Task, ...]:
        """The task itself if it has one target; else one task a target, ranked by its part."""
        if len(self.targets) == 1:
            return (self,)
        pairs = zip(self.targets, self.metric.parts, strict=True)
        return tuple(replace(self, targets=(t,), metric=part, also=()) for t, part in pairs)


Extractor = Callable[[NDArray[np.int16]], NDArray[np.float32]]  # [T] samples -> [D]
Batch = Callable[[Sequence[NDArray[np.int16]]], NDArray[np.float32]]  # n waves [T] -> [n, D]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSet:
    """Numbers per clip: a name, a version, a dimension, and one of six ways to come by them.

    - ``open``: an extractor of one wave; it runs in worker processes, one extractor each.
    - ``many``: an extractor of many waves, in this process: a network, on its device. The same
      clip gets the same numbers whatever stands beside it.
    - ``learn``: learnt from the waves of the corpus, without labels, before it can be extracted.
    - ``of_clips``: by clip id or from other columns of the clips table; audio is not read.
    - ``parts``: other sets side by side, each from its own cache (``features.joined``).
    - ``waves``: no numbers (D = 0): the system hears the waves themselves, ``Part.waves``.
    """

    name: str  # "egemaps"
    title: str
    dim: int  # D
    names: Callable[[], tuple[str, ...]]  # [D] column names
    identity: Callable[[], Mapping[str, str]]  # all that the values depend on besides the samples
    open: Callable[[], Extractor] | None = None
    many: Callable[[], Batch] | None = None
    learn: Callable[[Any, Progress | None], FeatureSet] | None = None  # of audio.Waves
    of_clips: Callable[[pl.DataFrame], NDArray[np.float32]] | None = None  # schema.CLIPS -> [N, D]
    parts: tuple[FeatureSet, ...] = ()
    waves: bool = False
    rate_hz: int = 16_000
    min_samples: int = 1  # shorter clips are padded with zeros, and reported
    extra: str = ""  # the optional dependency that it needs
    licence: str = ""
    source: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)  # to be told in every result


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a task as a system sees it."""

    clips: tuple[str, ...]  # [N] ids, in the order of the rows
    features: NDArray[np.float32]  # [N, D]
    # [N, C] float64 (NaN where blank) or [N] class indices; empty when blind. For a joint system
    # a tuple of those, one a target.
    labels: Any
    speakers: tuple[str | None, ...]  # [N]
    waves: Sequence[NDArray[np.int16]] = ()  # [N] of [T], read when asked for; for who hears waves


class Model(Protocol):
    """What a system builds: scikit-learn's manners, with a dev part to choose on."""

    def fit(self, train: Part, dev: Part) -> Model:
        """Learn from train, choose on dev."""
        ...

    def predict(self, part: Part) -> Any:
        """[N, C]: values in the order of the target's columns, or one score per class.

        The class is the one of the highest score, the first of equals. A joint model gives a
        sequence of those, one a target.
        It is asked for dev with the model that never saw dev, before any refit.
        """
        ...

    def report(self) -> dict[str, Any]:
        """What was chosen and how the training went; goes into the result as JSON."""
        ...


class Refitting(Model, Protocol):
    """A model of a system with ``refit=True``: refitted on train and dev after the choice."""

    def refit(self, train: Part, dev: Part) -> Refitting:
        """Learn again from train and dev, with the settings that ``fit`` chose."""
        ...


class Adapting(Model, Protocol):
    """A model of a system with ``adapts=True``: it can be made one speaker's."""

    def adapt(self, support: Part) -> Model:
        """Another model, fitted to the k support clips of one speaker; this one stays as it is.

        Of ``Part`` all fields are as in training. k is 1 at least: for 0 the model itself is asked.
        """
        ...


@runtime_checkable
class Resumable(Protocol):
    """A model that trains for long: it keeps checkpoints and tells how far it is."""

    def attend(self, folder: Path, progress: Progress | None) -> None:
        """Called before ``fit``: where checkpoints belong, and whom to tell.

        A ``fit`` of the same data that was killed goes on from what lies in the folder. The caller
        removes the folder when the result is written.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A recipe with its features, published or the user's own.

    ``build(task, seed, mode)`` returns a fresh ``Model``. Modes: ``sound`` is how it should be
    done, ``official`` is what the published code computes, defects included.
    """

    name: str  # "egemaps-mlp"
    title: str
    features: FeatureSet
    build: Callable[[Task, int, str], Any]  # a Model; a Refitting one where refit is True
    seeds: tuple[int, ...] = (0,)
    modes: tuple[str, ...] = ("sound",)  # the first is the default
    refit: bool = False  # True: test predictions come from a model refit on train and dev
    joint: bool = False  # True: one model for all targets of a task, not one a target
    adapts: bool = False  # True: Adapting; on a personalise task it learns from support clips
    members: tuple[str, ...] = ()  # of a fusion: the systems whose predictions are averaged
    extra: str = ""  # the optional dependency that it needs
    settings: Mapping[str, Any] = field(default_factory=dict)  # goes into the result, word for word
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A system without its features: what ``--features X --system NAME`` joins.

    The fields are those of ``System``; its name is ``<features>-<suffix>``.
    """

    name: str  # "linear-svr"
    suffix: str  # "svr"
    title: str
    build: Callable[[Task, int, str], Any]
    seeds: tuple[int, ...] = (0,)
    modes: tuple[str, ...] = ("sound",)
    refit: bool = False
    joint: bool = False
    adapts: bool = False
    extra: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""

    def on(self, features: FeatureSet, *, name: str = "", title: str = "") -> System:
        """The system of this recipe on a feature set, by default called after both."""
        kept = {field.name: getattr(self, field.name) for field in fields(self)}
        del kept["suffix"]
        kept["name"] = name or f"{features.name}-{self.suffix}"
        kept["title"] = title or f"{features.title}, {self.title}"
        return System(features=features, **kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A value with its interval: never a bare float."""

    value: float  # NaN where undefined, never 0
    low: float
    high: float
    level: float  # 0.95
    clips: int  # scored
    groups: int  # what was resampled: speakers, not clips; 0 where no interval could be made
    group_by: str  # "speaker", "seed", "clip", or "" where no interval could be made
    draws: int  # values that the interval is made of; of a jackknife as many as groups
    undefined: int  # draws in which the metric had no value
    method: str  # see intervals.methods; "published", or "" where no interval could be made
