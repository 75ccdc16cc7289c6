"""``embedding``: a feature set of a pretrained speech model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from affectbench.device import device as default_device
from affectbench.errors import AffectBenchError, BadData, MissingExtra
from affectbench.features.embeddings.embedder import OVERLAP, Embedder
from affectbench.features.embeddings.families import RATE_HZ, Anatomy, read_anatomy
from affectbench.features.embeddings.hub import Checkpoint, Source, find, source_of
from affectbench.features.embeddings.models import CARD, MODELS, PretrainedModel
from affectbench.features.embeddings.network import Network
from affectbench.features.embeddings.pooling import POOLINGS, Pooling, column_names
from affectbench.rows import Table
from affectbench.types import Batch, FeatureSet

CHUNK_S: Final = 30.0
LEAST_CHUNK_S: Final = 1.0
BATCH_S: Final = 240.0  # of audio at once on a GPU
DTYPES: Final = ("float32", "float16", "bfloat16")
NONSENSE: Final = "random weights: a stand-in, its numbers mean nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What is wanted of which model."""

    source: Source
    layers: tuple[int, ...]
    pooling: Pooling
    chunk_s: float
    device: str | None
    dtype: str | None
    # What the model is said to be; checked when it is opened.
    dim: int
    depth: int
    field: int
    window: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    """A model as its row or its files describe it."""

    title: str
    id: str
    dim: int
    depth: int
    field: int
    window: int  # samples; 0: none
    licence: str
    trained_on: str
    source: str
    revision: str | None
    stand_in: bool


def embedding(
    model: str | Path,
    *,
    layer: int | str = "last",
    pooling: Pooling = "mean",
    chunk_s: float | None = None,
    name: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
) -> FeatureSet:
    """Pooled states of a pretrained speech model, a vector a clip.

    The model is not downloaded. For a row of MODELS nothing is read and nothing imported before
    the features are extracted; for another hub id, or a folder, its configuration is read now.

    The same clip gets the same vector whatever stands beside it, to 1e-5 in single precision.

    The organisers' script for HUME-PROSODY loads audio at 22.05 kHz and resamples it to 16 kHz
    before the model hears it; here the wave is prepared at 16 kHz once.

    Args:
        model: A row of MODELS, an id on the Hugging Face hub, or a folder with config.json,
            preprocessor_config.json and weights, of one of FAMILIES.
        layer: 0 is what enters the encoder, n the output of its n-th layer, "last" the output of
            the encoder (after its final normalisation, where it has one; so is the last n), "all"
            every layer from 0 on, side by side.
        pooling: Over the frames of a clip: "mean", or "mean+std" with the population standard
            deviation. Padding never counts.
        chunk_s: Longer clips are cut into chunks that overlap by a tenth; each frame counts once,
            with half the overlap as context. What a model looks at as a whole (attention, and the
            group normalisation of base models) is the chunk. None: 30 s, or what the model hears
            at once where that is less.
        name: Of the feature set; default: that of the model, with what differs from the defaults.
        device: "cpu", "cuda", "cuda:1"; None: a GPU where there is one.
        dtype: "float32", "float16", "bfloat16"; None: half precision on a GPU, else single.
        revision: Commit, tag or branch on the hub; None: the one that is there.

    Raises:
        UnknownName: no such model.
        MissingData: a model that is no row of MODELS is not on this machine.
        BadData: it is half downloaded, of a family that is not known, or its files contradict.
        AffectBenchError: a setting is out of range.
    """
    _check(pooling, dtype)
    source = source_of(model, revision)
    about = _about_row(source.row, revision) if source.row else _about_files(source)
    chunk_s = _chunk(chunk_s, about)
    layers = _layers(layer, about)
    request = _Request(
        source=source,
        layers=layers,
        pooling=pooling,
        chunk_s=chunk_s,
        device=device,
        dtype=dtype,
        dim=about.dim,
        depth=about.depth,
        field=about.field,
        window=about.window,
    )
    suffix = f"-layer{layer}" if isinstance(layer, int) else "-all" * (layer == "all")
    pooled = pooling.replace("+", " and ")
    where = {"last": "the last layer", "all": "all layers"}.get(str(layer), f"layer {layer}")
    return FeatureSet(
        name=name or f"{source.name}{suffix}{'-std' * (pooling == 'mean+std')}",
        title=f"{about.title}: {pooled} of {where}",
        dim=len(layers) * about.dim * len(pooling.split("+")),
        names=partial(column_names, layers, about.dim, pooling),
        identity=partial(_identity, request),
        many=partial(_open, request),
        rate_hz=RATE_HZ,
        min_samples=about.field,
        extra="embeddings",
        licence=about.licence,
        source=about.source,
        facts={
            **({"name": source.row.name} if source.row else {}),
            "model": about.id,
            "revision": about.revision,
            "licence": about.licence,
            "trained_on": about.trained_on,
            "layer": layer,
            "pooling": pooling,
            "chunk_s": chunk_s,
            **({"stand_in": NONSENSE} if about.stand_in else {}),
        },
    )


