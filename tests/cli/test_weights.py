"""`kukkiri weights`: list, fetch, verify, path, export."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import fields
from importlib import import_module

import pytest
from typer.testing import CliRunner

from kukkiri.cli.weights import EXPORTS, app
from kukkiri.errors import InputError, UnknownNameError, WeightError
from kukkiri.weights import catalogue
from weights import conftest as fixtures
from weights.file_server import BODY, FILE, Answer, entry_text, write_catalogue

home, server = fixtures.home, fixtures.server
SHA = hashlib.sha256(BODY).hexdigest()


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def test_list_as_json(server, home):
    result = run("list", "--json")
    rows = {row["key"]: row for row in json.loads(result.stdout)}
    assert result.exit_code == 0
    assert rows["niqe-pristine"]["present"] is True
    assert rows["niqe-pristine"]["kind"] == "shipped"
    assert rows["demo-net"]["present"] is False
    assert rows["demo-net"]["path"] == str(home / "weights" / FILE)
    assert rows["demo-net"]["size"] == len(BODY)
    assert {"what", "licence", "sha256", "url", "paper", "commercial_use"} <= set(rows["demo-net"])


def test_list_for_people(server):
    result = run("list")
    assert result.exit_code == 0
    for part in ("niqe-pristine", "brisque-svr", "demo-net", "published", "600.0 kB", "MIT", "yes", "no"):
        assert part in result.stdout


def test_fetch_verify_path(server, home):
    path = str(home / "weights" / FILE)
    result = run("fetch", "demo-net")
    assert (result.exit_code, result.stdout) == (0, f"demo-net: {path}\n")
    assert run("path", "demo-net").stdout == f"{path}\n"
    result = run("verify")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert {"niqe-pristine: whole", "kukkiri-blur: whole", "demo-net: whole"} <= set(lines)
    assert all(line.endswith(": whole") for line in lines)


def test_list_says_what_is_not_known(server, tmp_path):
    write_catalogue(tmp_path / "extra.toml", entry_text(server.url, size=0, sha256="0123abcd"))
    text = run("list").stdout
    assert "size not known" in text
    assert "8 digits known" in text
    row = next(row for row in json.loads(run("list", "--json").stdout) if row["key"] == "demo-net")
    assert (row["size"], row["sha256"]) == (None, "0123abcd")


def test_a_file_put_there_by_hand_is_verified_first(server, home, tmp_path):
    write_catalogue(tmp_path / "extra.toml", entry_text(server.url, size=0, sha256=SHA[:8]))
    (home / "weights").mkdir(parents=True)
    (home / "weights" / FILE).write_bytes(BODY)
    assert "kukkiri weights verify demo-net" in str(run("path", "demo-net").exception)
    assert run("verify", "demo-net").exit_code == 0
    assert run("path", "demo-net").exit_code == 0
    assert server.requests == []


@pytest.fixture
def without_authors_files(tmp_path, monkeypatch):
    """The package's own catalogue with nothing to download in it: these tests need no network."""
    shipped = [
        entry_text("", key=key, **{f.name: getattr(entry, f.name) or None for f in fields(entry) if f.name != "key"})
        for key, entry in catalogue().items()
        if entry.kind == "shipped"
    ]
    monkeypatch.setattr(
        import_module("kukkiri.weights.catalogue"), "_OWN", write_catalogue(tmp_path / "own.toml", *shipped)
    )


@pytest.mark.usefixtures("without_authors_files")
def test_fetch_all_goes_on_after_a_failure(server, home, tmp_path):
    server.answers = [Answer(status=404)]
    with (tmp_path / "extra.toml").open("a") as extra:
        extra.write(entry_text(server.url, key="other-net", file="other-net.pth"))
    result = run("fetch", "--all", "--json")
    rows = {row["key"]: row for row in json.loads(result.stdout)}
    assert result.exit_code == 1
    assert "HTTP 404" in rows["demo-net"]["error"]
    assert "HTTP 404" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert rows["other-net"]["path"] == str(home / "weights" / "other-net.pth")
    assert rows["niqe-pristine"]["error"] is None
    assert len(rows) == 2 + sum(entry.kind == "shipped" for entry in catalogue().values())


@pytest.mark.parametrize("arguments", [["fetch"], ["fetch", "demo-net", "--all"]])
def test_fetch_wants_keys_or_all(server, arguments):
    assert isinstance(run(*arguments).exception, InputError)


@pytest.mark.parametrize("command", ["fetch", "verify", "path", "forget-licence"])
def test_unknown_key(server, command):
    result = run(command, "demo-nett")
    assert isinstance(result.exception, UnknownNameError)
    assert "demo-net" in str(result.exception)
    assert server.requests == []


