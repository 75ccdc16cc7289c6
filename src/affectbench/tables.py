"""Anybody's table of clips as one polars table: what its columns mean is guessed, and told.

    file or folder                              read as
    x.csv, x.tsv                                text, numbers where every cell is one; with
                                                semicolons, decimal commas are points
    x.parquet                                   as it is
    x.jsonl, x.ndjson                           JSON lines, EmoBox's among them
    a folder with db.yaml                       an audformat database
    a folder with dataset_dict.json, state.json a Hugging Face dataset on disk
    a folder of csv, tsv, parquet or jsonl      one table; train, dev, test by the file names

The roles (``ROLES``) become columns of these names, always text; all other columns stay as they
are. An id keeps its leading zeros: a column of a CSV becomes numbers only if that loses nothing.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from affectbench import store
from affectbench.errors import BadData, MissingData, MissingExtra, listing

ROLES: Final = {
    role: tuple(names.split())
    for role, names in (
        ("path", "path file file_path filepath wav audio wav_path audio_path filename file_name"),
        ("clip", "clip clip_id key id utterance_id utt_id file_id"),
        ("speaker", "speaker speaker_id spk spk_id subject_id subject actor actor_id participant"),
        ("session", "session session_id recording dialog dialogue dialogue_id conversation video"),
        ("sentence", "sentence text transcript transcription utterance statement sentence_id"),
        ("part", "part split set partition subset split_set fold"),
    )
}  # role -> names of columns that are taken for it, the most telling first
PARTS: Final = {
    "train": "train", "training": "train", "trn": "train",
    "dev": "dev", "devel": "dev", "development": "dev", "val": "dev", "valid": "dev",
    "validation": "dev",
    "test": "test", "testing": "test", "tst": "test", "eval": "test", "evaluation": "test",
}  # fmt: skip
SEGMENT: Final = ("start", "end")
ENDINGS: Final = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")
IN_NAME: Final = re.compile(r"(?:^|[_.\- ])(" + "|".join(PARTS) + r")(?=[_.\- ]|$)", re.IGNORECASE)
INTEGER: Final = r"^(0|-?[1-9]\d{0,17})$"
NUMBER: Final = r"^(-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?|NaN|-?inf)$"
KNOWN: Final = ("age", "length", "duration", "duration_s", "num_frame", "sample_rate", "channel")


@dataclass(frozen=True, slots=True)
class Table:
    """A table of clips, and what its columns were taken for."""

    rows: pl.DataFrame  # the roles under their names, then every other column as it was
    columns: Mapping[str, str]  # role -> the column, pattern or file name that it came from
    labels: tuple[str, ...]  # columns of numbers that are no role and no known fact
    kind: str  # "csv", "parquet", "json lines", "audformat", "hf"

    def told(self) -> str:
        """What was taken for what, in one line."""
        roles = [f"{role}: {self.columns.get(role, '-')}" for role in ROLES]
        return f"{self.kind}, {len(self.rows):,} rows; " + ", ".join(roles)


def read_any(
    path: Path,
    *,
    root: Path | None = None,
    columns: Mapping[str, str] | None = None,
    labels: Sequence[str] | None = None,
) -> Table:
    r"""Read a table of clips in any of the forms above.

    Args:
        path: the file or folder.
        root: what relative audio paths are relative to; by default the folder of the table.
        columns: role -> column, over what would be guessed; "" for none. ``column~pattern`` takes
            the first group of a regular expression: ``{"speaker": "key~cafe-(\d+)"}``.
        labels: the label columns; by default all columns of numbers with fractions.

    Raises:
        MissingData: it is not there, or a named column is not.
        BadData: it is of no known form, or cannot be read as what it claims to be.
        MissingExtra: it needs the package ``audformat`` or ``datasets``.
    """
    if not path.exists():
        raise MissingData(f"{path} is not there. Expected a table of clips: {_forms()}.")
    rows, kind = _read(path)
    rows, found = _with_roles(rows, columns or {}, path)
    base = root or (path if path.is_dir() else path.parent)
    if "path" in found:
        absolute = [None if p is None else str(base / p) for p in rows["path"]]
        rows = rows.with_columns(path=pl.Series(absolute, dtype=pl.String))
    if labels is None:
        taken = {*ROLES, *KNOWN}
        labels = [n for n, dtype in rows.schema.items() if dtype.is_float() and n not in taken]
    absent = [name for name in labels if name not in rows.columns]
    if absent:
        raise MissingData(
            f"{path}: there is no label column {listing(absent)}. Found: {listing(rows.columns)}."
        )
    return Table(rows, found, tuple(labels), kind)


def _forms() -> str:
    """What ``read_any`` reads."""
    return (
        f"a file {', '.join(ENDINGS)}, an audformat database (db.yaml), a Hugging Face dataset "
        "saved to disk, or a folder of such files"
    )


def _read(path: Path) -> tuple[pl.DataFrame, str]:
    """The table and its form."""
    if path.name == "db.yaml":
        path = path.parent
    if path.is_file():
        return _read_file(path)
    if (path / "db.yaml").is_file():
        return _read_audformat(path), "audformat"
    if (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
        return _read_hf(path), "hf"
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in ENDINGS)
    if not files:
        raise BadData(f"{path} holds no table. Expected {_forms()}.")
    read = [_read_file(file) for file in files]
    try:
        rows = pl.concat([rows for rows, _ in read], how="diagonal_relaxed")
    except pl.exceptions.PolarsError as error:
        names = listing([file.name for file in files])
        raise BadData(f"{path}: {names} do not fit together ({error}). Name one file.") from error
    return rows, read[0][1]


def _read_file(path: Path) -> tuple[pl.DataFrame, str]:
    """One file; its part is taken from its name where no column tells it."""
    ending = path.suffix.lower()
    try:
        if ending == ".parquet":
            rows, kind = pl.read_parquet(path), "parquet"
        elif ending in {".jsonl", ".ndjson"}:
            rows, kind = pl.read_ndjson(path, infer_schema_length=None), "json lines"
        elif ending in {".csv", ".tsv"}:
            rows, kind = _read_csv(path), "csv"
        else:
            raise BadData(f"{path} is of no known form. Expected {_forms()}.")
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        raise BadData(f"{path} could not be read as {ending[1:]}: {error}") from error
    named = IN_NAME.search(path.stem)
    if named and not any(_plain(name) in ROLES["part"] for name in rows.columns):
        rows = rows.with_columns(part=pl.lit(named[1]))
    return rows, kind


def _read_csv(path: Path) -> pl.DataFrame:
    """All columns as text first, then as what loses nothing, or as ``<stem>.schema.json`` says."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = file.readline()
    mark = max(("\t", ";", ","), key=header.count)
    rows = pl.read_csv(path, infer_schema=False, separator=mark)
    told = path.with_name(f"{path.stem}.schema.json")
    if told.is_file():
        types = {name: getattr(pl, dtype) for name, dtype in json.loads(told.read_text()).items()}
        return rows.with_columns(_cast(name, dtype) for name, dtype in types.items())
    roles = {name for names in ROLES.values() for name in names}
    free = [name for name in rows.columns if _plain(name) not in roles]
    if mark == ";":  # written by a spreadsheet that has decimal commas
        comma = [n for n in free if rows[n].drop_nulls().str.contains(r"^-?\d+(,\d+)?$").all()]
        rows = rows.with_columns(pl.col(comma).str.replace(",", ".", literal=True))
    cells = {name: rows[name].drop_nulls() for name in free}
    whole = [name for name in free if len(cells[name]) and cells[name].str.contains(INTEGER).all()]
    real = [name for name in free if len(cells[name]) and cells[name].str.contains(NUMBER).all()]
    return rows.with_columns(
        pl.col(name).cast(pl.Int64 if name in whole else pl.Float64) for name in real
    )


