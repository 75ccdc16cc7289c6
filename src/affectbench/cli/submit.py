"""Verbs about files that are handed in."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from affectbench.cli.terminal import Json, remarks_line, task_of
from affectbench.errors import BadData
from affectbench.store import plain

if TYPE_CHECKING:
    from affectbench.submission import Bundle, Handed

app = typer.Typer(no_args_is_help=True, help="Files to hand in: validate one, pack one.")

TaskName = Annotated[str, typer.Option("--task", help="A task, or path/to/file.py:NAME.")]
Labels = Annotated[
    Path | None,
    typer.Option("--labels", help="Label files, or a table of ids, to compare the ids with."),
]
Data = Annotated[Path | None, typer.Option("--data", help="Corpus folder to compare the ids with.")]


@dataclass(slots=True)
class Verdict:
    """What is told of a file, as lines or as JSON."""

    file: Path
    task: str
    verdict: str = "OK"
    facts: dict[str, Any] = field(default_factory=dict)  # rows, columns, or clips and emotions
    repairs: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)

    def tell(self, *, as_json: bool) -> None:
        """Print it; exit code 1 if the file is refused."""
        if as_json:
            told = {**asdict(self), "file": str(self.file), "written": list(map(str, self.written))}
            typer.echo(json.dumps(plain(told), indent=2))
        else:
            self.lines()
        raise typer.Exit(int(self.verdict != "OK"))

    def lines(self) -> None:
        """The file, what was repaired, noted and wrong, and the verdict last."""
        from affectbench.submission.names import shown

        facts = "".join(f", {value} {name}" for name, value in self.facts.items())
        typer.echo(f"{shown(self.file.name, 120)}: {self.task}{facts}")
        for repair in self.repairs:
            rows = ", ".join(map(str, repair["rows"][:5]))
            more = ", ..." if repair["count"] > 5 else ""
            where = f" (row {rows}{more})" if rows else ""
            remarks_line(f"repaired, {repair['kind']}: {repair['sentence']}{where}")
        for note in self.notes:
            remarks_line(f"note: {note}")
        for problem in self.problems:
            remarks_line(f"wrong: {problem}")
        for path in self.written:
            typer.echo(f"  written: {path}")
        typer.echo(self.verdict)


@app.command()
def validate(
    file: Annotated[Path, typer.Argument(help="The CSV; of a generation task its folder or zip.")],
    task: TaskName,
    labels: Labels = None,
    data: Data = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the repaired file here.")] = None,
    as_json: Json = False,
) -> None:
    """Read a file as the judge would: what is safe is repaired and told, no value is guessed.

    Exit code 0 when it can be scored, 1 when it is refused.
    """
    from affectbench.submission import content, expected_ids, read, read_bundle, write_new

    chosen = task_of(task)

    def check(verdict: Verdict) -> None:
        if chosen.protocol == "generate":
            if out is not None:
                raise BadData("--out is for tables; affectbench submit pack writes a bundle.")
            tell_bundle(verdict, read_bundle(file))
            return

        handed = read(file, chosen, expected=expected_ids(chosen, labels=labels, data=data))
        tell_table(verdict, handed)
        if out is not None:
            write_new({out: content(handed.table, chosen)})
            verdict.written.append(out)

    judged(Verdict(file, chosen.name), check).tell(as_json=as_json)


@app.command()
def pack(
    file: Annotated[
        Path, typer.Argument(help="A CSV, a folder of results, or generated clips by emotion.")
    ],
    task: TaskName,
    team: Annotated[str, typer.Option("--team", help="Letters, digits, blanks and . _ -")],
    number: Annotated[int, typer.Option("--number", help="1 for a team's first, then 2, ...")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the file and its manifest.")],
    labels: Labels = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Validate, and write the clean file under its official name with a manifest.

    Exit code 0 when it is written, 1 when it is refused.
    """
    from affectbench.submission import expected_ids, write_bundle
    from affectbench.submission import pack as pack_file

    chosen = task_of(task)

    def check(verdict: Verdict) -> None:
        if chosen.protocol == "generate":
            path, bundle = write_bundle(file, out, team, number)
            tell_bundle(verdict, bundle)
            verdict.written.append(path)
            return
        ids = expected_ids(chosen, labels=labels, data=data)
        packed = pack_file(file, chosen, team, number, out, expected=ids)
        tell_table(verdict, packed.handed)
        verdict.written += [packed.file, packed.manifest]

    judged(Verdict(file, chosen.name), check).tell(as_json=as_json)


def judged(verdict: Verdict, check: Callable[[Verdict], None]) -> Verdict:
    """The verdict that ``check`` fills; a refused file is one, and no error of the call."""
    from affectbench.submission import Refused

    try:
        check(verdict)
    except Refused as refusal:
        verdict.verdict = "REFUSED"
        verdict.problems = list(refusal.problems)
    return verdict


def tell_table(verdict: Verdict, handed: Handed) -> None:
    """Facts of a table that was read."""
    verdict.facts = {"rows": len(handed.table), "columns": len(handed.table.columns)}
    verdict.repairs = [asdict(repair) for repair in handed.repairs]
    verdict.notes = list(handed.notes)


def tell_bundle(verdict: Verdict, bundle: Bundle) -> None:
    """Facts of generated clips that were read."""
    verdict.facts = {"clips": len(bundle.clips), "emotions": len(bundle.emotions)}
    verdict.notes = list(bundle.notes)
