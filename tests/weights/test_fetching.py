"""Downloads over a server on this machine that cuts, lies and stalls to order."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from pathlib import Path

import pooch
import pytest

from kukkiri.errors import LicenceError, OfflineError, WeightError, WriteError
from kukkiri.weights import cache_dir, fetch, load_tensors, locate, present, verify
from weights.file_server import BODY, FILE, Answer, FileServer, entry_text, write_catalogue

HALF = len(BODY) // 2
FETCH = [sys.executable, "-c", "from kukkiri.weights import fetch; print(fetch('demo-net'))"]


def leftovers(home: Path) -> list[str]:
    """Everything in the cache but locks."""
    found = (home / "weights").rglob("*")
    return sorted(p.name for p in found if p.is_file() and p.suffix != ".lock")


def kept(home: Path) -> Path | None:
    """The unfinished file."""
    return next((home / "weights" / "unfinished" / "demo-net").glob("*.part"), None)


def test_fetches_once(server: FileServer, home):
    assert not present("demo-net")
    seen = []
    path = fetch("demo-net", progress=lambda there, size: seen.append((there, size)))
    assert path == home / "weights" / FILE
    assert path.read_bytes() == BODY
    assert seen[0] == (0, len(BODY))
    assert seen[-1] == (len(BODY), len(BODY))
    assert seen == sorted(seen)
    assert leftovers(home) == [FILE]
    assert present("demo-net")
    assert verify("demo-net") == fetch("demo-net") == locate("demo-net") == path
    assert server.requests == [(f"/files/{FILE}", None)]


def test_first_use_downloads(server, home):
    assert locate("demo-net").read_bytes() == BODY


def test_says_nothing_where_nobody_looks(server, home):
    done = subprocess.run(FETCH, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, str(home / "weights" / FILE), "")


def test_the_bar_is_on_stderr(server, capfd):
    fetch("demo-net", progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "demo-net" in err


class TestResume:
    def test_goes_on_by_itself_after_a_cut(self, server, home):
        server.answers = [Answer(cut_after=HALF), Answer(cut_after=1000)]
        assert fetch("demo-net").read_bytes() == BODY
        starts = [int(asked.removeprefix("bytes=").rstrip("-")) for _, asked in server.requests[1:]]
        # What had arrived when the connection was cut counts, but for an unfinished chunk of 64 KiB.
        assert HALF - 2**16 < starts[0] <= HALF
        assert starts[0] <= starts[1] <= starts[0] + 1000
        assert server.sent[2] == len(BODY) - starts[1]

    def test_goes_on_in_a_later_call(self, server, home):
        server.answers = [Answer(cut_after=HALF)] + [Answer(status=503)] * 4
        with pytest.raises(WeightError, match=r"HTTP 503.*of 600000 bytes are kept") as caught:
            fetch("demo-net")
        assert "kukkiri weights fetch demo-net" in str(caught.value)
        assert not present("demo-net")
        have = kept(home).stat().st_size
        assert HALF - 2**16 < have <= HALF
        assert fetch("demo-net").read_bytes() == BODY
        assert server.requests[-1][1] == f"bytes={have}-"
        assert server.sent[-1] == len(BODY) - have

    def test_a_close_without_a_length_is_a_cut(self, server, home):
        server.answers = [Answer(cut_after=HALF, length=False)]
        assert fetch("demo-net").read_bytes() == BODY
        assert server.requests[1][1] is not None

    def test_starts_anew_where_the_server_ignores_ranges(self, server, home):
        server.answers = [Answer(cut_after=HALF), Answer(ranges=False)]
        assert fetch("demo-net").read_bytes() == BODY
        assert server.requests[1][1] is not None
        assert server.sent[1] == len(BODY)

    def test_a_damaged_part_costs_a_second_download_only(self, server, home, caplog):
        server.answers = [Answer(cut_after=HALF)] + [Answer(status=503)] * 4
        with pytest.raises(WeightError):
            fetch("demo-net")
        part = kept(home)
        part.write_bytes(bytes(part.stat().st_size))
        assert fetch("demo-net").read_bytes() == BODY
        assert [asked for _, asked in server.requests[-2:]][1] is None
        assert "starting anew" in caplog.text

    def test_a_part_that_is_longer_than_the_file_is_dropped(self, server, home):
        server.answers = [Answer(cut_after=HALF)] + [Answer(status=503)] * 4
        with pytest.raises(WeightError):
            fetch("demo-net")
        kept(home).write_bytes(BODY + b"more")
        assert fetch("demo-net").read_bytes() == BODY
        assert server.requests[-1][1] is None

    def test_a_part_beyond_the_servers_file(self, server, home):
        """416: the server's file is shorter than what is kept. It is asked anew, and then found to be another file."""
        server.answers = [Answer(cut_after=HALF)] + [Answer(status=503)] * 4
        with pytest.raises(WeightError):
            fetch("demo-net")
        server.body = BODY[:1000]
        with pytest.raises(WeightError, match="1000 bytes from"):
            fetch("demo-net")
        assert [asked is None for _, asked in server.requests[-2:]] == [False, True]


