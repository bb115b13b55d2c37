"""A check-up of the installation: versions, device, cache, extras, weights, and one measurement of known value."""

from __future__ import annotations

import math
import os
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from kukkiri.errors import KukkiriError

CORE = (
    "torch numpy scipy scikit-image pillow tifffile imagecodecs safetensors pooch requests "
    "typer rich jinja2 matplotlib loky".split()
)
EXTRAS = {
    "parquet": ("pyarrow",),
    "raw": ("rawpy",),
    "dicom": ("pydicom",),
    "train": ("accelerate", "tensorboard"),
    "onnx": ("onnx", "onnxruntime"),
}


@dataclass(frozen=True)
class Finding:
    """One line of the check-up.

    Parameters
    ----------
    what, found : str
    ok : bool or None
        None: not needed, and not there.
    fix : str
        What to do if it is not well.
    """

    what: str
    found: str
    ok: bool | None = True
    fix: str = ""

    def to_row(self) -> dict[str, Any]:
        """A JSON-ready dict."""
        return asdict(self)


def examine() -> list[Finding]:
    """Everything that a report of a fault should say.

    Returns
    -------
    list of Finding
    """
    import kukkiri

    findings = [
        Finding("kukkiri", kukkiri.__version__),
        Finding("python", f"{platform.python_version()} on {platform.platform()}"),
        *(_package(name) for name in CORE),
        _device(),
    ]
    for extra, packages in EXTRAS.items():
        for name in packages:
            found = _version(name)
            fix = "" if found else f"pip install 'kukkiri[{extra}]' if you need it"
            findings.append(Finding(f"extra {extra}: {name}", found or "not installed", True if found else None, fix))
    return [*findings, *_weights(), _self_test()]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _package(name: str) -> Finding:
    found = _version(name)
    return Finding(name, found or "not installed", found is not None, "" if found else f"pip install {name}")


def _device() -> Finding:
    import torch

    devices = [f"cpu ({os.cpu_count()} cores, {torch.get_num_threads()} threads)"]
    devices += [f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    return Finding("device", ", ".join(devices))


def _weights() -> list[Finding]:
    from kukkiri.weights import cache_dir, catalogue, present, verify

    cache = cache_dir()
    nearest = next(p for p in (cache, *cache.parents) if p.exists())
    findings = [
        Finding(
            "weight cache", str(cache), os.access(nearest, os.W_OK), "set KUKKIRI_HOME to a folder you can write to"
        )
    ]
    for key in catalogue():
        try:
            if not present(key):
                findings.append(Finding(f"weights {key}", "not downloaded", None, f"kukkiri weights fetch {key}"))
                continue
            verify(key)
            findings.append(Finding(f"weights {key}", "whole"))
        except KukkiriError as error:
            findings.append(Finding(f"weights {key}", str(error), False))
    return findings


def _self_test() -> Finding:
    """Two grey pictures a tenth apart have a PSNR of exactly 20 dB, a checkerboard a Laplacian of known variance."""
    import torch

    from kukkiri.metrics.build import metric

    flat = torch.full((1, 1, 32, 32), 0.5)
    psnr = float(metric("psnr")(flat, flat + 0.1))
    bright = torch.zeros(1, 1, 5, 5)
    bright[0, 0, 2, 2] = 1
    laplacian = float(metric("laplacian-variance")(bright))
    ok = math.isclose(psnr, 20, abs_tol=1e-3) and math.isclose(laplacian, 0.8, rel_tol=1e-5)
    found = f"psnr {psnr:.4f} (20), laplacian-variance {laplacian:.4f} (0.8)"
    return Finding("self-test", found, ok, "reinstall with the versions of constraints.txt, and report it")
