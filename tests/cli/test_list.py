"""`kukkiri list`: what of a picture counts."""

import json

from typer.testing import CliRunner

from kukkiri.cli.main import app


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["list", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_what_counts_is_told_when_asked_for() -> None:
    brief, more = printed("--answers", "quality"), printed("--answers", "quality", "-v")
    assert "sees" not in brief.splitlines()[1] and "sees" in more.splitlines()[1]
    (row,) = (line for line in more.splitlines() if line.strip().startswith("maniqa "))
    assert "crops" in row and "224 px" in row
    assert {row["name"]: row["sees"] for row in json.loads(printed("--json"))}["koncept512"] == "resized"
