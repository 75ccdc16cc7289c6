"""An encoder loaded from a checkpoint, and the states of its layers, pooled as they appear."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from affectbench.errors import AffectBenchError, BadData, MissingExtra, listing
from affectbench.features.embeddings.families import Anatomy
from affectbench.features.embeddings.hub import CONFIG, Checkpoint
from affectbench.features.embeddings.pooling import Moments

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# Weights that a checkpoint may lack: used in training alone.
UNUSED: Final = ("masked_spec_embed",)


class Network:
    """The encoder of a checkpoint, ready to be asked for some of its layers.

    Layer 0 is what enters the encoder, layer n the output of its n-th layer. The last one is the
    output of the encoder as a whole: after its final normalisation, where it has one.

    The pooled states are taken by hooks while the encoder runs, so that those of all layers never
    stand in memory together; layers above the highest that is asked for are removed.

    Raises:
        BadData: the weights are damaged, incomplete or of another family.
        AffectBenchError: the device is not there, or too small for the weights.
        MissingExtra: torch or transformers is not installed.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        anatomy: Anatomy,
        *,
        layers: Sequence[int],
        device: str,
        dtype: str,
    ) -> None:
        import torch

        self.layers = tuple(layers)
        self.device = torch_device(device)
        self.dtype: torch.dtype = getattr(torch, dtype)
        encoder = _load(checkpoint, anatomy, self.dtype)
        kept = max(1, *self.layers)
        # Whisper's encoder holds its layers itself; the others hold them in one.
        holder = encoder if hasattr(encoder, "layers") else encoder.encoder
        holder.layers = holder.layers[:kept]
        self._whole = anatomy.layers if anatomy.layers in self.layers else None
        self._spans: Sequence[tuple[int, int]] = ()
        self._found: dict[int, Tensor] = {}
        self._hook(holder.layers)
        try:
            self._encoder = encoder.eval().to(self.device)
        except RuntimeError as error:
            raise AffectBenchError(
                f"The model does not fit onto {device} ({_first_line(error)}). Free its memory, or "
                "choose another device."
            ) from error

    def __call__(
        self, inputs: Mapping[str, Tensor], spans: Sequence[tuple[int, int]]
    ) -> list[Moments]:
        """Pooled states of a batch: of each item, the frames of its span (first, last).

        Raises:
            torch.OutOfMemoryError: the device has not enough memory for this batch.
        """
        import torch

        placed = {
            name: values.to(self.device, self.dtype if values.is_floating_point() else None)
            for name, values in inputs.items()
        }
        self._spans = spans
        try:
            with _exact(self.device, self.dtype):
                output = self._encoder(**placed).last_hidden_state
                if self._whole is not None:
                    self._keep(self._whole, output)
            stacked = torch.stack([self._found[n] for n in self.layers], dim=1)  # [B, L, 2, D]
            values = stacked.cpu().double().numpy()
        finally:
            self._found.clear()  # what a full device held must not stay there
        return [
            Moments(last - first, found[:, 0], found[:, 1])
            for (first, last), found in zip(spans, values, strict=True)
        ]

    def _hook(self, layers: Any) -> None:
        """Have the wanted layers hand over their states."""
        wanted = set(self.layers) - {self._whole}

        def entering(_: Any, items: tuple[Any, ...], named: dict[str, Any]) -> None:
            self._keep(0, items[0] if items else named["hidden_states"])

        def leaving(layer: int) -> Any:
            def hook(_: Any, items: Any, output: Any) -> None:
                self._keep(layer, output[0] if isinstance(output, tuple) else output)

            return hook

        if 0 in wanted:
            layers[0].register_forward_pre_hook(entering, with_kwargs=True)
        for layer in sorted(wanted - {0}):
            layers[layer - 1].register_forward_hook(leaving(layer))

    def _keep(self, layer: int, states: Tensor) -> None:
        """Pool the states [B, F, D] of a layer in single precision."""
        import torch

        rows = []
        for item, (first, last) in enumerate(self._spans):
            frames = states[item, first:last].float()
            mean = frames.mean(0)
            rows.append(torch.stack([mean, (frames - mean).square().sum(0)]))
        self._found[layer] = torch.stack(rows)


def torch_device(device: str) -> torch.device:
    """The device of that name.

    Raises:
        AffectBenchError: it is not a device, or not one of this machine.
    """
    import torch

    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise AffectBenchError(
            f"The device '{device}' cannot be used ({_first_line(error)}). Expected 'cpu', 'cuda' "
            "or 'cuda:<n>', as this machine has them."
        ) from error


@contextmanager
def _exact(device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """Inference in which single precision means it: no TF32 in convolutions."""
    import torch

    single = device.type == "cuda" and dtype == torch.float32
    flags = torch.backends.cudnn.flags(enabled=True, allow_tf32=False) if single else nullcontext()
    with torch.inference_mode(), flags, warnings.catch_warnings():
        # transformers' WavLM adds a mask of one type to positions of another, as it must.
        warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask")
        yield


def _load(checkpoint: Checkpoint, anatomy: Anatomy, dtype: torch.dtype) -> Any:
    """The encoder with the weights of the checkpoint, all of them there."""
    try:
        import transformers
        from safetensors import SafetensorError
    except ImportError as error:
        raise MissingExtra("transformers", "embeddings") from error
    config = anatomy.config
    whisper = anatomy.family.name == "whisper"
    if whisper:
        config.decoder_layers = 0  # of the decoder, nothing is needed
    else:
        config.add_adapter = False  # the states wanted are those of the encoder
    try:
        with quiet(transformers):
            model, told = getattr(transformers, anatomy.family.network).from_pretrained(
                checkpoint.folder,
                config=config,
                dtype=dtype,
                local_files_only=True,
                output_loading_info=True,
            )
    except (
        SafetensorError,
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        OSError,
        EOFError,
        RuntimeError,
        ValueError,
        KeyError,
    ) as error:
        raise BadData(
            f"{checkpoint.folder}: the weights cannot be read ({_first_line(error)}). They are "
            f"half downloaded or damaged, or not of the model that {CONFIG} describes. Get them "
            "again."
        ) from error
    missing = [
        name
        for name in sorted(told["missing_keys"])
        if name.rpartition(".")[2] not in UNUSED and (not whisper or name.startswith("encoder."))
    ]
    if missing:
        raise BadData(
            f"{checkpoint.folder}: {len(missing):,} of the weights of a {anatomy.family.title} "
            f"model are not in its files: {listing(missing, 3)}. It is half downloaded, or of "
            f"another family than {CONFIG} says. Get it again."
        )
    return model.encoder if whisper else model


@contextmanager
def quiet(transformers: Any) -> Iterator[None]:
    """No bars of ``transformers``, and no report of heads that are left out."""
    logging = transformers.utils.logging
    level, shown = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