def test_offline_mirror_and_licence_are_passed_on(server, tmp_path):
    restricted = entry_text(server.url, commercial_use=False, licence="CC BY-NC 4.0", terms="https://example.org/nc")
    write_catalogue(tmp_path / "extra.toml", restricted)
    refused = run("fetch", "demo-net")
    assert refused.exit_code == 1
    assert "CC BY-NC 4.0" in refused.stderr
    offline = run("fetch", "demo-net", "--accept-licence", "--offline")
    assert offline.exit_code == 1
    assert "switched off" in offline.stderr
    assert run("fetch", "demo-net", "--mirror", f"{server.url}/mirror").exit_code == 0
    assert [where for where, _ in server.requests] == [f"/mirror/{FILE}"]


def test_an_acceptance_is_taken_back(server, tmp_path, monkeypatch):
    """Listed, and remembered although the download failed: it is a word of the user's, not of the server's."""
    restricted = entry_text(server.url, commercial_use=False, licence="CC BY-NC 4.0", terms="https://example.org/nc")
    write_catalogue(tmp_path / "extra.toml", restricted)

    def accepted() -> bool:
        return next(row for row in json.loads(run("list", "--json").stdout) if row["key"] == "demo-net")["accepted"]

    assert not accepted()
    assert run("fetch", "demo-net", "--accept-licence", "--offline").exit_code == 1
    assert accepted()
    assert "accepted" in run("list").stdout
    assert run("fetch", "demo-net").exit_code == 0
    assert run("forget-licence", "demo-net").stdout == "demo-net: forgotten\n"
    assert not accepted()
    assert "licence" in run("fetch", "demo-net").stderr
    assert "no acceptance was remembered" in run("forget-licence", "demo-net").stdout
    monkeypatch.setenv("KUKKIRI_ACCEPT_LICENCE", "demo-net")
    assert "KUKKIRI_ACCEPT_LICENCE" in run("forget-licence", "demo-net").stdout
    (row,) = json.loads(run("forget-licence", "niqe-pristine", "--json").stdout)
    assert row == {"key": "niqe-pristine", "forgotten": False, "accepted": True}


def test_verify_finds_damage(server, home):
    run("fetch", "demo-net")
    (home / "weights" / FILE).write_bytes(BODY[:-1])
    result = run("verify", "--json")
    rows = {row["key"]: row for row in json.loads(result.stdout)}
    assert result.exit_code == 1
    assert "damaged" in rows["demo-net"]["error"]
    assert rows["demo-net"]["whole"] is False
    assert rows["niqe-pristine"]["whole"] is True
    assert "demo-net: NOT WHOLE" in run("verify", "demo-net").stdout


def test_fetch_says_that_a_damaged_file_was_deleted(server, home):
    run("fetch", "demo-net")
    (home / "weights" / FILE).write_bytes(BODY[:-1])
    command = [sys.executable, "-c", "from kukkiri.cli.main import run; run()", "weights", "fetch", "demo-net"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0
    assert "was damaged" in done.stderr
    assert done.stdout == f"demo-net: {home / 'weights' / FILE}\n"


def test_verify_does_not_ask_for_what_was_never_fetched(server):
    assert run("verify").exit_code == 0
    named = run("verify", "demo-net")
    assert named.exit_code == 1
    assert "kukkiri weights fetch demo-net" in named.stderr
    assert named.stdout == "demo-net: not here\n"


def test_path_of_what_is_not_there(server, home):
    result = run("path", "demo-net")
    assert isinstance(result.exception, WeightError)
    assert result.stdout == ""
    as_json = run("path", "demo-net", "--json")
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout) == {"key": "demo-net", "path": str(home / "weights" / FILE), "present": False}


def test_an_unknown_name_is_told_before_anything_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    error = run("export", "kukkiri-deblur").exception
    assert isinstance(error, UnknownNameError)
    assert "(kukkiri-blur, kukkiri-nr), got 'kukkiri-deblur'; did you mean kukkiri-blur" in str(error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", EXPORTS)
def test_an_export_is_named_after_its_key(key, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(import_module(EXPORTS[key][0]), "export_onnx", lambda path: path.write_bytes(b"network"))
    for arguments, file in (([key], f"{key}.onnx"), ([key, "--out", "own.onnx"], "own.onnx")):
        done = run("export", *arguments)
        assert done.exit_code == 0 and done.stdout.startswith(f"{file}: ")
        assert (tmp_path / file).read_bytes() == b"network"
