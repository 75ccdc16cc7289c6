"""Which device a network runs on."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from affectbench.device import device, use_device  # noqa: E402
from affectbench.errors import AffectBenchError  # noqa: E402


def test_a_gpu_is_used_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device() == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device() == torch.device("cuda")
    with use_device("cpu"):
        assert device() == torch.device("cpu")
        with use_device(None):
            assert device() == torch.device("cpu")
        with use_device("cuda:1"):
            assert device() == torch.device("cuda:1")
    assert device() == torch.device("cuda")
    with (
        pytest.raises(AffectBenchError, match="'cuda:2' is not there: .* sees 2 GPUs"),
        use_device("cuda:2"),
    ):
        pass


def test_what_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(AffectBenchError, match="Use --device cpu"), use_device("cuda"):
        pass
    for name in ("gpu", "meta", ""):
        with pytest.raises(AffectBenchError, match="Expected cpu, cuda"), use_device(name):
            pass
