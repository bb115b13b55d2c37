"""The processes behind the local engine: what happens when things go wrong with them."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

import kukkiri as kk
from kukkiri.errors import KukkiriError
from kukkiri.inspection import budget, local_engine, worker
from kukkiri.inspection.budget import AbandonedError, PixelBudget
from kukkiri.inspection.measuring import batches
from kukkiri.inspection.settings import Settings

FAST = Settings(metrics=("tenengrad",))


def python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.fixture
def many(photographs: Path, tmp_path: Path) -> Path:
    for i in range(40):
        (tmp_path / f"{i:02}.png").symlink_to(photographs / "00.png")
    return tmp_path


def children() -> set[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(os.getpid())], capture_output=True, text=True).stdout
    return {int(pid) for pid in listed.split()}


def test_a_script_without_a_main_guard(many: Path) -> None:
    """Processes must not import the script again, as those of multiprocessing would."""
    script = many / "script.py"
    script.write_text(f"import kukkiri as kk\nprint(len(list(kk.measure({str(many)!r}, 'tenengrad', workers=2))))\n")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["40"], done.stderr


def test_within_a_daemonic_process(many: Path) -> None:
    code = """
        import multiprocessing, sys, kukkiri as kk
        def run(folder): return len(list(kk.measure(folder, "tenengrad", workers=2)))
        if __name__ == "__main__":
            with multiprocessing.get_context("fork").Pool(1) as pool:
                print(pool.apply(run, (sys.argv[1],)))
    """
    done = python(code, many)
    assert done.stdout.split() == ["40"], done.stderr


def test_memory_is_kept_where_the_library_can() -> None:
    import platform

    assert local_engine.keep_freed_memory() == (platform.libc_ver()[0] == "glibc")


def test_threads_of_the_caller_are_left_alone(many: Path) -> None:
    before = torch.get_num_threads()
    rows = kk.measure(many, "tenengrad", workers=2)
    next(rows)
    assert torch.get_num_threads() == before
    rows.close()  # type: ignore[attr-defined]
    assert torch.get_num_threads() == before


def test_no_process_is_left_over(many: Path) -> None:
    before = children()
    rows = local_engine.run(batches(sorted(many.iterdir())), FAST, workers=2)
    next(rows)
    rows.close()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and any("python" in _name(p) for p in children() - before):
        time.sleep(0.2)
    assert not [p for p in children() - before if "loky" in _command(p) and "tracker" not in _command(p)]


def _name(pid: int) -> str:
    path = Path(f"/proc/{pid}/comm")
    return path.read_text() if path.exists() else ""


def _command(pid: int) -> str:
    path = Path(f"/proc/{pid}/cmdline")
    return path.read_text() if path.exists() else ""


def test_a_killed_process_ends_the_run_with_an_explanation(many: Path) -> None:
    """One that holds the whole budget included: nobody may wait for it for ever."""
    code = """
        import os, signal, sys, time
        from pathlib import Path
        import kukkiri.inspection.budget as budget, kukkiri.inspection.worker as worker
        from kukkiri.errors import KukkiriError
        from kukkiri.inspection import local_engine
        from kukkiri.inspection.measuring import batches
        from kukkiri.inspection.settings import Settings
        budget.free_memory = lambda: 1
        plain = worker.Worker.measure
        def slow(self, files):
            with self.budget.holding(1, self.while_waiting):
                pass
            return plain(self, files)
        worker.Worker.measure = slow
        def kill():
            lines = os.popen(f"ps -ww -o pid=,args= --ppid {os.getpid()}").readlines()
            others = [int(line.split()[0]) for line in lines if "loky" in line and "tracker" not in line]
            for other in others:
                os.kill(other, signal.SIGKILL)
            return bool(others)
        files = sorted(Path(sys.argv[1]).glob("*.png")) * 200
        try:
            results = local_engine.run(batches(files), Settings(metrics=("tenengrad", "niqe")), workers=2)
            killed = False
            for number, _ in enumerate(results):
                # This process works too: on a busy machine the other comes later.
                until = time.monotonic() + 60
                while not killed and number > 0 and time.monotonic() < until:
                    killed = kill()
            print("ended")
        except KukkiriError as error:
            print("explained:", error)
    """
    done = python(code, many)
    assert "explained: expected every process to live" in done.stdout, (done.stdout, done.stderr[-2000:])


def test_waiting_for_a_dead_holder_is_given_up() -> None:
    from loky.backend.context import get_context

    shared = PixelBudget(get_context("loky"), pixels=1)
    entered = threading.Event()

    def hold() -> None:  # as a process that was killed: it takes and never gives back
        shared._free.acquire()
        entered.set()

    threading.Thread(target=hold).start()
    entered.wait()

    def dead() -> None:
        raise AbandonedError

    with pytest.raises(AbandonedError), shared.holding(10, dead):
        pytest.fail("entered")
    shared._free.release()
    with shared.holding(10**12):
        pass
    with shared.holding(1):
        pass


def test_pictures_that_cannot_be_brought_together_say_so(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure between reading and measuring must reach each row, not vanish."""

    def fail(_: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(worker.torch, "stack", fail)
    rows = worker.Worker(FAST).measure(sorted(many.glob("*.png"))[:3])
    assert len(rows) == 3
    assert all(r.record.error and "no room" in r.record.error for r in rows)


def test_large_pictures_share_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.random.default_rng(0).integers(0, 255, (700, 800), np.uint8)
    for i in range(20):
        Pillow.fromarray(array).save(tmp_path / f"{i}.png")
    monkeypatch.setattr(budget, "free_memory", lambda: 1)
    assert len(list(kk.measure(tmp_path, "tenengrad", workers=2))) == 20


def test_ctrl_c_is_one_line_and_leaves_nothing_behind(many: Path) -> None:
    for i in range(40, 400):
        (many / f"{i}.png").symlink_to(many / "00.png")
    out = many / "t.csv"
    command = [sys.executable, "-m", "kukkiri", "measure", str(many), "-o", str(out), "-m", "niqe", "-j", "2"]
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # under nohup it would be ignored from the start
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=heard)
    journal = out.with_name("t.csv.journal")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (not journal.exists() or journal.stat().st_size < 30000):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "interrupted" in said and "Traceback" not in said, said


def test_kukkiri_error_of_a_process_reaches_the_caller() -> None:
    import pickle

    error = KukkiriError(expected="a", got="b", fix="c")
    assert str(pickle.loads(pickle.dumps(error))) == "expected a, got b; c"