class TestRefuses:
    def test_another_sha(self, server, home):
        server.body = bytes(len(BODY))
        with pytest.raises(WeightError, match="another sha256, which has been deleted") as caught:
            fetch("demo-net")
        assert server.url in str(caught.value)
        assert leftovers(home) == []
        assert not present("demo-net")

    @pytest.mark.parametrize("length", [True, False])
    def test_a_file_that_is_too_large(self, server, home, length):
        server.answers = [Answer(body=BODY * 10, length=length)]
        with pytest.raises(WeightError, match="600000 bytes"):
            fetch("demo-net")
        assert not present("demo-net")
        assert leftovers(home) == []
        assert len(server.requests) == 1

    def test_a_page_in_place_of_the_file(self, server, home):
        server.answers = [Answer(body=b"<html>Please log in</html>")]
        with pytest.raises(WeightError, match="26 bytes from"):
            fetch("demo-net")
        assert leftovers(home) == []

    def test_404_at_once(self, server, home):
        server.answers = [Answer(status=404)]
        with pytest.raises(WeightError, match="HTTP 404"):
            fetch("demo-net")
        assert len(server.requests) == 1
        assert leftovers(home) == []

    def test_a_busy_server_is_asked_four_times(self, server, home):
        server.answers = [Answer(status=503)] * 10
        with pytest.raises(WeightError, match="HTTP 503"):
            fetch("demo-net")
        assert len(server.requests) == 4

    def test_a_server_that_is_not_there(self, home, tmp_path, monkeypatch):
        import socket

        with socket.socket() as taken:  # bound, but nobody listens
            taken.bind(("127.0.0.1", 0))
            text = entry_text(f"http://127.0.0.1:{taken.getsockname()[1]}")
            monkeypatch.setenv("KUKKIRI_CATALOGUE", str(write_catalogue(tmp_path / "extra.toml", text)))
            with pytest.raises(WeightError, match="KUKKIRI_MIRROR"):
                fetch("demo-net")

    def test_a_cache_that_cannot_be_written(self, server, home):
        home.write_text("a file where the folder should be")
        with pytest.raises(WriteError, match="KUKKIRI_HOME"):
            fetch("demo-net")


class TestDamagedInCache:
    @pytest.fixture
    def path(self, server) -> Path:
        return fetch("demo-net")

    def test_truncated(self, path, server, home, caplog):
        path.write_bytes(BODY[:HALF])
        assert not present("demo-net")
        with pytest.raises(WeightError, match="damaged") as caught:
            verify("demo-net")
        assert "kukkiri weights fetch demo-net" in str(caught.value)
        with caplog.at_level(logging.WARNING):
            assert fetch("demo-net").read_bytes() == BODY
        assert "was damaged" in caplog.text
        assert "deleted" in caplog.text

    def test_is_deleted_even_if_it_cannot_be_replaced(self, path, server):
        path.write_bytes(BODY[:HALF])
        server.answers = [Answer(status=404)]
        with pytest.raises(WeightError, match="404"):
            fetch("demo-net")
        assert not path.exists()

    def test_one_bit(self, path, server):
        flipped = bytearray(BODY)
        flipped[12345] ^= 1
        path.write_bytes(flipped)
        assert present("demo-net")  # the size is right: only reading tells
        for use in (verify, load_tensors):
            with pytest.raises(WeightError, match="damaged"):
                use("demo-net")
        assert fetch("demo-net").read_bytes() == BODY

    def test_missing(self, path):
        path.unlink()
        with pytest.raises(WeightError, match="kukkiri weights fetch demo-net"):
            verify("demo-net")


class TestOffline:
    @pytest.mark.parametrize("value", ["1", "true"])
    def test_environment(self, server, monkeypatch, value):
        monkeypatch.setenv("KUKKIRI_OFFLINE", value)
        for use in (fetch, locate, load_tensors):
            with pytest.raises(OfflineError, match=r"downloads are switched off.*kukkiri weights fetch demo-net"):
                use("demo-net")
        assert server.requests == []

    def test_argument(self, server, home):
        with pytest.raises(OfflineError, match="sha256"):
            fetch("demo-net", offline=True)
        assert server.requests == []
        assert not home.exists()

    def test_argument_wins_over_environment(self, server, monkeypatch):
        monkeypatch.setenv("KUKKIRI_OFFLINE", "1")
        assert fetch("demo-net", offline=False).read_bytes() == BODY

    @pytest.mark.parametrize("value", ["0", "", "false"])
    def test_zero_means_online(self, server, monkeypatch, value):
        monkeypatch.setenv("KUKKIRI_OFFLINE", value)
        assert fetch("demo-net").exists()

    def test_what_is_there_needs_no_network(self, server, monkeypatch):
        path = fetch("demo-net")
        monkeypatch.setenv("KUKKIRI_OFFLINE", "1")
        assert fetch("demo-net") == locate("demo-net") == path
        assert locate("niqe-pristine").exists()


