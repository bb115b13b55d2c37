"""Files of which the catalogue knows only the first digits of the sha256, or not the size: learnt once, then exact."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from kukkiri.errors import OfflineError, WeightError
from kukkiri.weights import download, fetch, load_tensors, locate, present, verify
from weights.file_server import BODY, FILE, Answer, entry_text, write_catalogue

SHA = hashlib.sha256(BODY).hexdigest()
HALF = len(BODY) // 2
NOTE = f"{FILE}.sha256"
CUT = [Answer(cut_after=HALF, etag='"one"')] + [Answer(status=503)] * 4


@pytest.fixture(autouse=True)
def folder(server, home, tmp_path: Path) -> Path:
    write_catalogue(tmp_path / "extra.toml", entry_text(server.url, size=0, sha256=SHA[:8]))
    return home / "weights"


def files(folder: Path) -> set[str]:
    return {p.name for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock"}


def cut_download(server) -> None:
    server.answers = list(CUT)
    with pytest.raises(WeightError, match=r"of 600000 bytes are kept"):
        fetch("demo-net")


class TestLearns:
    def test_writes_down_what_came(self, server, folder):
        assert not present("demo-net")
        path = fetch("demo-net")
        assert path.read_bytes() == BODY
        assert (folder / NOTE).read_text() == f"# 600000 bytes\n{SHA}  {FILE}\n"
        assert files(folder) == {FILE, NOTE}
        assert present("demo-net")
        assert fetch("demo-net") == verify("demo-net") == locate("demo-net") == path
        assert len(server.requests) == 1

    def test_note_is_read_by_sha256sum(self, folder):
        fetch("demo-net")
        done = subprocess.run(["sha256sum", "-c", "--strict", NOTE], cwd=folder, capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{FILE}: OK\n", "")

    def test_progress_tells_the_size_as_soon_as_the_server_has(self):
        seen = []
        fetch("demo-net", progress=lambda there, size: seen.append((there, size)))
        assert seen[0] == (0, 0)
        assert {size for _, size in seen[1:]} == {len(BODY)}
        assert seen[-1][0] == len(BODY)

    def test_bar(self, capfd):
        fetch("demo-net", progress=True)
        assert "demo-net" in capfd.readouterr().err

    @pytest.mark.parametrize("changes", [{"size": len(BODY), "sha256": SHA[:12]}, {"size": 0, "sha256": SHA}])
    def test_either_may_be_known(self, server, folder, tmp_path, changes):
        write_catalogue(tmp_path / "extra.toml", entry_text(server.url, **changes))
        assert fetch("demo-net").read_bytes() == BODY
        assert files(folder) == {FILE, NOTE}
        assert present("demo-net")

    def test_a_note_is_not_written_where_all_is_known(self, server, folder, tmp_path):
        write_catalogue(tmp_path / "extra.toml", entry_text(server.url))
        fetch("demo-net")
        assert files(folder) == {FILE}

    def test_a_file_put_there_by_hand_is_taken_up(self, server, folder, monkeypatch):
        folder.mkdir(parents=True)
        (folder / FILE).write_bytes(BODY)
        monkeypatch.setenv("KUKKIRI_OFFLINE", "1")
        assert not present("demo-net")
        assert locate("demo-net") == folder / FILE
        assert present("demo-net")
        assert server.requests == []

    def test_another_file_put_there_by_hand_is_not(self, folder):
        folder.mkdir(parents=True)
        (folder / FILE).write_bytes(BODY[1:])
        with pytest.raises(WeightError, match=rf"{SHA[:8]}… \(8 of 64 digits known\).*damaged"):
            verify("demo-net")
        with pytest.raises(OfflineError, match="8 of 64"):
            fetch("demo-net", offline=True)
        assert NOTE not in files(folder)

    def test_a_cache_that_is_only_read(self, folder, monkeypatch):
        """The note cannot be written: the file is still compared with the digits that are known."""
        folder.mkdir(parents=True)
        (folder / FILE).write_bytes(BODY)

        def refuse(*_args: object, **_options: object) -> None:
            raise PermissionError

        monkeypatch.setattr(Path, "write_text", refuse)
        assert verify("demo-net") == locate("demo-net") == folder / FILE
        assert files(folder) == {FILE}


class TestHoldsAfterwards:
    def test_damage_that_the_first_digits_would_not_show(self, folder, monkeypatch):
        """All 64 digits count: a file whose sha256 has the same first 8 digits is found out."""
        path = fetch("demo-net")
        path.write_bytes(BODY[::-1])
        forged = SHA[:8] + "0" * 56
        monkeypatch.setattr("kukkiri.weights.cache.sha256_of", lambda _path: forged)
        assert present("demo-net")
        for use in (verify, load_tensors):
            with pytest.raises(WeightError, match=f"{SHA}.*{forged}.*damaged"):
                use("demo-net")

    def test_one_bit(self, server, caplog):
        path = fetch("demo-net")
        path.write_bytes(bytes([BODY[0] ^ 1]) + BODY[1:])
        with pytest.raises(WeightError, match="damaged"):
            verify("demo-net")
        assert fetch("demo-net").read_bytes() == BODY
        assert "was damaged" in caplog.text

    def test_another_size_is_seen_without_reading(self):
        path = fetch("demo-net")
        path.write_bytes(BODY[:-1])
        assert not present("demo-net")

    @pytest.mark.parametrize("text", ["", "# x bytes\n", f"# 600000 bytes\n{'0' * 64}  {FILE}\n", "\udcff"])
    def test_a_note_that_is_none_is_made_anew(self, folder, text):
        fetch("demo-net")
        (folder / NOTE).write_text(text, errors="surrogateescape")
        assert not present("demo-net")
        verify("demo-net")
        assert present("demo-net")

    def test_a_later_download_must_be_the_same_file(self, server, folder, monkeypatch):
        fetch("demo-net").unlink()
        server.body = BODY[::-1]
        with pytest.raises(WeightError, match=f"sha256 {SHA} from"):
            fetch("demo-net")
        assert FILE not in files(folder)


class TestRefuses:
    @pytest.mark.parametrize("length", [True, False])
    def test_another_file(self, server, folder, length):
        server.answers = [Answer(body=b"<html>Please log in</html>", length=length)]
        with pytest.raises(WeightError, match=rf"sha256 {SHA[:8]}….*another sha256"):
            fetch("demo-net")
        assert files(folder) == set()
        assert not present("demo-net")

    @pytest.mark.parametrize("length", [True, False])
    def test_more_than_any_file_may_have(self, server, folder, length, monkeypatch):
        monkeypatch.setattr(download, "LARGEST", 500_000)
        server.answers = [Answer(length=length)]
        with pytest.raises(WeightError, match="at most 500000 bytes"):
            fetch("demo-net")
        assert files(folder) == set()


class TestResume:
    def test_goes_on_by_itself_after_a_cut(self, server):
        server.answers = [Answer(cut_after=HALF)]
        assert fetch("demo-net").read_bytes() == BODY
        start = int(server.requests[1][1].removeprefix("bytes=").rstrip("-"))
        assert server.sent[1] == len(BODY) - start < len(BODY)

    def test_goes_on_in_a_later_call(self, server):
        cut_download(server)
        server.answers = [Answer(etag='"one"')]
        assert fetch("demo-net").read_bytes() == BODY
        assert server.requests[-1][1] is not None
        assert server.sent[-1] < len(BODY)

    @pytest.mark.parametrize(("etag", "body"), [('"two"', BODY), ('"one"', BODY + b"!")])
    def test_begins_anew_when_the_file_has_changed(self, server, etag, body):
        """The mark of the version or the size is another than at the first call: what was kept is dropped."""
        cut_download(server)
        server.body = body
        server.answers = [Answer(etag=etag), Answer(etag=etag)]
        if body is BODY:
            assert fetch("demo-net").read_bytes() == BODY
        else:
            with pytest.raises(WeightError, match="another sha256"):
                fetch("demo-net")
        assert [asked is None for _, asked in server.requests[-2:]] == [False, True]

    def test_begins_anew_without_the_servers_word(self, server, folder):
        cut_download(server)
        next(folder.rglob("*.told")).unlink()
        assert fetch("demo-net").read_bytes() == BODY
        assert server.requests[-1][1] is None

    def test_the_end_is_the_end_where_the_server_tells_no_size(self, server):
        server.answers = [Answer(length=False)]
        assert fetch("demo-net").read_bytes() == BODY
        assert len(server.requests) == 1

    def test_a_cut_without_a_size_is_found_by_the_digits(self, server, folder):
        server.answers = [Answer(length=False, cut_after=HALF)]
        with pytest.raises(WeightError, match="only its beginning"):
            fetch("demo-net")
        assert files(folder) == set()
        assert fetch("demo-net").read_bytes() == BODY

    def test_killed_at_the_last_step(self, server, folder):
        """Downloaded, but neither in its place nor noted: taken up if the digits agree, else downloaded."""
        waiting = folder / "unfinished" / "demo-net"
        for left, requests in ((BODY, 0), (b"another", 1)):
            waiting.mkdir(parents=True)
            (waiting / FILE).write_bytes(left)
            assert fetch("demo-net").read_bytes() == BODY
            assert len(server.requests) == requests
            (folder / FILE).unlink()
            (folder / NOTE).unlink()