def _check(pooling: str, dtype: str | None) -> None:
    """Settings that no model would take."""
    if pooling not in POOLINGS:
        raise AffectBenchError(f"pooling is {pooling!r}; expected one of {', '.join(POOLINGS)}.")
    if dtype is not None and dtype not in DTYPES:
        raise AffectBenchError(f"dtype is {dtype!r}; expected one of {', '.join(DTYPES)}.")


def _chunk(chunk_s: float | None, about: _About) -> float:
    """Seconds of a chunk."""
    most = about.window / RATE_HZ or math.inf
    if chunk_s is None:
        return min(CHUNK_S, most)
    if not LEAST_CHUNK_S <= chunk_s <= most or math.isinf(chunk_s):
        limit = (
            f" to {most:g} s, all that {about.id} hears at once" if about.window else " s or more"
        )
        raise AffectBenchError(f"chunk_s is {chunk_s:g}; expected {LEAST_CHUNK_S:g}{limit}.")
    return float(chunk_s)


def _layers(layer: int | str, about: _About) -> tuple[int, ...]:
    """The layers that are meant."""
    if layer == "last":
        return (about.depth,)
    if layer == "all":
        return tuple(range(about.depth + 1))
    if isinstance(layer, int) and 0 <= layer <= about.depth:
        return (layer,)
    raise AffectBenchError(
        f"layer is {layer!r}; {about.id} has {about.depth} layers: expected 0 to {about.depth}, "
        "'last' or 'all'."
    )


def _about_row(row: PretrainedModel, revision: str | None) -> _About:
    """Of a row of MODELS: without a look at the disk."""
    return _About(
        title=row.title,
        id=row.id,
        dim=row.dim,
        depth=row.layers,
        field=row.grid.field,
        window=row.window,
        licence=row.licence,
        trained_on=row.trained_on,
        source=row.source,
        revision=revision,
        stand_in=False,
    )


def _about_files(source: Source) -> _About:
    """Of another model: from its files."""
    checkpoint = find(source)
    anatomy = read_anatomy(checkpoint)
    known = source.id or str(checkpoint.mark.get("model", ""))
    random = checkpoint.stand_in
    row = next((row for row in MODELS.values() if row.id == known), None)  # a copy of it
    return _About(
        title=f"{'stand-in for ' * random}{known or source.name}",
        id=known or source.name,
        dim=anatomy.dim,
        depth=anatomy.layers,
        field=anatomy.grid.field,
        window=anatomy.window,
        licence="none needed: random weights" if random else row.licence if row else CARD,
        trained_on="nothing" if random else row.trained_on if row else CARD,
        source=anatomy.family.source,
        revision=checkpoint.revision,
        stand_in=random,
    )


def _identity(request: _Request) -> Mapping[str, str]:
    """What the values depend on besides the samples; reads every byte of the model.

    Raises:
        MissingData: the model is not on this machine.
        BadData: it is there in part.
        MissingExtra: torch or transformers is not installed.
    """
    checkpoint = find(request.source)
    return {
        "files": checkpoint.digest(),
        **({"revision": checkpoint.revision} if checkpoint.revision else {}),
        **({"stand_in": NONSENSE} if checkpoint.stand_in else {}),
        "layers": ",".join(map(str, request.layers)),
        "pooling": request.pooling,
        "chunk_s": f"{request.chunk_s:g}",
        "overlap": f"{OVERLAP:g}",
        "dtype": _resources(request)[1],
        "transformers": _transformers(),
    }


def _open(request: _Request) -> Batch:
    """The extractor of many waves."""
    checkpoint = find(request.source)
    device, dtype = _resources(request)
    anatomy = read_anatomy(checkpoint)
    _compare(request, checkpoint, anatomy)
    return Embedder(
        Network(checkpoint, anatomy, layers=request.layers, device=device, dtype=dtype),
        anatomy,
        pooling=request.pooling,
        chunk_s=request.chunk_s,
        batch_s=0.0 if device == "cpu" else BATCH_S,
    )


def _compare(request: _Request, checkpoint: Checkpoint, anatomy: Anatomy) -> None:
    """The files must be of the model that the row, or the folder before, described."""
    found = (anatomy.dim, anatomy.layers, anatomy.grid.field, anatomy.window)
    expected = (request.dim, request.depth, request.field, request.window)
    if found != expected:
        told = "{:,} values, {} layers, {:,} samples a frame, a window of {:,} samples"
        stand_in = f" It is a stand-in ({NONSENSE})." if checkpoint.stand_in else ""
        raise BadData(
            f"{checkpoint.folder} holds another model than {request.source.name}: found "
            f"{told.format(*found)}; expected {told.format(*expected)}.{stand_in} Remove it and "
            "get the model again, or name the folder itself."
        )


def _resources(request: _Request) -> tuple[str, str]:
    """Device and precision, with the defaults of this machine filled in."""
    device, dtype = request.device, request.dtype
    if device is None:
        device = str(default_device())
    return device, dtype or ("float16" if device.startswith("cuda") else "float32")


def _transformers() -> str:
    """The version whose code computes; that of torch moves the last digits alone."""
    try:
        return version("transformers")
    except PackageNotFoundError as error:
        raise MissingExtra("transformers", "embeddings") from error


EMBEDDINGS: Final[Table[FeatureSet]] = Table("embedding", *map(embedding, MODELS))
