"""openSMILE functionals through the reference package ``opensmile``, at less cost per clip.

openSMILE: Eyben et al. 2010, doi 10.1145/1873951.1874246.

``opensmile.Smile`` reads its configuration anew for every clip. Here one openSMILE object per
process is reset between clips and its sink callback registered again. The values are bit-identical
to ``Smile.process_signal(samples / 32768, 16_000)``; every worker proves it on a probe signal
before its first clip, since the calls used are not the package's public face.

openSMILE runs our callback from C, where Ctrl-C is swallowed and leaves an empty result: run
extractors in worker processes that ignore SIGINT (``features.cache`` does).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affectbench import store
from affectbench.errors import AffectBenchError, BadData, MissingExtra
from affectbench.types import FeatureSet

RATE_HZ: Final = 16_000
# One 60 ms frame of the pitch tracker: the least for which both sets give values (959 samples give
# none; 960 to 3,000 samples of noise, tone, click and silence gave finite values throughout).
MIN_SAMPLES: Final = 960
LICENCE: Final = "audEERING Research License (research and non-commercial use)"


def identity(configuration: str) -> Mapping[str, str]:
    """What the values depend on besides the samples; reads files, does not import opensmile.

    Raises:
        MissingExtra: opensmile is not installed.
    """
    core = _package() / "core"
    files = sorted(path for folder in ("config", "bin") for path in (core / folder).rglob("*"))
    parts = [path.read_bytes() for path in files if path.is_file()]
    return {
        "opensmile": version("opensmile"),
        "configuration": configuration,
        "level": "Functionals",
        "files": store.digest(*parts),  # all configurations and the compiled library
    }


@cache
def names(configuration: str) -> tuple[str, ...]:
    """[D] names of the functionals, as openSMILE gives them.

    Raises:
        MissingExtra: opensmile is not installed.
    """
    return tuple(_smile(configuration).feature_names)


def open_extractor(configuration: str) -> Callable[[NDArray[np.int16]], NDArray[np.float32]]:
    """An extractor, [T] int16 at 16 kHz to [D], with one openSMILE object for all its clips.

    Raises:
        MissingExtra: opensmile is not installed.
        AffectBenchError: this version of opensmile cannot be driven this way, or gives other
            values when it is.
    """
    smile = _smile(configuration)
    try:
        extractor = _Extractor(smile)
        # Two clips of different length, so that the second sees what the first left behind.
        probe = (8000 * np.sin(np.arange(4000) ** 1.2 / 40)).astype(np.int16)
        extractor(probe[:2500])
        found = extractor(probe)
    except (AttributeError, TypeError) as error:
        raise AffectBenchError(
            _unknown_version(f"has changed its inner calls ({error})")
        ) from error
    expected = smile.process_signal(probe / np.float32(32768), RATE_HZ).to_numpy(np.float32)[0]
    if found.tobytes() != expected.tobytes():
        raise AffectBenchError(_unknown_version("gives other values when an instance is kept"))
    return extractor


class _Extractor:
    """One openSMILE object, reset between clips; made anew after an error."""

    def __init__(self, smile: Any) -> None:
        self._smile = smile
        self._kept: Any = None

    def __call__(self, wave: NDArray[np.int16]) -> NDArray[np.float32]:
        """[D] functionals of [T] samples at 16 kHz.

        Raises:
            BadData: openSMILE failed, or gave no values (fewer than ``MIN_SAMPLES``).
        """
        from opensmile.core.lib import OpenSmileException

        try:
            rows = self._run(wave)
        except OpenSmileException as error:
            self._kept = None
            raise BadData(f"openSMILE failed: {error}") from error
        if len(rows) != 1:
            raise BadData(
                f"openSMILE gave {len(rows)} rows of functionals for {len(wave):,} samples, where "
                f"one was expected; the least is {MIN_SAMPLES} samples"
            )
        return rows[0]

    def _run(self, wave: NDArray[np.int16]) -> list[NDArray[np.float32]]:
        """Every row that openSMILE hands to its sink for this clip."""
        from opensmile.core.config import config

        if self._kept is None:
            self._kept = self._new()
        else:
            self._kept.reset()
            self._kept._callbacks.clear()  # the C side forgot them; they would pile up
        rows: list[NDArray[np.float32]] = []
        self._kept.external_sink_set_callback_ex(
            config.EXTERNAL_OUTPUT_COMPONENT,
            lambda frames, meta: rows.extend(np.array(frames, np.float32)),
        )
        source = config.EXTERNAL_SOURCE_COMPONENT
        if not self._kept.external_audio_source_write_data(source, wave.tobytes()):
            self._kept = None
            raise BadData(f"openSMILE did not take the {len(wave):,} samples of this clip")
        self._kept.external_audio_source_set_eoi(source)
        self._kept.run()
        return rows

    def _new(self) -> Any:
        """An openSMILE object that reads 16-bit samples from memory, as ``Smile`` makes them."""
        from opensmile.core.config import config

        options = self._smile._options()
        root = Path(self._smile.default_config_root)
        options |= {
            "source": str(root / config.EXTERNAL_INPUT_CONFIG),
            "sampleRate": RATE_HZ,
            "nBits": 16,
        }
        return self._smile._smile(options=options)


def _smile(configuration: str) -> Any:
    """The reference extractor of that configuration."""
    _package()
    import opensmile

    return opensmile.Smile(
        feature_set=opensmile.FeatureSet[configuration],
        feature_level=opensmile.FeatureLevel.Functionals,
    )


def _package() -> Path:
    """Where opensmile is installed."""
    spec = find_spec("opensmile")
    if spec is None or spec.origin is None:
        raise MissingExtra("opensmile", "smile")
    return Path(spec.origin).parent


def _unknown_version(what: str) -> str:
    """The message for a version of opensmile that does not behave as expected."""
    return (
        f"opensmile {version('opensmile')} {what}, so its values cannot be vouched for. Tested "
        "with 2.6.0: python -m pip install 'opensmile==2.6.0'"
    )


EGEMAPS: Final = FeatureSet(
    name="egemaps",
    title="eGeMAPSv02 functionals",
    dim=88,
    names=partial(names, "eGeMAPSv02"),
    identity=partial(identity, "eGeMAPSv02"),
    open=partial(open_extractor, "eGeMAPSv02"),
    rate_hz=RATE_HZ,
    min_samples=MIN_SAMPLES,
    extra="smile",
    licence=LICENCE,
    source="Eyben et al. 2016, doi 10.1109/TAFFC.2015.2457417",
)

COMPARE: Final = FeatureSet(
    name="compare",
    title="ComParE_2016 functionals",
    dim=6373,
    names=partial(names, "ComParE_2016"),
    identity=partial(identity, "ComParE_2016"),
    open=partial(open_extractor, "ComParE_2016"),
    rate_hz=RATE_HZ,
    min_samples=MIN_SAMPLES,
    extra="smile",
    licence=LICENCE,
    source="Schuller et al. 2016, doi 10.21437/Interspeech.2016-129",
)