class TestMirror:
    def test_environment_and_argument(self, server, monkeypatch, home):
        monkeypatch.setenv("KUKKIRI_MIRROR", f"{server.url}/mirror/")
        path = fetch("demo-net")
        path.unlink()
        fetch("demo-net", mirror=f"{server.url}/other")
        assert [where for where, _ in server.requests] == [f"/mirror/{FILE}", f"/other/{FILE}"]

    def test_not_an_address(self, server):
        with pytest.raises(WeightError, match="https://"):
            fetch("demo-net", mirror="nowhere")


class TestLicence:
    @pytest.fixture(autouse=True)
    def restricted(self, server, tmp_path):
        self.catalogue, self.server = tmp_path / "extra.toml", server
        self.write("CC BY-NC 4.0")

    def write(self, licence: str) -> None:
        text = entry_text(self.server.url, commercial_use=False, licence=licence, terms="https://example.org/licence")
        write_catalogue(self.catalogue, text)

    def test_is_shown_and_asked_for(self):
        for use in (fetch, locate, load_tensors):
            with pytest.raises(LicenceError) as caught:
                use("demo-net")
            for part in ("CC BY-NC 4.0", "https://example.org/licence", "--accept-licence", "KUKKIRI_ACCEPT_LICENCE"):
                assert part in str(caught.value)
        assert self.server.requests == []

    def test_is_remembered(self):
        path = fetch("demo-net", accept_licence=True)
        assert locate("demo-net") == path
        path.unlink()
        assert fetch("demo-net") == path

    def test_is_asked_for_anew_when_it_changes(self):
        fetch("demo-net", accept_licence=True)
        self.write("CC BY-NC-ND 4.0")
        with pytest.raises(LicenceError, match="ND"):
            locate("demo-net")

    @pytest.mark.parametrize(("value", "good"), [("demo-net", True), ("other, demo-net", True), ("demo", False)])
    def test_environment(self, monkeypatch, value, good):
        monkeypatch.setenv("KUKKIRI_ACCEPT_LICENCE", value)
        if good:
            assert fetch("demo-net").exists()
            assert not (cache_dir() / "accepted").exists()
        else:
            with pytest.raises(LicenceError):
                fetch("demo-net")


class TestProcesses:
    def test_two_want_the_same_file_and_one_downloads_it(self, server, home):
        server.answers = [Answer(stall_at=HALF)]
        with subprocess.Popen(FETCH, stdout=subprocess.PIPE, text=True) as first:
            assert server.arrived.wait(20)
            with subprocess.Popen(FETCH, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as second:
                assert "waiting" in second.stderr.readline()
                server.released.set()
                outputs = {first.communicate(timeout=20)[0].strip(), second.communicate(timeout=20)[0].strip()}
        assert (first.returncode, second.returncode) == (0, 0)
        assert outputs == {str(home / "weights" / FILE)}
        assert (home / "weights" / FILE).read_bytes() == BODY
        assert len(server.requests) == 1

    def test_killed_in_the_middle(self, server, home):
        server.answers = [Answer(stall_at=HALF)]
        with subprocess.Popen(FETCH, stdout=subprocess.PIPE) as process:
            deadline = time.monotonic() + 20
            while not (kept(home) and kept(home).stat().st_size > HALF - 2**16):
                assert time.monotonic() < deadline, "nothing arrived"
                time.sleep(0.01)
            process.kill()
        have = kept(home).stat().st_size
        assert not present("demo-net")
        assert not (home / "weights" / FILE).exists()
        (kept(home).parent / "tmpabc").write_bytes(b"what pooch leaves when it is killed")
        server.released.set()
        server.answers = [Answer(status=404)]
        with pytest.raises(WeightError):
            fetch("demo-net")
        assert leftovers(home) == [kept(home).name]
        assert fetch("demo-net").read_bytes() == BODY  # the dead process holds no lock
        assert server.requests[-1][1] == f"bytes={have}-"
        assert leftovers(home) == [FILE]

    def test_killed_at_the_last_step(self, server, home):
        """Whole, checked, but not yet in its place."""
        waiting = home / "weights" / "unfinished" / "demo-net"
        waiting.mkdir(parents=True)
        (waiting / FILE).write_bytes(BODY)
        assert fetch("demo-net").read_bytes() == BODY
        assert server.requests == []
        assert leftovers(home) == [FILE]


def test_cache_is_the_platforms_without_a_setting(home, monkeypatch):
    assert cache_dir() == home / "weights"
    monkeypatch.delenv("KUKKIRI_HOME")
    assert cache_dir() == Path(pooch.os_cache("kukkiri")) / "weights"
