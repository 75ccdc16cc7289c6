"""MODELS: pretrained speech models by name, with what must be known before their numbers are used.

Dimensions, layers and training data are those of the model's card and paper. All wav2vec 2.0-like
models here share one stack of convolutions (Baevski et al. 2020, section 4.2). Bytes to download
are about four per parameter of the papers, or as told by the hub.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from affectbench.features.embeddings.chunks import Grid
from affectbench.rows import Table

WAV2VEC: Final = Grid.of_convolutions((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2))
WHISPER: Final = Grid(field=1, stride=320)  # clips are padded to the window: no least length
WINDOW: Final = 480_000  # samples that Whisper hears at once: 30 s
CARD: Final = "see the model's card"  # a licence that is not known for certain here
LIBRISPEECH: Final = "960 h of English audiobooks (LibriSpeech)"
LIBRI_LIGHT: Final = "60,000 h of English audiobooks (Libri-Light)"


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainedModel:
    """A checkpoint on the Hugging Face hub."""

    name: str  # "w2v2-msp-dim"
    title: str
    id: str  # on the hub
    family: str  # a row of FAMILIES: model_type of its config.json
    dim: int  # D of a layer
    layers: int  # of the encoder
    norm: Literal["group", "layer", ""]  # of its first convolution; "": a log-mel spectrogram
    licence: str
    trained_on: str
    megabytes: int  # to download, about
    source: str
    grid: Grid = WAV2VEC
    window: int = 0  # samples to which every clip is padded; 0: none


MODELS: Final[Table[PretrainedModel]] = Table(
    "pretrained model",
    PretrainedModel(
        name="w2v2-msp-dim",
        title="wav2vec 2.0 large robust, 12 layers, tuned to arousal, dominance, valence",
        id="audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim",
        family="wav2vec2",
        dim=1024,
        layers=12,
        norm="layer",
        licence="CC-BY-NC-SA-4.0",
        trained_on="Libri-Light, CommonVoice, Switchboard, Fisher (English); then the emotion "
        "labels of MSP-Podcast v1.7, layers 13 to 24 removed before",
        megabytes=661,
        source="Wagner et al. 2023, doi 10.1109/TPAMI.2023.3263585",
    ),
    PretrainedModel(
        name="w2v2-base-960h",
        title="wav2vec 2.0 base, tuned to English transcription",
        id="facebook/wav2vec2-base-960h",
        family="wav2vec2",
        dim=768,
        layers=12,
        norm="group",
        licence="Apache-2.0",
        trained_on=f"{LIBRISPEECH}; then their transcripts",
        megabytes=378,
        source="Baevski et al. 2020, arXiv:2006.11477",
    ),
    PretrainedModel(
        name="hubert-base-ls960",
        title="HuBERT base",
        id="facebook/hubert-base-ls960",
        family="hubert",
        dim=768,
        layers=12,
        norm="group",
        licence="Apache-2.0",
        trained_on=LIBRISPEECH,
        megabytes=378,
        source="Hsu et al. 2021, arXiv:2106.07447",
    ),
    PretrainedModel(
        name="hubert-large-ll60k",
        title="HuBERT large",
        id="facebook/hubert-large-ll60k",
        family="hubert",
        dim=1024,
        layers=24,
        norm="layer",
        licence="Apache-2.0",
        trained_on=LIBRI_LIGHT,
        megabytes=1_264,
        source="Hsu et al. 2021, arXiv:2106.07447",
    ),
    PretrainedModel(
        name="wavlm-large",
        title="WavLM large",
        id="microsoft/wavlm-large",
        family="wavlm",
        dim=1024,
        layers=24,
        norm="layer",
        licence=CARD,
        trained_on="94,000 h of English: Libri-Light 60,000, GigaSpeech 10,000, VoxPopuli 24,000",
        megabytes=1_262,
        source="Chen et al. 2022, arXiv:2110.13900",
    ),
    PretrainedModel(
        name="whisper-large-v3",
        title="Whisper large v3, encoder",
        id="openai/whisper-large-v3",
        family="whisper",
        dim=1280,
        layers=32,
        norm="",
        licence="Apache-2.0",
        trained_on="1 million h of weakly labelled and 4 million h of pseudo-labelled multilingual "
        "speech: transcription and translation",
        megabytes=3_087,
        source="Radford et al. 2022, arXiv:2212.04356",
        grid=WHISPER,
        window=WINDOW,
    ),
    PretrainedModel(
        name="voc2vec-hubert",
        title="voc2vec on HuBERT base",
        id="alkiskoudounas/voc2vec-hubert-ls-pt",
        family="hubert",
        dim=768,
        layers=12,
        norm="group",
        licence=CARD,
        trained_on=f"{LIBRISPEECH}; then about 125 h of non-verbal vocalisations of ten open "
        "corpora. An open corpus of bursts may be among them: see the paper",
        megabytes=378,
        source="Koudounas et al. 2025, arXiv:2502.16298",
    ),
    PretrainedModel(
        name="data2vec-audio-base-960h",
        title="data2vec audio base, tuned to English transcription",
        id="facebook/data2vec-audio-base-960h",
        family="data2vec-audio",
        dim=768,
        layers=12,
        norm="layer",
        licence="Apache-2.0",
        trained_on=f"{LIBRISPEECH}; then their transcripts",
        megabytes=373,
        source="Baevski et al. 2022, arXiv:2202.03555",
    ),
    PretrainedModel(
        name="xls-r-1b",
        title="XLS-R, one billion parameters",
        id="facebook/wav2vec2-xls-r-1b",
        family="wav2vec2",
        dim=1280,
        layers=48,
        norm="layer",
        licence="Apache-2.0",
        trained_on="436,000 h in 128 languages (VoxPopuli, MLS, CommonVoice, VoxLingua107, BABEL)",
        megabytes=3_850,
        source="Babu et al. 2021, arXiv:2111.09296",
    ),
    PretrainedModel(
        name="wav2vec2-lv-60-espeak-cv-ft",
        title="wav2vec 2.0 large, tuned to phonemes of many languages",
        id="facebook/wav2vec2-lv-60-espeak-cv-ft",
        family="wav2vec2",
        dim=1024,
        layers=24,
        norm="layer",
        licence="Apache-2.0",
        trained_on=f"{LIBRI_LIGHT}; then phoneme labels of CommonVoice in many languages",
        megabytes=1_264,
        source="Xu et al. 2021, arXiv:2109.11680",
    ),
)

# Networks of pictures, here of spectrograms: found and fetched as the others, and no embeddings.
PICTURES: Final[Table[PretrainedModel]] = Table(
    "pretrained model of pictures",
    PretrainedModel(
        name="resnet-50",
        title="ResNet-50 v1.5",
        id="microsoft/resnet-50",
        family="resnet",
        dim=2048,
        layers=50,
        norm="",
        licence="Apache-2.0",
        trained_on="1.28 million photographs of 1,000 classes (ImageNet-1k)",
        megabytes=103,
        source="He et al. 2015, arXiv:1512.03385",
        grid=Grid(field=512, stride=256),  # of the spectrogram that is drawn
    ),
)
