"""Which device networks run on; see ``affectbench.device``."""

from affectbench.device import checked, device, use_device

__all__ = ["checked", "device", "use_device"]
