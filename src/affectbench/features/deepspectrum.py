"""DeepSpectrum-style features: a picture of the spectrogram, seen by a network for photographs.

A system of the ComParE 2023 late fusion, which nobody can install any more (DeepSpectrum needs
TensorFlow 1.15). As there: the mel spectrogram of the whole clip, 512 samples every 256, 128 bands
of 0 to 8 kHz, dB below the loudest, drawn from its least to its greatest value in the colours of
viridis, without axes; through a ResNet-50 trained on ImageNet; the average-pool layer, 2,048
numbers. Amiriparian et al. 2017, doi 10.21437/Interspeech.2017-434.

What differs, so that the numbers are not the published ones:

- the weights: ``microsoft/resnet-50`` (v1.5), where the original has those of Keras (v1), of
  another training, with another order and scaling of the colours;
- the picture: drawn at 224 x 224 at once, each pixel the mean colour of what it covers; the
  original lets matplotlib draw 227 x 227 pixels and resizes them. There librosa's mel axis gives
  the frequencies below 1 kHz two fifths of the height; here all bands are of equal height, which
  gives them one third;
- a clip shorter than a frame is padded with zeros; the original leaves it out.

The features that HUME-VOCALBURST ships under this name are of 4,096 numbers (another network and
layer) and are not these.
"""

from __future__ import annotations

import json
import pickle
import shutil
import uuid
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affectbench import store
from affectbench.device import checked
from affectbench.device import device as default_device
from affectbench.errors import AffectBenchError, BadData, MissingData, MissingExtra, listing
from affectbench.features.embeddings.hub import (
    CONFIG,
    MARK,
    PREPROCESSORS,
    STAND_IN,
    Checkpoint,
    Source,
    find,
    read_json,
    source_of,
)
from affectbench.features.embeddings.models import CARD, PICTURES
from affectbench.features.embeddings.network import quiet
from affectbench.features.mel import Mel, log_mel
from affectbench.types import Batch, FeatureSet

ROW: Final = PICTURES["resnet-50"]
MEL: Final = Mel(
    n_fft=ROW.grid.field, hop=ROW.grid.stride, n_mels=128, low_hz=0, high_hz=8_000, center=False
)
COLOURS: Final = "viridis"
AT_ONCE: Final = 16  # pictures: 10 MB, and some 2 GB of what the network makes of them
IMAGENET: Final = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
NONSENSE: Final = "random weights: a stand-in, its numbers mean nothing"


def deepspectrum(folder: str | Path | None = None, *, device: str | None = None) -> FeatureSet:
    """The feature set: 2,048 numbers a clip, or as many as the last layer of the model gives.

    Nothing is downloaded, and without ``folder`` nothing is read before it is extracted: the model
    is looked for in ``<cache>/models/resnet-50`` and in the Hugging Face cache. The same clip gets
    the same numbers whatever stands beside it, to 1e-5.

    Args:
        folder: Of another ResNet, with config.json, preprocessor_config.json and weights.
        device: "cpu", "cuda", "cuda:1"; None: that of the run.

    Raises:
        MissingData: there is no such folder.
        BadData: no ResNet is in it, or half of one.
    """
    source = source_of(ROW.name) if folder is None else source_of(Path(folder))
    dim, licence, facts = ROW.dim, ROW.licence, {"model": ROW.id, "trained_on": ROW.trained_on}
    if folder is not None:
        checkpoint = find(source)
        dim = _dim(checkpoint)
        random = checkpoint.stand_in
        licence = "none needed: random weights" if random else CARD
        known = str(checkpoint.mark.get("model") or source.name)
        facts = {"model": known, "trained_on": "nothing" if random else CARD}
        facts |= {"stand_in": NONSENSE} if random else {}
    return FeatureSet(
        name="deepspectrum",
        title="DeepSpectrum-style: mel spectrograms seen by a ResNet-50",
        dim=dim,
        names=partial(_names, dim),
        identity=partial(_identity, source),
        many=partial(_open, source, dim, device),
        min_samples=MEL.least,
        extra="embeddings",
        licence=licence,
        source="Amiriparian et al. 2017, doi 10.21437/Interspeech.2017-434; " + ROW.source,
        facts={**facts, "licence": licence, "picture": f"{MEL.n_mels} mel bands, {COLOURS}"},
    )


