"""Verbs of an organiser, and of those who check one: seal, judge, verify."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from affectbench.cli.scores import Draws, Groups, Interval, Support, scoring_of
from affectbench.cli.terminal import Json, remarks_line, task_of

Key = Annotated[Path, typer.Option("--key", help="Key file; keep it apart from the bundle.")]
OtherTask = Annotated[
    str | None, typer.Option("--task", help="The task of the bundle, if it is one of your own.")
]


def seal(
    labels: Annotated[Path, typer.Argument(help="CSV or corpus folder with the labels.")],
    task: Annotated[str, typer.Option("--task", help="A task, or path/to/file.py:NAME.")],
    out: Annotated[Path, typer.Option("--out", help="Bundle file to write.")],
    key: Key,
    part: Annotated[str, typer.Option("--part", help="train, dev or test.")] = "test",
    groups: Groups = None,
    support: Support = None,
    name: Annotated[str, typer.Option("--name", help="What cards call the bundle.")] = "",
    attempts: Annotated[
        int | None, typer.Option("--attempts", help="Scored files a team; the task's by default.")
    ] = None,
    step: Annotated[
        str | None,
        typer.Option("--step", help="Tell scores in steps of this size, or auto: half an interval"),
    ] = None,
    no_outputs: Annotated[
        bool, typer.Option("--no-outputs", help="Do not tell scores per class or emotion.")
    ] = False,
    draws: Draws = 10_000,
    interval: Interval = None,
    as_json: Json = False,
) -> None:
    """Encrypt the labels of a task for blind scoring: a bundle, its fingerprint, a key."""
    from affectbench.judging import seal as seal_labels

    made = seal_labels(
        labels,
        task_of(task),
        out=out,
        key=key,
        part=part,
        groups=groups,
        support=support,
        name=name,
        attempts=attempts,
        step=step,
        outputs=not no_outputs,
        scoring=scoring_of(draws, interval),
    )
    if as_json:
        typer.echo(json.dumps({**made.bundle.public, "notes": made.notes}, indent=2))
        return
    header = made.bundle.header
    released = "as they are" if header.step is None else f"in steps of {header.step:g}"
    typer.echo(f"Sealed {header.clips:,} clips of {header.task} ({header.part}).")
    typer.echo(f"  {header.attempts} attempts a team; scores are told {released}.")
    typer.echo(f"  bundle       {made.out}")
    typer.echo(f"  key          {made.key}   keep it secret, and a copy of it safe")
    typer.echo(f"  to publish   {made.fingerprint}")
    typer.echo(f"  fingerprint  {made.bundle.fingerprint}")
    for note in made.notes:
        remarks_line(note)


def judge(
    bundle: Annotated[Path, typer.Argument(help="The bundle that seal wrote.")],
    submission: Annotated[Path, typer.Argument(help="The file that a team handed in.")],
    key: Key,
    log: Annotated[Path, typer.Option("--log", help="Log of the bundle; begun if not there.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of score cards.")],
    team: Annotated[
        str | None, typer.Option("--team", help="Who handed it in; else as the file is named.")
    ] = None,
    task: OtherTask = None,
    as_json: Json = False,
) -> None:
    """Score a submission against sealed labels: an entry in the log, a signed score card.

    Exit code 1 when the file is refused; that costs no attempt.
    """
    from affectbench.judging import judge as judge_file

    judged = judge_file(
        bundle,
        submission,
        key=key,
        log=log,
        out=out,
        team=team,
        task=task_of(task) if task else None,
    )
    if as_json:
        card = None if judged.card is None else str(judged.card)
        told = {"card": card, "again": judged.again, "entry": judged.entry, "notes": judged.notes}
        typer.echo(json.dumps(told, indent=2))
    else:
        for line in judged.lines():
            typer.echo(line)
    raise typer.Exit(int(judged.refused))


def verify(
    paths: Annotated[list[Path], typer.Argument(help="Score cards (JSON) and logs of one bundle.")],
    fingerprint: Annotated[
        Path | None, typer.Option("--fingerprint", help="What the organiser published.")
    ] = None,
    bundle: Annotated[Path | None, typer.Option("--bundle", help="The sealed bundle.")] = None,
    key: Annotated[
        Path | None, typer.Option("--key", help="Key file, to score the submission again.")
    ] = None,
    submission: Annotated[
        Path | None, typer.Option("--submission", help="The file that the card is of.")
    ] = None,
    task: OtherTask = None,
    as_json: Json = False,
) -> None:
    """Check score cards and logs: signatures, the chain, the fingerprint.

    Exit code 1 when something was changed; it says where.
    """
    from affectbench.judging import verify as verify_files

    verdict = verify_files(
        paths,
        fingerprint=fingerprint,
        bundle=bundle,
        key=key,
        submission=submission,
        task=task_of(task) if task else None,
    )
    if as_json:
        typer.echo(json.dumps(as_data(verdict), indent=2))
    else:
        for file in verdict.files:
            for line in file.lines():
                typer.echo(line)
        for note in verdict.notes:
            remarks_line(note)
    raise typer.Exit(int(not verdict.holds))


def as_data(verdict: Any) -> dict[str, Any]:
    """A verdict as JSON."""
    files = [
        {"path": str(file.path), "kind": file.kind, "problems": file.problems}
        for file in verdict.files
    ]
    return {"holds": verdict.holds, "files": files, "notes": list(verdict.notes)}
