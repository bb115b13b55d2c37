"""`kukkiri doctor`: is this installation well?"""

from __future__ import annotations

import typer

from kukkiri.cli.output import JsonArray, print_json, show, table


def command(json: JsonArray = False) -> None:
    """Check versions, device, cache, extras and weights, and run one self-test."""
    from kukkiri.inspection.doctor import examine

    findings = examine()
    if json:
        print_json([f.to_row() for f in findings])
    else:
        marks = {True: "✓", False: "✗", None: "–"}
        show(
            table(
                ["", "what", "found", "to do"],
                [(marks[f.ok], f.what, f.found, "" if f.ok else f.fix) for f in findings],
            )
        )
    raise typer.Exit(int(any(f.ok is False for f in findings)))
