"""Stand-ins: tiny checkpoints with random weights, for whoever has not the real one.

They go through the same code as a checkpoint of the hub, in seconds. Their numbers mean nothing,
and everything made of them says so.
"""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path
from typing import Any, Final

from affectbench import store
from affectbench.errors import AffectBenchError, MissingExtra
from affectbench.features.embeddings.families import FAMILIES, RATE_HZ
from affectbench.features.embeddings.hub import CONFIG, MARK, STAND_IN, read_json
from affectbench.features.embeddings.models import MODELS, PretrainedModel
from affectbench.features.embeddings.network import quiet

HEADS: Final = 4
WINDOW_S: Final = 30  # of Whisper
STATES: Final = 1500  # of Whisper, in a window
MELS: Final = 80
NORMS: Final = {"wav2vec2": "group", "hubert": "group", "wavlm": "layer", "data2vec-audio": "layer"}


def stand_in(model: str, folder: Path, *, seed: int = 0, dim: int = 32, layers: int = 2) -> Path:
    """Write a small checkpoint with random weights, of the family and kind of a named model.

    The stack of convolutions has the kernels and strides of the real one, so frames are the same.
    ``config.json`` has the key ``affectbench_stand_in``. A stand-in that is there with the same
    settings is left as it is.

    Args:
        model: A row of MODELS, or a row of FAMILIES.
        folder: Where it is written, whole or not at all.
        seed: Of the weights.
        dim: D of a layer; a multiple of 4.
        layers: Of the encoder.

    Returns:
        The folder.

    Raises:
        UnknownName: ``model`` is in neither table.
        AffectBenchError: something else lies in the folder, ``dim`` is not a multiple of 4, or the
            disk is full.
        MissingExtra: torch or transformers is not installed.
    """
    if dim < HEADS or dim % HEADS or layers < 1:
        raise AffectBenchError(
            f"dim is {dim}, layers {layers}; expected a multiple of {HEADS} and 1 or more."
        )
    row = None if model in FAMILIES else MODELS[model]
    settings = {"model": model, "seed": seed, "dim": dim, "layers": layers}
    if folder.is_dir() and any(folder.iterdir()):
        mark = read_json(folder / MARK) if (folder / MARK).is_file() else {}
        if mark.get("stand_in") != settings:
            raise AffectBenchError(
                f"{folder} holds something else than the stand-in of {settings}. Nothing was "
                "written: choose another folder, or remove that one."
            )
        return folder
    partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        partial.mkdir(parents=True)
        _write(row.family if row else model, row, partial, seed=seed, dim=dim, layers=layers)
        config = json.loads((partial / CONFIG).read_text(encoding="utf-8"))
        store.write_json(partial / CONFIG, {**config, STAND_IN: True})
        store.write_json(partial / MARK, {"model": row.id if row else model, "stand_in": settings})
        if folder.is_dir():
            folder.rmdir()  # it is empty
        partial.replace(folder)
    except OSError as error:
        raise store.disk_error(error, folder) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _write(
    family: str, row: PretrainedModel | None, folder: Path, *, seed: int, dim: int, layers: int
) -> None:
    """Weights, configuration and preprocessor as transformers saves them."""
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtra("transformers", "embeddings") from error
    kind = FAMILIES[family]
    if family == "whisper":
        settings = _whisper(dim, layers)
        reader = {"feature_size": MELS, "chunk_length": WINDOW_S}
    else:
        settings = _wave(dim, layers, row.norm if row else NORMS[family])
        reader = {"return_attention_mask": settings["feat_extract_norm"] == "layer"}
    config = getattr(transformers, kind.config)(**settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = getattr(transformers, kind.network)(config)
    with quiet(transformers):
        network.save_pretrained(folder)
    preprocessor = getattr(transformers, kind.preprocessor)(sampling_rate=RATE_HZ, **reader)
    preprocessor.save_pretrained(folder)


def _wave(dim: int, layers: int, norm: str) -> dict[str, Any]:
    """Of the families that hear the wave; kernels and strides are the defaults, the real ones."""
    return {
        "hidden_size": dim,
        "num_hidden_layers": layers,
        "num_attention_heads": HEADS,
        "intermediate_size": 2 * dim,
        "conv_dim": (max(16, dim // 4),) * 7,
        "feat_extract_norm": norm,
        "do_stable_layer_norm": norm == "layer",
        "num_conv_pos_embedding_groups": HEADS,
        "vocab_size": HEADS,
    }


def _whisper(dim: int, layers: int) -> dict[str, Any]:
    """Of Whisper, with a decoder and a vocabulary of next to nothing."""
    return {
        "d_model": dim,
        "encoder_layers": layers,
        "encoder_attention_heads": HEADS,
        "encoder_ffn_dim": 2 * dim,
        "decoder_layers": 1,
        "decoder_attention_heads": HEADS,
        "decoder_ffn_dim": dim,
        "num_mel_bins": MELS,
        "max_source_positions": STATES,
        "vocab_size": HEADS,
        "max_target_positions": HEADS,
        **dict.fromkeys(
            ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"), 0
        ),
    }
