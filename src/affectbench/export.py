"""A corpus's clips as other tools read them: audformat, CSV, Parquet, Hugging Face datasets.

All columns of the clips table are written, with relative audio paths (below the corpus folder);
blind labels stay null. ``tables.read_any(out, root=DATA)`` reads every form back without loss: the
same columns, types, ids with their zeros, and nulls. Other readers:

    audformat  ``audformat.Database.load(out)``: a table a part, indexed by the relative path
    csv        ``polars.read_csv(out / "clips.csv", schema=...)`` with ``clips.schema.json``;
               pandas: ``read_csv(..., dtype={"clip": str, "speaker": str})``, or ids lose zeros
    parquet    any reader
    hf         ``datasets.load_from_disk(out)``: a split a part; for audio, put the corpus folder
               before ``path`` and cast it to ``datasets.Audio()``
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from affectbench import store
from affectbench.errors import BadData, MissingExtra, ResultConflict, UnknownName, listing
from affectbench.schema import check_clips
from affectbench.tables import quiet_audformat
from affectbench.types import Corpus

if TYPE_CHECKING:
    import audformat

TABLE: Final = "clips"
NO_PART: Final = "unassigned"  # name of the Hugging Face split of clips without a part
SCHEMES: Final = {pl.String: "str", pl.Float64: "float", pl.Int64: "int", pl.Boolean: "bool"}


def export(corpus: Corpus, root: Path, out: Path, to: str) -> Path:
    """Write the clips of the corpus folder ``root`` into the new folder ``out``.

    Args:
        corpus: whose layout ``root`` has.
        root: the corpus folder; the audio stays there.
        out: the folder to write, whole or not at all; it must not exist.
        to: "audformat", "csv", "parquet" or "hf".

    Raises:
        UnknownName: no such form.
        ResultConflict: ``out`` is there already.
        BadData: an audio file lies outside ``root``, or a column has a type that cannot be kept.
        MissingExtra: the package ``audformat`` or ``datasets`` is not installed.
    """
    if to not in WRITERS:
        raise UnknownName(f"No form is called '{to}'. There are: {', '.join(WRITERS)}.")
    if out.exists():
        raise ResultConflict(f"{out} is there already. Name a new folder with --out.")
    clips = relative(check_clips(corpus.read(root).clips), root)
    odd = [f"{name} ({dtype})" for name, dtype in clips.schema.items() if dtype not in SCHEMES]
    if odd:
        raise BadData(
            f"{corpus.name}: cannot keep the type of {listing(odd)}. Expected text, numbers or "
            "true and false."
        )
    partial = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        partial.mkdir(parents=True)
        WRITERS[to](corpus, clips, partial)
        partial.replace(out)
    except OSError as error:
        raise store.disk_error(error, out) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return out


def relative(clips: pl.DataFrame, root: Path) -> pl.DataFrame:
    """``clips`` with paths below ``root``, parts separated by "/".

    Raises:
        BadData: a path is not below ``root``.
    """
    outside = [p for p in clips["path"] if p is not None and not Path(p).is_relative_to(root)]
    if outside:
        raise BadData(
            f"{len(outside):,} audio files lie outside {root}: {listing(outside)}. "
            "Expected all of them below it."
        )
    paths = [None if p is None else Path(p).relative_to(root).as_posix() for p in clips["path"]]
    return clips.with_columns(path=pl.Series(paths, dtype=pl.String))


def _write_csv(corpus: Corpus, clips: pl.DataFrame, out: Path) -> None:
    """``clips.csv`` (null: nothing; empty text: ``""``), and the types of its columns."""
    store.write_atomic(out / f"{TABLE}.csv", clips.write_csv)
    types = {name: str(dtype) for name, dtype in clips.schema.items()}
    store.write_json(out / f"{TABLE}.schema.json", types)


def _write_parquet(corpus: Corpus, clips: pl.DataFrame, out: Path) -> None:
    """``clips.parquet``."""
    store.write_atomic(out / f"{TABLE}.parquet", clips.write_parquet)


def _write_audformat(corpus: Corpus, clips: pl.DataFrame, out: Path) -> None:
    """An audformat database; clips without audio go into a misc table, since they have no path."""
    try:
        import audformat
    except ImportError as error:
        raise MissingExtra("audformat", "audformat") from error
    database = audformat.Database(
        corpus.name,
        source=corpus.source,
        usage=audformat.define.Usage.RESEARCH,
        description=corpus.title,
        license=corpus.licence,
        organization=corpus.home,
    )
    for name in clips.columns:
        if name != "path":
            database.schemes[name] = _scheme(corpus, clips, name)
    with quiet_audformat():
        _add_tables(database, clips)
        database.save(str(out))


def _add_tables(database: audformat.Database, clips: pl.DataFrame) -> None:
    """A table a part, one of clips without a part, one of clips without audio."""
    import audformat

    for part in clips["part"].drop_nulls().unique(maintain_order=True):
        database.splits[part] = audformat.Split(type=part)
        chosen = clips.filter(pl.col("part") == part, pl.col("path").is_not_null())
        _add_table(database, f"{TABLE}.{part}", chosen, part)
    chosen = clips.filter(pl.col("part").is_null(), pl.col("path").is_not_null())
    if len(chosen):
        _add_table(database, TABLE, chosen, None)
    unheard = clips.filter(pl.col("path").is_null())
    if len(unheard):
        _add_table(database, f"{TABLE}.without_audio", unheard, None)


def _scheme(corpus: Corpus, clips: pl.DataFrame, name: str) -> audformat.Scheme:
    """The scheme of a column: the range or classes of the target that it belongs to, if any."""
    import audformat

    kind = SCHEMES[clips.schema[name].base_type()]
    for target in corpus.targets:
        if name in target.columns and target.kind == "classification":
            return audformat.Scheme(kind, labels=list(target.classes))
        if name in target.columns:
            return audformat.Scheme(kind, minimum=target.low, maximum=target.high)
    return audformat.Scheme(kind)


def _add_table(
    database: audformat.Database, name: str, rows: pl.DataFrame, part: str | None
) -> None:
    """One table: by path where the clips have one, by clip id where they have none."""
    import audformat
    import pandas

    heard = rows["path"].is_not_null().all()
    if heard:
        index = audformat.filewise_index(rows["path"].to_list())
        table = database[name] = audformat.Table(index, split_id=part)
    else:
        index = pandas.Index(rows["clip"].to_list(), dtype="string", name="clip")
        table = database[name] = audformat.MiscTable(index)
    left_out = {"path"} | ({"clip"} if not heard else set()) | ({"part"} if part else set())
    for column in rows.columns:
        if column not in left_out:
            table[column] = audformat.Column(scheme_id=column)
            table[column].set(rows[column].to_list())


def _write_hf(corpus: Corpus, clips: pl.DataFrame, out: Path) -> None:
    """A Hugging Face dataset: a split a part, or one dataset where no clip has a part."""
    try:
        import datasets
    except ImportError as error:
        raise MissingExtra("datasets", "hf") from error
    types = {"str": "string", "float": "float64", "int": "int64", "bool": "bool"}
    features = datasets.Features(
        {n: datasets.Value(types[SCHEMES[d.base_type()]]) for n, d in clips.schema.items()}
    )

    def dataset(rows: pl.DataFrame) -> Any:
        told = datasets.DatasetInfo(
            description=corpus.title,
            citation=corpus.source,
            license=corpus.licence,
            features=features,
        )
        data = rows.to_dict(as_series=False)
        return datasets.Dataset.from_dict(data, info=told)

    parts = clips["part"].unique(maintain_order=True).to_list()
    was = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        if parts == [None]:
            dataset(clips).save_to_disk(str(out))
            return
        splits = {
            part or NO_PART: dataset(clips.filter(pl.col("part").eq_missing(part)))
            for part in parts
        }
        datasets.DatasetDict(splits).save_to_disk(str(out))
    finally:
        if was:
            datasets.enable_progress_bars()


WRITERS: Final[dict[str, Callable[[Corpus, pl.DataFrame, Path], None]]] = {
    "audformat": _write_audformat,
    "csv": _write_csv,
    "parquet": _write_parquet,
    "hf": _write_hf,
}
