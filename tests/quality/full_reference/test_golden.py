"""The authors' own code, run once in Octave on 36 picture pairs: its numbers are ours, to rounding."""

from typing import Any

import pytest
import torch

import kukkiri as kk
from quality.full_reference.pairs import digest, distorted, golden, grey, pairs, picture, tensor

# Name in the golden file -> metric, options, and whether the other side was given grey pictures.
METRICS: dict[str, tuple[str, dict[str, Any], bool]] = {
    "psnr": ("psnr", {}, False),
    "ssim": ("ssim", {}, True),
    "ms-ssim": ("ms-ssim", {}, True),
    "gmsd": ("gmsd", {}, True),
    "vif": ("vif", {}, True),
    "vif pixel": ("vif", {"domain": "pixel"}, True),
    "fsim": ("fsim", {}, False),
    "fsim grey": ("fsim", {"chromatic": False}, False),
}


def test_pairs_are_the_ones_measured() -> None:
    """A failure here means that a bundled picture changed, not a metric."""
    for name, kind in pairs():
        assert digest(picture(name), distorted(name, kind)) == golden()["pairs"][f"{name} {kind}"]["sha256"], (
            name,
            kind,
        )


# Single precision is tried on fewer: odd and even sizes, grey and colour, decimation by 1, 2 and 3.
SINGLE = [("mosaic", "blur"), ("coins", "blocks"), ("astronaut", "noise"), ("grains", "contrast")]
# So are the slower metrics: every fifth pair still goes through all distortions and most pictures.
SLOW = ("ms-ssim", "vif", "vif pixel", "fsim", "fsim grey")


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 5e-6)], ids=["double", "single"]
)
@pytest.mark.parametrize("key", METRICS)
def test_authors_code(key: str, dtype: torch.dtype, tolerance: float) -> None:
    """Absolute tolerances: 1e-10 in double precision, 5e-6 in single. Provenance of each value is in the file.

    Others differ from the authors on these pairs by up to (and in the median by): piq 9948a52: ssim 2e-3 (1e-5; it cuts
    odd borders), ms-ssim 4e-2 (7e-5), fsim 5e-3 (7e-7), gmsd 8e-6 (6e-7), pixel-domain vif 1e-3 (2e-5).
    torchmetrics 1.9.0: ssim 0.31 (9e-3; it does not downsample), ms-ssim 7e-3 (1e-4), pixel-domain vif 1e-3 (2e-5).
    pyiqa 01ae427: ssim 0.31 (8e-3), ms-ssim 3e-2 (8e-5), fsim 5e-3 (3e-6), gmsd 2e-3 (4e-5), vif 7e-4 (1e-4).
    """
    name, options, take_grey = METRICS[key]
    metric = kk.metric(name, **options)
    chosen = pairs()[:: 5 if key in SLOW else 1] if dtype == torch.float64 else SINGLE
    for picture_name, kind in chosen:
        pair = (distorted(picture_name, kind), picture(picture_name))
        x, r = (tensor(grey(a) if take_grey else a).to(dtype) for a in pair)
        expected = golden()["pairs"][f"{picture_name} {kind}"]["values"][key]
        assert float(metric(x, r)) == pytest.approx(expected, abs=tolerance), (picture_name, kind)
