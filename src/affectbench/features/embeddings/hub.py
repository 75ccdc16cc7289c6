"""Where a pretrained model lies on this machine, and the one function that brings it there.

Looked for in this order, never on the network: the folder that was named, or
``<cache>/models/<name>``, then the Hugging Face cache. ``fetch`` alone downloads.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from affectbench import store
from affectbench.errors import AffectBenchError, BadData, MissingData, MissingExtra, listing
from affectbench.features.embeddings.models import CARD, MODELS, PICTURES, PretrainedModel
from affectbench.types import Progress

CONFIG: Final = "config.json"
PREPROCESSORS: Final = ("preprocessor_config.json", "processor_config.json")
MARK: Final = "affectbench.json"  # where a folder of ours tells its model, revision, or stand-in
STAND_IN: Final = "affectbench_stand_in"  # key in config.json: random weights
SAFE: Final = ("model.safetensors", "model.safetensors.index.json", "model-*-of-*.safetensors")
PICKLED: Final = (
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "pytorch_model-*-of-*.bin",
)
BESIDE: Final = (CONFIG, *PREPROCESSORS, "README.md", "LICENSE*")  # not the weights
SMALL_BYTES: Final = 1 << 20  # less than this is copied
HUB_ID: Final = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
ODD: Final = re.compile(r"[^\w.-]+", re.ASCII)  # not in the name of a folder


@dataclass(frozen=True, slots=True)
class Source:
    """A model as a user names it: a row of MODELS, a hub id, or a folder."""

    name: str  # of the folder in our cache, and of the feature set
    id: str = ""  # on the hub; empty for a folder
    folder: Path | None = None
    revision: str | None = None
    row: PretrainedModel | None = None

    @property
    def home(self) -> Path:
        """Where ``fetch`` puts it."""
        at = f"@{ODD.sub('-', self.revision)}" if self.revision else ""
        return store.cache_root() / "models" / f"{self.name}{at}"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The files of a model on this machine."""

    folder: Path
    weights: tuple[Path, ...]
    revision: str | None  # commit on the hub; None where it is not known
    stand_in: bool  # True: random weights
    mark: Mapping[str, Any]  # of MARK; empty where there is none

    def digest(self) -> str:
        """Digest of the weights and the configurations: all of the files that values depend on."""
        beside = [self.folder / name for name in (CONFIG, *PREPROCESSORS)]
        files = [path for path in (*beside, *self.weights) if path.is_file()]
        parts = [part for path in files for part in (path.name, digest_of(path))]
        return store.digest(*parts)


def source_of(model: str | Path, revision: str | None = None) -> Source:
    """What is meant by ``model``: a row by name or id, else a folder, else an id on the hub.

    Rows are those of MODELS and PICTURES.

    Raises:
        UnknownName: it is none of the three.
        AffectBenchError: a revision is asked of a folder.
    """
    if isinstance(model, str):
        rows = (*MODELS.values(), *PICTURES.values())
        known = next((row for row in rows if model in (row.name, row.id)), None)
        if known is not None:
            return Source(known.name, known.id, revision=revision, row=known)
    folder = Path(model).expanduser()
    is_id = isinstance(model, str) and HUB_ID.fullmatch(model) is not None
    if is_id and not (folder / CONFIG).is_file():
        return Source(ODD.sub("-", str(model)), str(model), revision=revision)
    if isinstance(model, str) and not folder.is_dir() and not {"/", "\\"} & set(model):
        return source_of(MODELS[model].name)  # raises: it tells which names there are
    if revision is not None:
        raise AffectBenchError(
            f"{model} is a folder, and a folder has one revision. Leave revision={revision!r} "
            "out, or give the model's id on the hub."
        )
    return Source(ODD.sub("-", folder.resolve().name), folder=folder)


def find(source: Source) -> Checkpoint:
    """The model on this machine; never looks on the network.

    Raises:
        MissingData: it is not there; tells the places looked at and how to bring it.
        BadData: it is there in part.
        MissingExtra: huggingface_hub is not installed and the model is not in our cache.
    """
    if source.folder is not None:
        if not source.folder.is_dir():
            raise MissingData(
                f"There is no folder {source.folder}. Expected one with {CONFIG}, "
                f"{PREPROCESSORS[0]} and the weights of a model."
            )
        return read_checkpoint(source.folder)
    if source.home.is_dir():
        return read_checkpoint(source.home)
    hub = _hub()
    cached = hub.try_to_load_from_cache(source.id, CONFIG, revision=source.revision)
    if isinstance(cached, str):
        folder = Path(cached).parent
        return read_checkpoint(folder, revision=folder.name)
    row = source.row
    told = f"{source.name} ({source.id}, " if row else f"{source.id} ("
    told += f"about {row.megabytes:,} MB, " if row else ""
    wanted = f" at revision {source.revision}" if source.revision else ""
    revised = f" --revision {source.revision}" if source.revision else ""
    raise MissingData(
        f"The model {told}licence: {row.licence if row else CARD}){wanted} is not on this machine. "
        f"Looked in {source.home} and in the Hugging Face cache {hub.constants.HF_HUB_CACHE}. "
        f"Nothing is downloaded unasked: affectbench get {source.name if row else source.id}"
        f"{revised} brings it; or put {CONFIG}, {PREPROCESSORS[0]} and the weights into "
        f"{source.home}, or give the folder that holds them."
    )


