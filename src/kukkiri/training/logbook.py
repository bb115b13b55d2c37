"""What a run leaves to read: `log.jsonl`, tensorboard's files, `curve.json`, `curve.png`, `card.json`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kukkiri.replacing import replacing

LOG, CURVE, FIGURE, CARD = "log.jsonl", "curve.json", "curve.png", "card.json"


class Logbook:
    """The files of one run.

    Parameters
    ----------
    folder : Path
        Of the run; exists.
    step : int
        Where the run goes on; what the log says of later steps is from a run that was killed, and is dropped.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self.folder = folder
        kept = _lines_up_to(folder / LOG, step) if step else []
        with replacing(folder / LOG) as temporary:
            temporary.write_text("".join(kept), encoding="utf-8")
        self._log = (folder / LOG).open("a", encoding="utf-8")
        self._board = _board(folder / "tensorboard", step)

    def close(self) -> None:
        """Let go of the files."""
        self._log.close()
        if self._board is not None:
            self._board.close()

    def line(self, step: int, minutes: float, values: Mapping[str, float], *, kind: str) -> None:
        """Add a line to the log, and a point to tensorboard's curves.

        Parameters
        ----------
        step : int
            Steps done.
        minutes : float
            Minutes trained.
        values : mapping of float
            One that is not finite is null.
        kind : str
            'train' or 'validation': the group of the curves.
        """
        entry = {"kind": kind, "step": step, "minutes": round(minutes, 4)} | finite(values)
        self._log.write(json.dumps(entry, allow_nan=False) + "\n")
        self._log.flush()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(f"{kind}/{name}", value, step)

    def curve(self, entries: Sequence[Mapping[str, Any]], title: str) -> None:
        """Write what the validations found, as numbers and as a figure."""
        with replacing(self.folder / CURVE) as temporary:
            temporary.write_text(json.dumps([finite(e) for e in entries], indent=1, allow_nan=False), encoding="utf-8")
        with replacing(self.folder / FIGURE) as temporary:
            _draw(entries, title, temporary)

    def card(self, content: Mapping[str, Any]) -> None:
        """Write how the weights came to be."""
        with replacing(self.folder / CARD) as temporary:
            temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8")


def finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same, with None for numbers that JSON cannot hold."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}


def _lines_up_to(path: Path, step: int) -> list[str]:
    kept: list[str] = []
    if not path.is_file():
        return kept
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(line)
            except (ValueError, KeyError, TypeError):
                continue  # the last line of a run that was killed while it wrote
    return kept


def _board(folder: Path, step: int) -> Any:
    """Tensorboard's writer, or None where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step + 1 if step else None)


def _draw(entries: Sequence[Mapping[str, Any]], title: str, path: Path) -> None:
    """Training loss and validation score over the minutes, the best one marked."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5), layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True)
    minutes = [e["minutes"] for e in entries]
    for axes, key, label in ((upper, "loss", "training loss"), (lower, "score", "validation score")):
        values = [math.nan if e.get(key) is None else e[key] for e in entries]
        axes.plot(minutes, values, marker="o", markersize=3)
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
        shown = [v for v in values if math.isfinite(v)]
        if shown and min(shown) > 0:
            axes.set_yscale("log")
        if key == "score" and shown:
            best = min(shown)
            axes.plot(minutes[values.index(best)], best, marker="*", markersize=12, color="tab:red")
            axes.set_title(f"best {best:.4g} at step {entries[values.index(best)]['step']}", fontsize=9)
    lower.set_xlabel("minutes")
    figure.suptitle(title)
    figure.savefig(path, format="png", dpi=110)