def picture(wave: NDArray[np.int16], size: int) -> NDArray[np.float32]:
    """[3, size, size]: red, green and blue, 0..1, of a wave [T]; low frequencies at the bottom.

    Silence, and any clip of equal values, has the darkest colour throughout.

    Raises:
        BadData: the wave is shorter than a frame (``MEL.least``).
        MissingExtra: matplotlib is not installed.
    """
    decibels = log_mel(wave, MEL)
    low, span = decibels.min(), np.ptp(decibels)
    table = colours()
    shares = (decibels - low) / span if span > 0 else np.zeros_like(decibels)
    places = np.minimum((shares * len(table)).astype(np.intp), len(table) - 1)
    planes = [resized(resized(plane[places], size).T[::-1], size) for plane in table.T]
    return np.stack(planes).astype(np.float32)


def resized(values: NDArray[Any], size: int) -> NDArray[np.float64]:
    """[size, ...] of [n, ...]: each row the mean of those it covers, in parts where it must be."""
    edges = np.linspace(0, len(values), size + 1)
    whole = np.minimum(edges.astype(np.intp), len(values) - 1)
    sums = np.cumsum(values, axis=0, dtype=np.float64)
    part = (edges - whole).reshape(-1, *[1] * (values.ndim - 1))
    upto = sums[whole] - values[whole] * (1 - part)  # the sum over all that lies before an edge
    return np.asarray(np.diff(upto, axis=0) * (size / len(values)))


