"""torch where it is there, its threads, and the device that networks run on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from affectbench.errors import AffectBenchError, MissingExtra

if TYPE_CHECKING:
    import torch

_asked: list[str] = []  # the device named last stands last; none: the GPU where there is one


def device() -> torch.device:
    """The device for what runs now.

    Raises:
        AffectBenchError: the one that was asked for is not there.
        MissingExtra: torch is not installed.
    """
    import_torch()
    import torch

    if _asked:
        return checked(_asked[-1])
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def use_device(name: str | None) -> Iterator[None]:
    """``device()`` is this one inside the block, as ``--device`` asks; None leaves it as it is.

    Raises:
        AffectBenchError: there is no such device.
        MissingExtra: torch is not installed.
    """
    if name is None:
        yield
        return
    checked(name)
    _asked.append(name)
    try:
        yield
    finally:
        _asked.pop()


def checked(name: str) -> torch.device:
    """The device of that name: ``cpu``, ``cuda`` or ``cuda:<number>``.

    Raises:
        AffectBenchError: torch does not know it, or it is not there.
        MissingExtra: torch is not installed.
    """
    import_torch()
    import torch

    try:
        found = torch.device(name)
    except RuntimeError:
        found = torch.device("meta")
    if found.type not in {"cpu", "cuda"}:
        raise AffectBenchError(f"There is no device '{name}'. Expected cpu, cuda or cuda:<number>.")
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if found.type == "cuda" and (found.index or 0) >= gpus:
        raise AffectBenchError(
            f"The device '{name}' is not there: torch {torch.__version__} sees {gpus} GPUs. Use "
            "--device cpu, or install a torch that is built for the GPU and its driver."
        )
    return found


def import_torch() -> Any:
    """The module ``torch``.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import torch
    except ModuleNotFoundError as error:
        raise MissingExtra("torch", "neural") from error
    return torch


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for torch, so that sums add up in the same order whatever the number of cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
