import importlib.util
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import kukkiri as kk
from kukkiri.errors import InputError, UnknownNameError
from kukkiri.metrics.estimating import EstimatesBlur
from kukkiri.weights import catalogue

ROOT = Path(__file__).parents[2]
NAMES = [s.name for s in kk.metrics()]
PART_ONE = (
    "laplacian-variance modified-laplacian tenengrad brenner normalized-variance spectral-slope blur-effect cpbd jnb "
    "lpc-si s3 psnr ssim ms-ssim fsim gmsd vif niqe brisque piqe"
)


def test_all_are_there() -> None:
    assert set(PART_ONE.split()) <= set(NAMES)
    assert len(NAMES) == len(set(NAMES))


@pytest.mark.parametrize("name", NAMES)
def test_spec_and_class_agree(name: str) -> None:
    built = kk.metric(name)
    assert built.spec is kk.metrics.spec_of(name) and built.name == name
    assert built.__doc__ and name in built.__doc__
    module, _, kind = built.spec.implementation.partition(":")
    assert type(built) is getattr(import_module(module), kind)
    assert built.spec.tileable == isinstance(built, (kk.metrics.LocalMetric, EstimatesBlur))
    assert built.spec.estimates_blur == isinstance(built, EstimatesBlur)


@pytest.mark.parametrize("name", NAMES)
def test_a_test_proves_the_contract(name: str) -> None:
    """Some test file derives from MetricContract for this metric."""
    text = "\n".join(p.read_text() for p in (ROOT / "tests").rglob("test_*.py"))
    assert f'(MetricContract):\n    name = "{name}"' in text


@pytest.mark.parametrize("name", NAMES)
def test_the_licence_is_that_of_the_weights(name: str) -> None:
    spec = kk.metrics.spec_of(name)
    for key in spec.weights:
        assert catalogue()[key].licence == spec.licence


def test_names_that_are_not_there() -> None:
    with pytest.raises(UnknownNameError, match="did you mean niqe"):
        kk.metric("nique")
    with pytest.raises(InputError, match="check the spelling"):
        kk.metric("psnr", kropp=3)
    with pytest.raises(InputError, match="no weights for psnr"):
        kk.metric("psnr", weights="x.pth")


def test_the_docs_page_is_fresh() -> None:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec and spec.loader
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert generate.PAGE.read_text(encoding="utf-8") == generate.page(), "run: make docs"


@pytest.mark.parametrize(
    "code",
    [
        "import kukkiri; kukkiri.metrics()",
        "import kukkiri.weights; kukkiri.weights.catalogue()",
        "import kukkiri.cli.main",
        "import kukkiri.quality, kukkiri.pages, kukkiri.inspection",
    ],
)
def test_nothing_heavy_is_imported(code: str) -> None:
    heavy = ("torch", "numpy", "scipy", "skimage", "PIL", "tifffile", "imagecodecs", "pooch", "jinja2", "matplotlib")
    check = f"{code}\nimport sys\nprint([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", check], check=True, capture_output=True, text=True).stdout
    assert found.strip() == "[]"


def test_packages_answer_their_verb() -> None:
    """`kk.quality(…)` works although `kukkiri.quality` is a package, whatever was imported first."""
    code = (
        "import kukkiri.quality.no_reference.specs, kukkiri.metrics.spec, kukkiri as kk, numpy as np, inspect\n"
        "assert len(kk.metrics()) > 10\n"
        "assert 'metric' in inspect.signature(kk.quality).parameters\n"
        "print(kk.quality(np.eye(64), 'tenengrad').value > 0)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert found.strip() == "True"
