"""FAMILIES of speech models that can be read, and what a checkpoint of one says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from affectbench.errors import BadData, MissingData, MissingExtra
from affectbench.features.embeddings.chunks import Grid
from affectbench.features.embeddings.hub import CONFIG, PREPROCESSORS, Checkpoint, read_json
from affectbench.rows import Table

RATE_HZ: Final = 16_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Networks of one kind: the names of their classes in ``transformers``."""

    name: str  # model_type of config.json
    title: str
    config: str
    network: str
    preprocessor: str = "Wav2Vec2FeatureExtractor"
    source: str


FAMILIES: Final[Table[Family]] = Table(
    "family of speech models",
    Family(
        name="wav2vec2",
        title="wav2vec 2.0",
        config="Wav2Vec2Config",
        network="Wav2Vec2Model",
        source="Baevski et al. 2020, arXiv:2006.11477",
    ),
    Family(
        name="hubert",
        title="HuBERT",
        config="HubertConfig",
        network="HubertModel",
        source="Hsu et al. 2021, arXiv:2106.07447",
    ),
    Family(
        name="wavlm",
        title="WavLM",
        config="WavLMConfig",
        network="WavLMModel",
        source="Chen et al. 2022, arXiv:2110.13900",
    ),
    Family(
        name="data2vec-audio",
        title="data2vec audio",
        config="Data2VecAudioConfig",
        network="Data2VecAudioModel",
        source="Baevski et al. 2022, arXiv:2202.03555",
    ),
    Family(
        name="whisper",
        title="Whisper, encoder",
        config="WhisperConfig",
        network="WhisperModel",
        preprocessor="WhisperFeatureExtractor",
        source="Radford et al. 2022, arXiv:2212.04356",
    ),
)


@dataclass(frozen=True, slots=True)
class Anatomy:
    """What the files beside the weights say: read without the weights."""

    family: Family
    config: Any  # of transformers
    preprocessor: Any  # of transformers
    dim: int  # D of a layer
    layers: int
    grid: Grid
    window: int  # samples to which every clip is padded; 0: none
    mixed: bool  # True: clips of different length may share a batch, masking is exact


def read_anatomy(checkpoint: Checkpoint) -> Anatomy:
    """Family, sizes and frame grid of a checkpoint.

    Raises:
        BadData: the family is not known, or a file cannot be read or contradicts another.
        MissingData: there is no preprocessor configuration.
        MissingExtra: transformers is not installed.
    """
    folder = checkpoint.folder
    raw = read_json(folder / CONFIG)
    found = raw.get("model_type")
    if found not in FAMILIES:
        raise BadData(
            f"{folder} holds a model of the family {found!r} (model_type in {CONFIG}). Expected "
            f"one of: {', '.join(FAMILIES)}."
        )
    if not any((folder / name).is_file() for name in PREPROCESSORS):
        raise MissingData(
            f"{folder} has no {PREPROCESSORS[0]}, so it is not known how the model wants its "
            "input. Copy that file from the model that this one was made of."
        )
    try:
        import transformers
    except ImportError as error:
        raise MissingExtra("transformers", "embeddings") from error
    family = FAMILIES[str(found)]
    try:
        config = getattr(transformers, family.config).from_pretrained(folder, local_files_only=True)
        preprocessor = getattr(transformers, family.preprocessor).from_pretrained(
            folder, local_files_only=True
        )
    # Errors of many kinds, by version: of files, of values, of the checks of huggingface_hub.
    except Exception as error:
        raise BadData(f"{folder}: the configuration cannot be read ({error}).") from error
    if preprocessor.sampling_rate != RATE_HZ:
        raise BadData(
            f"{folder}: the model hears {preprocessor.sampling_rate:,} Hz; waves are prepared at "
            f"{RATE_HZ:,} Hz. Choose a model of that rate."
        )
    if family.name == "whisper":
        return _spectrogram(folder, family, config, preprocessor)
    return _convolutions(family, config, preprocessor)


def _convolutions(family: Family, config: Any, preprocessor: Any) -> Anatomy:
    """Of the families that hear the wave."""
    # Group normalisation of the first convolution runs over time, the padding included; several
    # convolutions of positions, and a batch normalisation before them, carry what padding became
    # into the frames that count. The rest can be masked so that nothing of a neighbour is left.
    mixed = (
        family.name != "data2vec-audio"
        and config.feat_extract_norm == "layer"
        and not getattr(config, "conv_pos_batch_norm", False)
    )
    return Anatomy(
        family=family,
        config=config,
        preprocessor=preprocessor,
        dim=config.hidden_size,
        layers=config.num_hidden_layers,
        grid=Grid.of_convolutions(config.conv_kernel, config.conv_stride),
        window=0,
        mixed=mixed,
    )


def _spectrogram(folder: Path, family: Family, config: Any, preprocessor: Any) -> Anatomy:
    """Of Whisper, which hears windows of one length."""
    window, states = preprocessor.n_samples, config.max_source_positions
    if window % states or preprocessor.feature_size != config.num_mel_bins:
        raise BadData(
            f"{folder}: {CONFIG} ({states:,} states, {config.num_mel_bins} mel bands) does not go "
            f"with {PREPROCESSORS[0]} ({window:,} samples, {preprocessor.feature_size} bands). "
            "They are of two models."
        )
    return Anatomy(
        family=family,
        config=config,
        preprocessor=preprocessor,
        dim=config.d_model,
        layers=config.encoder_layers,
        grid=Grid(field=1, stride=window // states),
        window=window,
        mixed=True,
    )
