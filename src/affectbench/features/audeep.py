"""auDeep-style features: codes of recurrent autoencoders, learnt from the clips of the corpus.

The fourth system of the ComParE 2023 late fusion, which nobody can install any more (auDeep needs
TensorFlow 1.15). Mel spectrograms of 3 s, centred, 80 ms windows every 40 ms, 128 bands, in dB
below the loudest; cut at -30, -45, -60 and -75 dB; one autoencoder a level
(``audeep_network``), trained without labels; 1,024 numbers a level, 4,096 in all.

**Transductive**: as in the original, the autoencoders see every clip of the corpus, those of dev
and test included, though no label. Numbers of a clip so depend on the clips beside it in the
corpus, and the feature set's identity on all of them.

What is as published (Freitag et al. 2018, arXiv:1712.04382; the settings of ComParE 2023): the
above, pre-emphasis .95, the scaling to -1..1 clip by clip, two layers of 256 GRU units in the
encoder and in each direction of the decoder, the dense layer with tanh, dropout .2 around every
layer, the loss (root mean square), gradients held within 2, Adam 1e-3, 64 epochs of batches of 512.

What differs, so that the numbers are not the published ones:

- torch's GRU applies the reset gate after the recurrent product, and starts from uniform weights;
- mel triangles have their edges at the exact frequencies, not at the nearest bin below, and the
  mean of a frame is not taken off before its transform;
- each decoder gets its neighbour's true frame, the one before or the one after. The published
  program gives the one before that, and does not turn the backward decoder's frames round;
- an epoch is every clip once; the published queue repeats clips to fill the last batch;
- silence is -1 throughout; the published program stops at a silent clip.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from threading import Event, Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affectbench import store
from affectbench.audio.shards import DAMAGED
from affectbench.audio.waves import Waves
from affectbench.device import device, import_torch, one_thread
from affectbench.errors import BadData, MissingData
from affectbench.features.audeep_network import (
    GRADIENT,
    KEEP,
    LEARNING_RATE,
    Settings,
    codes,
    network,
    train,
)
from affectbench.features.mel import Mel, log_mel
from affectbench.types import Batch, FeatureSet, Progress

MEL: Final = Mel(
    n_fft=1_280,
    hop=640,
    n_mels=128,
    low_hz=0,
    high_hz=8_000,
    scale="htk",
    norm="none",
    center=False,
    floor=1e-20,
)
PRE_EMPHASIS: Final = 0.95
SILENCE_DB: Final = -200.0  # the least loudness, and that of silence: below every level
LOSSES: Final = "losses"  # beside the weights in a file
TRANSDUCTIVE: Final = "learnt without labels from every clip of the corpus, dev and test included"

Weights = Mapping[str, NDArray[np.float32]]


def loudness(wave: NDArray[np.int16], seconds: float = 3.0) -> NDArray[np.float32]:
    """[F, 128] dB below the loudest band of the clip; silence is ``SILENCE_DB`` throughout.

    ``wave`` [T] at 16 kHz is cut or padded with zeros to ``seconds``, at both ends alike.
    """
    length = round(seconds * MEL.rate_hz)
    spare = length - len(wave)
    first = max(0, -spare // 2)
    before = max(0, spare // 2)
    whole = np.zeros(length)
    kept = wave[first : first + length]
    whole[before : before + len(kept)] = kept
    whole[1:] -= PRE_EMPHASIS * whole[:-1]
    decibels = log_mel(whole / 32_768, MEL)
    if not kept.any():
        return np.full_like(decibels, SILENCE_DB)
    return np.asarray(np.maximum(decibels - decibels.max(), np.float32(SILENCE_DB)))


def audeep(
    *,
    units: int = 256,
    layers: int = 2,
    epochs: int = 64,
    batch: int = 512,
    levels: Sequence[float] = (-30.0, -45.0, -60.0, -75.0),
    seconds: float = 3.0,
    seed: int = 0,
) -> FeatureSet:
    """The feature set with these settings, 2 x layers x units numbers a level; see ``Settings``.

    It is learnt by ``features.extract``, once a corpus: finished levels lie in
    ``<cache>/models/audeep-<digest of clips and settings>/`` and are read from there; a training
    that was killed goes on with the levels that are not there. On a CPU the levels are trained
    side by side, one thread each, and the same clips and settings give the same bytes on
    processors with the same instructions.

    Raises:
        ValueError: the settings cannot be trained.
    """
    settings = Settings(
        units=units,
        layers=layers,
        epochs=epochs,
        batch=batch,
        levels=tuple(float(level) for level in levels),
        seconds=seconds,
        seed=seed,
    )
    return FeatureSet(
        name="audeep",
        title="auDeep-style codes of recurrent autoencoders",
        dim=settings.dim,
        names=partial(_names, settings),
        identity=partial(_identity, settings, ""),
        learn=partial(_learn, settings),
        extra="neural",
        licence="none needed",
        source="Freitag et al. 2018, arXiv:1712.04382; ComParE 2023 settings, arXiv:2304.14882",
        facts={"transductive": TRANSDUCTIVE, "settings": asdict(settings)},
    )


def _names(settings: Settings) -> tuple[str, ...]:
    """[D] column names: the level, then the number within its code."""
    numbers = range(settings.code)
    return tuple(f"level{-level:g}_{number:04d}" for level in settings.levels for number in numbers)


def _identity(settings: Settings, weights: str) -> Mapping[str, str]:
    """What the values depend on; ``weights`` is empty before they are learnt."""
    front = {**asdict(MEL), "pre_emphasis": PRE_EMPHASIS, "silence_db": SILENCE_DB}
    return {
        "front": store.digest_json(front),
        "settings": store.digest_json(asdict(settings)),
        "weights": weights,
    }


def _learn(settings: Settings, waves: Waves, progress: Progress | None) -> FeatureSet:
    """The feature set learnt from these waves, trained now or read from the cache.

    The stages told to ``progress`` are "spectrograms" (different clips) and "learn" (epochs of all
    levels together).

    Raises:
        BadData: there are no clips.
        MissingExtra: torch is not installed.
        AffectBenchError: a loss is NaN, or the cache cannot be written.
    """
    import_torch()
    if not len(waves):
        raise BadData("There are no clips to learn 'audeep' from; expected at least one.")
    # Distinct clips in an order of their own: names and order of the files change nothing.
    rows = {digest: row for row, digest in enumerate(waves.table["digest"])}
    order = [rows[digest] for digest in sorted(rows)]
    made_of = {
        "clips": store.digest(*sorted(rows)),
        "training": {"learning_rate": LEARNING_RATE, "keep": KEEP, "gradient": GRADIENT},
        **_identity(settings, ""),
    }
    folder = store.cache_root() / "models" / f"audeep-{store.digest_json(made_of)[:16]}"
    if not (folder / "identity.json").exists():
        store.write_json(folder / "identity.json", made_of)
    found = {level: _read(_file(folder, level)) for level in settings.levels}
    todo = [level for level, weights in found.items() if weights is None]
    if todo:
        tell = progress or (lambda stage, done, total: None)
        heard = _spectrograms(waves, order, settings.seconds, tell)
        _train(heard, todo, settings, folder, tell)
    weights = [_needed(_file(folder, level)) for level in settings.levels]
    digest = store.digest(
        *(
            part
            for file in weights
            for name in sorted(file)
            for part in (name, file[name].tobytes())
        )
    )
    learnt = {
        "clips_learnt_from": len(order),
        "last_loss": {
            f"{level:g}": float(file[LOSSES][-1])
            for level, file in zip(settings.levels, weights, strict=True)
        },
    }
    blank = audeep(**asdict(settings))
    return replace(
        blank,
        learn=None,
        many=partial(_open, settings, folder),
        identity=partial(_identity, settings, digest),
        facts={**blank.facts, **learnt},
    )


def _spectrograms(
    waves: Waves, rows: Sequence[int], seconds: float, tell: Progress
) -> NDArray[np.float32]:
    """[N, F, 128]: the spectrograms of those rows; 37 kB a clip of 3 s."""
    frames = MEL.frames(round(seconds * MEL.rate_hz))
    heard = np.empty((len(rows), frames, MEL.n_mels), np.float32)
    for number, row in enumerate(rows):
        heard[number] = loudness(waves.read(row), seconds)
        if number % 256 == 0:
            tell("spectrograms", number, len(rows))
    tell("spectrograms", len(rows), len(rows))
    return heard


def _train(
    heard: NDArray[np.float32],
    levels: Sequence[float],
    settings: Settings,
    folder: Path,
    tell: Progress,
) -> None:
    """Train the levels and write each when it is finished, side by side on the cores of a CPU."""
    total = len(levels) * settings.epochs
    done = 0
    lock, stop = Lock(), Event()

    def told() -> None:
        nonlocal done
        with lock:
            done += 1
            tell("learn", done, total)

    def one(level: float) -> None:
        try:
            with one_thread():
                result = train(heard, level, settings, told=told, stopped=stop.is_set)
        except BaseException:
            stop.set()
            raise
        if result is not None:
            weights, losses = result
            arrays: dict[str, Any] = {**weights, LOSSES: np.array(losses, np.float32)}
            store.write_atomic(_file(folder, level), lambda file: np.savez(file, **arrays))

    tell("learn", 0, total)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    side_by_side = min(len(levels), cores or 1) if device().type == "cpu" else 1
    with one_thread(), ThreadPoolExecutor(side_by_side) as pool:
        try:
            for future in [pool.submit(one, level) for level in levels]:
                future.result()
        finally:
            stop.set()  # Ctrl-C, or an error of one level: the others stop at their next batch


def _file(folder: Path, level_db: float) -> Path:
    """Where the weights of a level lie."""
    return folder / f"level{-level_db:g}.npz"


def _read(path: Path) -> dict[str, NDArray[np.float32]] | None:
    """Weights and losses as they were written; None where they are missing or damaged."""
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except DAMAGED:
        return None


def _needed(path: Path) -> dict[str, NDArray[np.float32]]:
    """The same of a file that was there."""
    weights = _read(path)
    if weights is None:
        raise MissingData(f"{path} was removed or damaged while it was needed. Run again.")
    return weights


def _open(settings: Settings, folder: Path) -> Batch:
    """The extractor of a learnt set: n waves [T] to codes [n, D], on the GPU where there is one."""
    torch = import_torch()
    nets = []
    for level in settings.levels:
        net = network(MEL.n_mels, settings)
        weights = _needed(_file(folder, level))
        del weights[LOSSES]
        net.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
        nets.append(net.to(device()).eval())

    def batch(waves: Sequence[NDArray[np.int16]]) -> NDArray[np.float32]:
        heard = np.stack([loudness(wave, settings.seconds) for wave in waves])
        return codes(nets, settings.levels, heard)

    return batch


AUDEEP: Final = audeep()