def _cast(name: str, dtype: Any) -> pl.Expr:
    """Text of a CSV as that type."""
    return pl.col(name) == "true" if dtype == pl.Boolean else pl.col(name).cast(dtype)


@contextmanager
def quiet_audformat() -> Iterator[None]:
    """Without what pandas says to audformat's own calls: nothing that its user can change."""
    import pandas

    with warnings.catch_warnings():
        for category in (pandas.errors.PerformanceWarning, DeprecationWarning, FutureWarning):
            warnings.simplefilter("ignore", category)
        yield


def _read_audformat(folder: Path) -> pl.DataFrame:
    """One row a file or segment and split; columns of all its tables side by side."""
    try:
        import audformat
    except ImportError as error:
        raise MissingExtra("audformat", "audformat") from error
    with quiet_audformat():
        database = audformat.Database.load(str(folder), load_data=True)
    split: list[pl.DataFrame] = []
    whole: list[pl.DataFrame] = []
    for name in database.tables:
        table = database[name]
        frame = table.df.reset_index()
        for column in frame.columns[frame.dtypes == "category"]:
            frame[column] = frame[column].astype(object)  # a category's own type is its labels'
        rows = pl.from_pandas(frame).rename({"file": "path"})
        if table.split_id is None:
            whole.append(rows)
        else:
            part = pl.lit(str(database.splits[table.split_id].type))
            split.append(rows.with_columns(part=part))
    keys = ["path", *(SEGMENT if any("start" in t.columns for t in (*split, *whole)) else ())]
    full = _folded([table for table in whole if set(keys) <= set(table.columns)], keys)
    rows = _folded(split, keys) if split else full
    for table in whole:
        on = [key for key in keys if key in table.columns]
        new = [name for name in table.columns if name not in rows.columns]
        if new and on:
            more = _folded([table], on).select(*on, *new)
            rows = rows.join(more, on=on, how="left", nulls_equal=True, maintain_order="left")
    if len(full):
        rest = full.join(rows, on=keys, how="anti", nulls_equal=True)  # in no split
        rows = pl.concat([rows, rest], how="diagonal_relaxed")
    return _with_misc(rows, database)


