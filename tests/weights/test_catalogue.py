"""The catalogue: its entries are complete and true, and a wrong one is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kukkiri.errors import InputError, UnknownNameError
from kukkiri.weights import catalogue, entry_of, path_of, present, verify
from kukkiri.weights.cache import SHIPPED
from weights.file_server import entry_text, write_catalogue

SHIPPED_KEYS = [key for key, entry in catalogue().items() if entry.kind == "shipped"]


@pytest.mark.parametrize("key", SHIPPED_KEYS)
def test_shipped_file_is_whole_and_small(key):
    entry = entry_of(key)
    assert verify(key) == path_of(entry)
    assert path_of(entry).stat().st_size == entry.size
    assert present(key)


@pytest.mark.parametrize("key", SHIPPED_KEYS)
def test_terms_of_a_shipped_file_are_shipped(key):
    text = (SHIPPED / entry_of(key).terms).read_text(encoding="utf-8")
    assert entry_of(key).file in text


def test_live_notice_is_complete():
    """The licence asks that the notice appear in its entirety: of both releases, up to its last line."""
    text = (SHIPPED / "NOTICE-LIVE.txt").read_text(encoding="utf-8")
    for once_a_release in (
        "COPYRIGHT NOTICE STARTS WITH THIS LINE",
        "Copyright (c) 2011 The University of Texas at Austin",
        "Permission is hereby granted, without written agreement",
        "IN NO EVENT SHALL THE UNIVERSITY OF TEXAS AT AUSTIN BE LIABLE",
        "SPECIFICALLY DISCLAIMS ANY WARRANTIES",
        "COPYRIGHT NOTICE ENDS WITH THIS LINE",
    ):
        assert text.count(once_a_release) == 2


def test_nothing_lies_in_the_package_that_the_catalogue_does_not_name():
    named = {entry_of(key).file for key in SHIPPED_KEYS} | {entry_of(key).terms for key in SHIPPED_KEYS}
    assert {path.name for path in SHIPPED.iterdir()} == named


def test_unknown_key_names_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean niqe-pristine"):
        entry_of("niqe-pristin")


def test_is_torch_free_and_quick():
    """`kukkiri list` asks for presence: neither torch nor the downloader may be loaded for that."""
    code = (
        "import sys, kukkiri.weights as w; [w.present(k) for k in w.catalogue()]; "
        "print(*({'torch', 'numpy', 'pooch', 'requests', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


class TestExtraCatalogue:
    @pytest.fixture
    def use(self, home, tmp_path: Path, monkeypatch):
        def write(text: str) -> None:
            monkeypatch.setenv("KUKKIRI_CATALOGUE", str(write_catalogue(tmp_path / "extra.toml", text)))

        return write

    def test_adds_an_entry(self, use, home):
        use(entry_text("https://example.org"))
        entry = catalogue()["demo-net"]
        assert entry.address == "https://example.org/files/demo-net.pth"
        assert path_of(entry) == home / "weights" / "demo-net.pth"
        assert set(SHIPPED_KEYS) < set(catalogue())
        assert not present("demo-net")

    def test_is_read_again_after_a_change(self, use, tmp_path):
        import os

        use(entry_text("https://example.org"))
        assert entry_of("demo-net").licence == "MIT"
        use(entry_text("https://example.org", licence="BSD-3-Clause"))
        os.utime(tmp_path / "extra.toml", ns=(1, 1))
        assert entry_of("demo-net").licence == "BSD-3-Clause"

    def test_hub_address_is_pinned(self, use):
        use(entry_text("", url=None, hub="owner/name", revision="a" * 40, hub_file="sub/model.pth"))
        assert entry_of("demo-net").address == f"https://huggingface.co/owner/name/resolve/{'a' * 40}/sub/model.pth"

    def test_size_and_later_digits_may_be_unknown(self, use):
        use(entry_text("https://example.org", size=0, sha256="0123abcd"))
        entry = entry_of("demo-net")
        assert (entry.exact, entry.fingerprint) == (False, "sha256 0123abcd… (8 of 64 digits known)")
        assert not present("demo-net")

    @pytest.mark.parametrize(
        ("changes", "complaint"),
        [
            ({"colour": "red"}, "unknown field 'colour'"),
            ({"paper": None}, "no field 'paper'"),
            ({"size": True}, "size is not of type int"),
            ({"size": -1}, "size must be at least 1"),
            ({"size": 0, "kind": "shipped", "url": None}, "size must be at least 1"),
            ({"sha256": "abc"}, "64 hexadecimal digits"),
            ({"sha256": "0123abc"}, "64 hexadecimal digits"),
            ({"sha256": "0" * 65}, "64 hexadecimal digits"),
            ({"sha256": "0123ABCD"}, "64 hexadecimal digits"),
            ({"sha256": "0123abcd", "kind": "shipped", "url": None}, "64 hexadecimal digits"),
            ({"kind": "borrowed"}, "kind must be"),
            ({"file": "../up.pth"}, "plain name"),
            ({"file": "net.exe"}, "plain name"),
            ({"url": "ftp://example.org/x"}, "must begin with https"),
            ({"url": None}, "a published one has one of them"),
            ({"hub": "owner/name", "revision": "a" * 40}, "a published one has one of them"),
            ({"url": None, "hub": "owner/name", "revision": "main"}, "revision of 40"),
            ({"revision": "a" * 40}, "revision of 40"),
            ({"licence": " "}, "must not be empty"),
            ({"commercial_use": False}, "needs terms"),
        ],
    )
    def test_refuses_a_wrong_entry(self, use, changes, complaint):
        use(entry_text("https://example.org", **changes))
        with pytest.raises(InputError, match=complaint):
            catalogue()

    @pytest.mark.parametrize(
        "text",
        [
            entry_text("https://example.org", key="niqe-pristine"),
            entry_text("https://example.org", file="niqe-pristine-model.safetensors"),
            entry_text("https://example.org", kind="shipped", url=None),
        ],
    )
    def test_cannot_replace_what_the_package_has(self, use, text):
        use(text)
        with pytest.raises(InputError, match="cannot replace"):
            catalogue()

    def test_two_entries_cannot_share_a_file(self, use):
        use(entry_text("https://example.org") + entry_text("https://example.org", key="twin"))
        with pytest.raises(InputError, match="belongs to another entry"):
            catalogue()

    @pytest.mark.parametrize("text", ["[demo", "demo = 3", "\0"])
    def test_refuses_what_is_no_catalogue(self, use, text):
        use(text)
        with pytest.raises(InputError, match=r"extra\.toml"):
            catalogue()

    def test_missing_file(self, home, monkeypatch, tmp_path):
        monkeypatch.setenv("KUKKIRI_CATALOGUE", str(tmp_path / "none.toml"))
        with pytest.raises(InputError, match="KUKKIRI_CATALOGUE"):
            catalogue()


def test_files_of_the_hub_are_pinned():
    """By commit, all but the one of which no page tells any; and a file over plain http by its whole sha256."""
    entries = catalogue().values()
    assert [e.key for e in entries if "/resolve/main/" in e.address] == ["musiq-paq2piq"]
    assert all(e.exact for e in entries if e.address.startswith("http://"))


def test_what_the_collection_says_of_its_licence():
    for entry in catalogue().values():
        if "chaofengc/IQA-PyTorch-Weights" in entry.address:
            assert "CC-BY-NC-SA-4.0" in entry.licence and not entry.commercial_use, entry.key
        if entry.key.startswith("musiq-"):
            assert "Apache-2.0" in entry.licence and entry.terms.startswith("https://huggingface.co/chaofengc/")