def read_checkpoint(folder: Path, *, revision: str | None = None) -> Checkpoint:
    """The model in a folder; the weights are found, not read.

    Raises:
        BadData: there is no config.json, or weights are missing.
    """
    mark = read_json(folder / MARK) if (folder / MARK).is_file() else {}
    if not (folder / CONFIG).is_file():
        raise BadData(f"{folder} is no model or half downloaded: it has no {CONFIG}.")
    config = read_json(folder / CONFIG)
    return Checkpoint(
        folder=folder,
        weights=_weights(folder),
        revision=revision or mark.get("revision"),
        stand_in=bool(config.get(STAND_IN)),
        mark=mark,
    )


def _weights(folder: Path) -> tuple[Path, ...]:
    """The files of the weights, in the order of preference that transformers has."""
    for single, index, _ in (SAFE, PICKLED):
        if (folder / single).is_file():
            return (folder / single,)
        if (folder / index).is_file():
            shards = sorted(set(read_json(folder / index).get("weight_map", {}).values()))
            lacking = [name for name in shards if not (folder / name).is_file()]
            if lacking or not shards:
                raise BadData(
                    f"{folder} is half downloaded: {index} names {len(shards):,} files, of which "
                    f"{listing(lacking) if lacking else 'none'} are not there. Get it again."
                )
            return tuple(folder / name for name in shards)
    raise BadData(
        f"{folder} is half downloaded: it has no weights. Expected {SAFE[0]} or {PICKLED[0]}, or "
        "the shards of one. Get it again."
    )


def fetch(model: str, *, revision: str | None = None, progress: Progress | None = None) -> Path:
    """Download a model into ``<cache>/models/<name>``: whole, or not there under that name.

    A download that broke goes on where it was. Of weights in two formats, one is fetched.

    Args:
        model: A row of MODELS, or an id on the hub.
        revision: Commit, tag or branch; None for what the hub serves by default.
        progress: Told what the hub's bars would show: their text, done, in all (0: not known).

    Returns:
        The folder, also when it was there before.

    Raises:
        MissingData: the hub cannot be reached, does not know the model, or asks for a permission.
        BadData: the hub has no weights of it that can be used.
        AffectBenchError: ``model`` is a folder, or the disk is full or not writable.
    """
    source = source_of(model, revision)
    if source.folder is not None:
        raise AffectBenchError(f"{model} is a folder. Nothing needs to be downloaded.")
    if source.home.is_dir():
        return read_checkpoint(source.home).folder
    working = source.home.with_name(f".{source.home.name}.partial")
    found = _download(source, working, (*BESIDE, *SAFE), progress)
    if not any(found.glob(SAFE[2])) and not (found / SAFE[0]).is_file():
        found = _download(source, working, (*BESIDE, *PICKLED), progress)
    read_checkpoint(found)
    try:
        whole = working / "whole"
        shutil.rmtree(whole, ignore_errors=True)
        whole.mkdir()
        for path in found.iterdir():
            if path.stat().st_size < SMALL_BYTES:  # equal files share one blob
                shutil.copyfile(path, whole / path.name)
            else:
                path.resolve().replace(whole / path.name)
        store.write_json(whole / MARK, {"model": source.id, "revision": found.name})
        whole.replace(source.home)
        shutil.rmtree(working)
    except OSError as error:
        raise store.disk_error(error, source.home) from error
    return source.home


def _download(
    source: Source, working: Path, patterns: tuple[str, ...], progress: Progress | None
) -> Path:
    """Files of the hub in a cache of their own; the folder of the snapshot, named by its commit."""
    hub = _hub()
    try:
        return Path(
            hub.snapshot_download(
                source.id,
                revision=source.revision,
                cache_dir=working,
                allow_patterns=list(patterns),
                tqdm_class=_bars(progress) if progress else None,
            )
        )
    # The package, its transports and its accelerators raise errors of no common kind.
    except Exception as error:
        if isinstance(error, OSError) and error.errno in store.DISK_ERRORS:
            raise store.disk_error(error, source.home) from error
        why = str(error).strip().partition("\n")[0]
        raise MissingData(
            f"{source.id} could not be fetched ({type(error).__name__}: {why}). If the hub asks "
            f"for a permission, give it on https://huggingface.co/{source.id} and log in. What has "
            "come is kept: run the same command again."
        ) from error


def _bars(progress: Progress) -> Any:
    """A progress bar for the hub that tells ``progress`` and draws nothing."""
    tqdm: Any = importlib.import_module("tqdm").tqdm

    class Told(tqdm):  # type: ignore[misc]
        def __init__(self, *items: Any, **options: Any) -> None:
            super().__init__(*items, **{**options, "file": io.StringIO(), "leave": False})

        def display(self, msg: str | None = None, pos: int | None = None) -> None:
            progress(str(self.desc or "").rstrip(": "), int(self.n), int(self.total or 0))

    return Told


def _hub() -> Any:
    """The package ``huggingface_hub``."""
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise MissingExtra("huggingface_hub", "embeddings") from error


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file of a model; ``BadData`` where there is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadData(f"{path} cannot be read ({error}). Is the download complete?") from error
    if not isinstance(value, dict):
        raise BadData(f"{path} holds no JSON object. Is the download complete?")
    return value


def digest_of(path: Path) -> str:
    """Digest of a file's content; read once per process while size and time stay."""
    facts = path.stat()
    return _digest(path, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=256)
def _digest(path: Path, size: int, time_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