@cache
def colours() -> NDArray[np.float64]:
    """[256, 3]: the colours of viridis from dark to light, 0..1.

    Raises:
        MissingExtra: matplotlib, which has them, is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise MissingExtra("matplotlib", "report") from error
    return np.asarray(matplotlib.colormaps[COLOURS](np.arange(256))[:, :3], np.float64)


def _names(dim: int) -> tuple[str, ...]:
    """[D] column names."""
    return tuple(f"avg_pool_{number:04d}" for number in range(dim))


def _identity(source: Source) -> Mapping[str, str]:
    """What the values depend on besides the samples; reads every byte of the model.

    Raises:
        MissingData: the model is not on this machine.
        BadData: it is there in part.
        MissingExtra: transformers is not installed.
    """
    checkpoint = find(source)
    try:
        transformers = version("transformers")
    except PackageNotFoundError as error:
        raise MissingExtra("transformers", "embeddings") from error
    return {
        "files": checkpoint.digest(),
        **({"revision": checkpoint.revision} if checkpoint.revision else {}),
        **({"stand_in": NONSENSE} if checkpoint.stand_in else {}),
        "picture": store.digest_json({**asdict(MEL), "colours": COLOURS}),
        "transformers": transformers,
    }


def _dim(checkpoint: Checkpoint) -> int:
    """D of the average-pool layer, as config.json has it."""
    config = read_json(checkpoint.folder / CONFIG)
    sizes = config.get("hidden_sizes")
    if config.get("model_type") != "resnet" or not isinstance(sizes, list) or not sizes:
        raise BadData(
            f"{checkpoint.folder} holds a model of the family {config.get('model_type')!r} "
            f"(model_type in {CONFIG}), with hidden_sizes {sizes}. Expected a 'resnet'."
        )
    return int(sizes[-1])


@dataclass(frozen=True, slots=True)
class _Input:
    """How the model wants its pictures, as preprocessor_config.json has it."""

    size: int  # pixels of a side
    mean: NDArray[np.float32]  # [3, 1, 1], of colours 0..1
    std: NDArray[np.float32]

    @classmethod
    def of(cls, folder: Path) -> _Input:
        path = folder / PREPROCESSORS[0]
        if not path.is_file():
            raise MissingData(
                f"{folder} has no {path.name}, so it is not known how the model wants its "
                "pictures. Copy that file from the model that this one was made of."
            )
        told = read_json(path)
        size = told.get("size")
        if isinstance(size, dict):
            size = size.get("shortest_edge", size.get("height"))
        try:
            mean, std = (
                np.array(told[name], np.float32).reshape(3, 1, 1)
                for name in ("image_mean", "image_std")
            )
            return cls(int(size), mean, std)  # type: ignore[arg-type]  # of None: TypeError
        except (KeyError, TypeError, ValueError) as error:
            raise BadData(
                f"{path} does not tell size, image_mean and image_std of three colours ({error}). "
                "Is the download complete?"
            ) from error


def _open(source: Source, dim: int, device: str | None) -> Batch:
    """The extractor: n waves [T] to [n, D]."""
    checkpoint = find(source)
    found = _dim(checkpoint)
    if found != dim:
        raise BadData(
            f"{checkpoint.folder} gives {found:,} values; expected {dim:,}. It holds another model "
            f"than {source.name}{f' ({NONSENSE})' if checkpoint.stand_in else ''}. Remove it and "
            "get the model again, or name the folder itself."
        )
    wants = _Input.of(checkpoint.folder)
    colours()
    network = _load(checkpoint)  # tells of packages that are missing
    import torch

    at = checked(device) if device else default_device()
    network.to(at)

    def batch(waves: Sequence[NDArray[np.int16]]) -> NDArray[np.float32]:
        rows = [np.empty((0, dim), np.float32)]
        for start in range(0, len(waves), AT_ONCE):
            some = waves[start : start + AT_ONCE]
            seen = np.stack([(picture(w, wants.size) - wants.mean) / wants.std for w in some])
            with _exact(at):
                pooled = network(torch.from_numpy(seen).to(at)).pooler_output
            rows.append(pooled.flatten(1).cpu().numpy())
        return np.concatenate(rows)

    return batch


@contextmanager
def _exact(device: Any) -> Iterator[None]:
    """Inference in which single precision means it: no TF32 in convolutions on a GPU."""
    import torch

    cudnn = torch.backends.cudnn
    on_gpu = device.type == "cuda"
    flags = cudnn.flags(enabled=True, allow_tf32=False) if on_gpu else nullcontext()
    with torch.inference_mode(), flags:
        yield


def _load(checkpoint: Checkpoint) -> Any:
    """The network without its classifier, all of its weights there."""
    try:
        import transformers
        from safetensors import SafetensorError
    except ImportError as error:
        raise MissingExtra("transformers", "embeddings") from error
    damaged = (SafetensorError, pickle.UnpicklingError, zipfile.BadZipFile, OSError, EOFError)
    resnet: Any = transformers.ResNetModel  # what it returns depends on what is asked
    try:
        with quiet(transformers):
            model, told = resnet.from_pretrained(
                checkpoint.folder, local_files_only=True, output_loading_info=True
            )
    except (*damaged, RuntimeError, ValueError, KeyError) as error:
        raise BadData(
            f"{checkpoint.folder}: the weights cannot be read "
            f"({str(error).strip().partition(chr(10))[0]}). They are half downloaded or damaged, "
            f"or not of the model that {CONFIG} describes. Get them again."
        ) from error
    missing = sorted(told["missing_keys"])
    if missing:
        raise BadData(
            f"{checkpoint.folder}: {len(missing):,} of the weights of a ResNet are not in its "
            f"files: {listing(missing, 3)}. It is half downloaded. Get it again."
        )
    return model.eval()


def stand_in_resnet(folder: Path, *, seed: int = 0) -> Path:
    """Write a tiny ResNet with random weights, for whoever has not the real one; 32 numbers.

    ``config.json`` has the key ``affectbench_stand_in``. A stand-in of the same seed that is there
    already is left as it is.

    Returns:
        The folder, written whole or not at all.

    Raises:
        AffectBenchError: something else lies in the folder, or the disk is full.
        MissingExtra: torch or transformers is not installed.
    """
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtra("transformers", "embeddings") from error
    mark = {"model": ROW.id, "stand_in": {"model": ROW.name, "seed": seed}}
    if folder.is_dir() and any(folder.iterdir()):
        if (folder / MARK).is_file() and read_json(folder / MARK) == mark:
            return folder
        raise AffectBenchError(
            f"{folder} holds something else than the stand-in of seed {seed}. Nothing was written: "
            "choose another folder, or remove that one."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = transformers.ResNetModel(
            transformers.ResNetConfig(embedding_size=8, hidden_sizes=[16, 32], depths=[1, 1])
        )
    working = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        working.mkdir(parents=True)
        with quiet(transformers):
            network.save_pretrained(working)
        config = json.loads((working / CONFIG).read_text(encoding="utf-8"))
        store.write_json(working / CONFIG, {**config, STAND_IN: True})
        store.write_json(working / PREPROCESSORS[0], {"size": 64, **IMAGENET})
        store.write_json(working / MARK, mark)
        if folder.is_dir():
            folder.rmdir()  # it is empty
        working.replace(folder)
    except OSError as error:
        raise store.disk_error(error, folder) from error
    finally:
        shutil.rmtree(working, ignore_errors=True)
    return folder


DEEPSPECTRUM: Final = deepspectrum()
