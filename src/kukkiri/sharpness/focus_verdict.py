"""What a focus curve says: one peak or several, inside the series or beyond its ends, or nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kukkiri.errors import one_line
from kukkiri.sharpness.estimating import LogSigma, error_of, log_sigma
from kukkiri.sharpness.focus_fit import Optimum, fit_optimum, valleys
from kukkiri.sharpness.focus_series import FocusSeries, Verdict

if TYPE_CHECKING:
    from kukkiri.sharpness.blur import Blur


class FocusCurve:
    """Frames in order of position; `order` leads back to the order in which they were given.

    Parameters
    ----------
    blurs : sequence of Blur
    positions : list of float
    unit : str
        Of the positions; 'frame' if they are only numbers of frames.
    names : tuple of str
    """

    def __init__(self, blurs: Sequence[Blur], positions: list[float], unit: str, names: tuple[str, ...]) -> None:
        self.blurs, self.where, self.unit, self.names = blurs, positions, unit, names
        self.order = np.argsort(positions, kind="stable")
        logs = [log_sigma(blurs[i]) for i in self.order]
        self.z = np.array(positions)[self.order]
        self.value = np.array([x.value for x in logs])
        self.low = np.array([_low(x, blurs[i]) for x, i in zip(logs, self.order)])
        self.high = np.array([_high(x, blurs[i]) for x, i in zip(logs, self.order)])
        self.above = np.array([blurs[i].bound == "above" for i in self.order])
        self.below = np.array([blurs[i].bound == "below" for i in self.order])
        self.measured = np.isfinite(self.value) & ~self.above
        self.error = np.array([error_of(x) for x in logs])

    def judged(self) -> FocusSeries:
        """The verdict, with everything that it rests on."""
        if int(self.measured.sum()) == 0:
            return self._result("indeterminate", "indeterminate: no frame gave a blur size", None)
        fit = self._fit(self.measured)
        best = self._best(np.arange(len(self.z)), fit)
        if len(self.z) < 3:
            said = f"indeterminate: {_count(len(self.z), 'frame')}, and a curve takes three"
            return self._result("indeterminate", said + self._best_said(best), best)
        found = [v for v in valleys(self.low, self.high) if self.measured[v[0] : v[1] + 1].any()]
        bottoms = [self._best(np.arange(first, last + 1), fit) for first, last in found]
        if len(bottoms) > 1:
            places = " and ".join(self._place(i) for i in bottoms)
            said = f"not single-peaked: {len(bottoms)} minima beyond the intervals, at {places}"
            fit = self._fit(self._own(found[bottoms.index(best)]) if best in bottoms else self.measured)
            return self._result("several minima", said + self._best_said(best), best, fit, tuple(bottoms), inside=False)
        return self._one_valley(best, fit)

    def _one_valley(self, best: int, fit: Optimum | None) -> FocusSeries:
        # Frames that are certainly more blurred than the best one; those without an answer count among them.
        risen = (self.low > self.high[best]) | ~self.measured
        left, right = np.flatnonzero(risen[:best]), np.flatnonzero(risen[best + 1 :]) + best + 1
        if not (len(left) or len(right)):
            said = "indeterminate: flat, no frame differs from the best one beyond the intervals"
            return self._result("indeterminate", said + self._best_said(best), best, fit, (best,), inside=False)
        # Where the curve does not rise beyond the intervals on one side, the fit may still hold the optimum inside.
        inside = fit is not None and self.z[0] < fit.interval[0] and fit.interval[1] < self.z[-1]
        if not (len(left) and len(right)) and not inside:
            start = len(right) > 0
            edge = self._text(self.z[0] if start else self.z[-1])
            said = (
                f"optimum at the {'start' if start else 'end'} of the series or beyond: the blur is not seen to rise "
                f"{'before' if start else 'after'} {self._place(best)}; go on {'below' if start else 'above'} {edge}"
            )
            verdict: Verdict = "at the start" if start else "at the end"
            return self._result(verdict, said + self._best_said(best), best, fit, (best,), inside=False)
        # The optimum lies between the nearest frames that are certainly more blurred, whatever the fit says.
        lowest = float(self.z[left[-1]] if len(left) else self.z[0])
        highest = float(self.z[right[0]] if len(right) else self.z[-1])
        held = fit or Optimum(float(self.z[best]), (lowest, highest), "hyperbola", math.nan, math.nan)
        at, lo, hi = (min(max(v, lowest), highest) for v in (held.position, *held.interval))
        fit = held._replace(position=at, interval=(lo, hi))
        said = f"single-peaked: optimum at {self._text(at)} ({lo:.4g}…{hi:.4g})"
        return self._result("single-peaked", said + self._best_said(best), best, fit, (best,))

    def _fit(self, use: Any) -> Optimum | None:
        return fit_optimum(self.z[use], self.value[use], self.error[use], self.below[use])

    def _own(self, valley: tuple[int, int]) -> Any:
        index = np.arange(len(self.z))
        return self.measured & (index >= valley[0]) & (index <= valley[1])

    def _best(self, among: Any, fit: Optimum | None) -> int:
        """The least blurred of some frames; of those sharper than can be told the one in the middle."""
        known = among[self.measured[among]]
        equal = known[self.value[known] <= self.value[known].min() + 1e-9]
        if len(equal) == 1 or fit is None:
            return int(equal[len(equal) // 2])
        return int(equal[np.argmin(np.abs(self.z[equal] - fit.position))])

    def _text(self, position: float) -> str:
        return f"frame {position:.4g}" if self.unit == "frame" else f"{position:.4g} {self.unit}".strip()

    def _place(self, index: int) -> str:
        """A frame in words; frames are counted from 0, as positions are where none are given."""
        number = int(self.order[index])
        at = "" if self.unit == "frame" else f" ({self._text(self.z[index])})"
        return f"frame {number}{at}"

    def _best_said(self, best: int) -> str:
        frame = int(self.order[best])
        blur = self.blurs[frame]
        sign = "< " if blur.bound == "below" else ""
        name = f" {one_line(self.names[frame], 80)}" if self.names[frame] != f"frame {frame}" else ""
        lo, hi = blur.interval
        silent = len(self.z) - int(self.measured.sum())
        more = f"; {_count(silent, 'frame')} without a blur size in range, taken as blurrier" if silent else ""
        return f"; best {self._place(best)}{name}, sigma {sign}{blur.sigma:.3g} px ({lo:.3g}…{hi:.3g}){more}"

    def _result(
        self,
        verdict: Verdict,
        statement: str,
        best: int | None,
        fit: Optimum | None = None,
        minima: tuple[int, ...] = (),
        *,
        inside: bool = True,
    ) -> FocusSeries:
        known = fit is not None and inside
        nan = math.nan
        return FocusSeries(
            positions=tuple(self.where),
            sigma=tuple(b.sigma for b in self.blurs),
            intervals=tuple(b.interval for b in self.blurs),
            bounds=tuple(b.bound for b in self.blurs),
            abstained=tuple(b.abstained for b in self.blurs),
            best=None if best is None else int(self.order[best]),
            optimum=fit.position if fit is not None and known else nan,
            optimum_interval=fit.interval if fit is not None and known else (nan, nan),
            verdict=verdict,
            statement=statement,
            minima=tuple(int(self.order[i]) for i in minima),
            unit=self.unit,
            names=self.names,
            fit=fit,
        )


def _low(log: LogSigma, blur: Blur) -> float:
    """Lower end of the interval of log sigma. A frame without an answer parts no minima: nothing is seen to rise."""
    return math.log(blur.interval[0]) if math.isfinite(log.value) and blur.interval[0] > 0 else -math.inf


def _high(log: LogSigma, blur: Blur) -> float:
    return math.log(blur.interval[1]) if math.isfinite(log.value) else math.inf


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
