"""Files to prepared waves: ``decode``, ``prepare``, and the store of ``prepare_all``."""

from affectbench.audio.decode import Decoded, decode, decode_file
from affectbench.audio.prepare import prepare
from affectbench.audio.waves import Heard, Waves, prepare_all

__all__ = ["Decoded", "Heard", "Waves", "decode", "decode_file", "prepare", "prepare_all"]
