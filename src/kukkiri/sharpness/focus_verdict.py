"""What a focus curve says: one peak or several, inside the series or beyond its ends, or nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kukkiri.errors import one_line
from kukkiri.sharpness.estimating import HALF_90, error_of, log_sigma
from kukkiri.sharpness.focus_fit import Optimum, comparable, fit_optimum, valleys
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
        self.above = np.array([blurs[i].bound == "above" for i in self.order])
        self.below = np.array([blurs[i].bound == "below" for i in self.order])
        self.measured = np.isfinite(self.value) & ~self.above
        self.error = np.array([error_of(x) for x in logs])
        # What the frames are told apart by. One without an answer parts no minima: nothing is seen to rise.
        reach = np.full(len(self.z), math.inf)
        reach[self.measured] = HALF_90 * comparable(self.value[self.measured], self.error[self.measured])
        self.low = np.where(self.above, math.inf, np.where(self.measured & ~self.below, self.value - reach, -math.inf))
        self.high = np.where(self.measured, self.value + reach, math.inf)

    def judged(self) -> FocusSeries:
        """The verdict, with everything that it rests on."""
        if int(self.measured.sum()) == 0:
            return self._result("indeterminate", "indeterminate: no frame gave a blur size", None)
        fit = self._fit(self.measured)
        best = self._best((0, len(self.z) - 1), fit)
        if len(self.z) < 3:
            said = f"indeterminate: {_count(len(self.z), 'frame')}, and a curve takes three"
            return self._result("indeterminate", said + self._best_said(best), best)
        found = [v for v in valleys(self.low, self.high) if self.measured[v[0] : v[1] + 1].any()]
        if len(found) > 1:
            fits = [self._fit(self._own(valley)) for valley in found]
            bottoms = [self._best(valley, its) for valley, its in zip(found, fits)]
            deepest = int(np.argmin(self.value[bottoms]))
            best, fit = bottoms[deepest], fits[deepest]
            places = " and ".join(self._place(i) for i in bottoms)
            said = f"not single-peaked: {len(bottoms)} minima that are told apart, at {places}"
            return self._result("several minima", said + self._best_said(best), best, fit, tuple(bottoms), inside=False)
        return self._one_valley(best, fit)

    def _one_valley(self, best: int, fit: Optimum | None) -> FocusSeries:
        # Frames that are certainly more blurred than the best one; those without an answer count among them.
        least = int(np.argmin(np.where(self.measured, self.value, math.inf)))
        risen = (self.low > self.high[least]) | ~self.measured
        left, right = np.flatnonzero(risen[:best]), np.flatnonzero(risen[best + 1 :]) + best + 1
        if not (len(left) or len(right)):
            said = "indeterminate: flat, no frame is told apart from the best one"
            return self._result("indeterminate", said + self._best_said(best), best, fit, (best,), inside=False)
        # Where the curve is not seen to rise on one side, the fit may still hold the optimum inside.
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

    def _best(self, valley: tuple[int, int], fit: Optimum | None) -> int:
        """The least blurred frame of a valley; of those that are not told apart, the nearest to the optimum."""
        among = np.flatnonzero(self._own(valley))
        least = among[np.argmin(self.value[among])]
        equal = among[self.low[among] <= self.high[least]]
        if fit is None:
            return int(least)
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


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