def _folded(tables: Sequence[pl.DataFrame], keys: Sequence[str]) -> pl.DataFrame:
    """One row a key and part, with the first value of each column that is not blank."""
    if not tables:
        return pl.DataFrame(schema=dict.fromkeys(keys, pl.String))
    rows = pl.concat(tables, how="diagonal_relaxed")
    by = [name for name in (*keys, "part") if name in rows.columns]
    if len(by) == len(rows.columns):
        return rows.unique(maintain_order=True)
    return rows.group_by(by, maintain_order=True).agg(pl.all().drop_nulls().first())


def _with_misc(rows: pl.DataFrame, database: Any) -> pl.DataFrame:
    """``rows`` and the clips without audio that an export of ours keeps in a table of their own."""
    if "clips.without_audio" not in database.misc_tables:
        return rows
    frame = database["clips.without_audio"].df.reset_index()
    return pl.concat([rows, pl.from_pandas(frame)], how="diagonal_relaxed")


def _read_hf(folder: Path) -> pl.DataFrame:
    """All splits below each other; classes by their names, embedded audio put into the cache."""
    try:
        import datasets
    except ImportError as error:
        raise MissingExtra("datasets", "hf") from error
    loaded = datasets.load_from_disk(str(folder))
    splits = loaded if isinstance(loaded, dict) else {None: loaded}
    tables = []
    for part, split in splits.items():
        rows = pl.DataFrame(pl.from_arrow(split.with_format("arrow")[:]))
        for name, feature in split.features.items():
            if isinstance(feature, datasets.ClassLabel):
                names = dict(enumerate(feature.names))
                rows = rows.with_columns(
                    pl.col(name).replace_strict(names, default=None, return_dtype=pl.String)
                )
            if isinstance(feature, datasets.Audio):
                paths = [_embedded(cell) for cell in rows[name]]
                rows = rows.with_columns(pl.Series(name, paths, dtype=pl.String))
        if part is not None and "part" not in rows.columns:
            rows = rows.with_columns(part=pl.lit(part))
        tables.append(rows)
    return pl.concat(tables, how="diagonal_relaxed")


def _embedded(cell: dict[str, Any] | None) -> str | None:
    """The path of an audio cell; bytes that it holds are written into the cache."""
    if cell is None or cell["bytes"] is None:
        return None if cell is None else cell["path"]
    data: bytes = cell["bytes"]
    ending = Path(cell["path"] or "").suffix
    path = store.cache_root() / "embedded" / f"{store.digest(data)}{ending}"
    if not path.is_file():
        store.write_atomic(path, lambda file: file.write(data))
    return str(path)


def _plain(name: str) -> str:
    """A column's name for comparison: ``Speaker ID`` is ``speaker_id``."""
    return re.sub(r"[\s\-.]+", "_", name.strip()).lower()


def _with_roles(
    rows: pl.DataFrame, named: Mapping[str, str], path: Path
) -> tuple[pl.DataFrame, dict[str, str]]:
    """The table with its roles under their names, and where they came from."""
    unknown = [role for role in named if role not in ROLES]
    if unknown:
        raise BadData(f"No role is called {listing(unknown)}. There are: {', '.join(ROLES)}.")
    found: dict[str, str] = {}
    values: dict[str, pl.Expr] = {}
    for role, names in ROLES.items():
        plain = {_plain(column): column for column in reversed(rows.columns)}
        source = named.get(role, next((plain[name] for name in names if name in plain), ""))
        if not source:
            continue
        column, _, pattern = (source, "", "") if source in rows.columns else source.partition("~")
        if column not in rows.columns:
            raise MissingData(
                f"{path}: there is no column '{column}' for {role}. Found: {listing(rows.columns)}."
            )
        text = pl.col(column).cast(pl.String)
        values[role] = text.str.extract(pattern) if pattern else text
        found[role] = source
    if "part" in values:
        lower = values["part"].str.to_lowercase().str.strip_chars()
        values["part"] = lower.replace_strict(PARTS, default=values["part"])
    if "clip" not in values and "path" in values:
        values["clip"], found["clip"] = values["path"], found["path"]
    used = {source for source in found.values() if source in rows.columns}
    kept = rows.select(
        pl.col(name).alias(f"{name}_original" if name in found else name)
        for name in rows.columns
        if name not in used
    )
    roles = rows.select(value.alias(role) for role, value in values.items())
    return pl.concat([roles, kept], how="horizontal"), found
