import importlib.util
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import kukkiri as kk
from kukkiri.errors import InputError, UnknownNameError
from kukkiri.metrics.estimating import EstimatesBlur, JudgesQuality
from kukkiri.metrics.learned import LearnedMetric
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
    spec = kk.metrics.spec_of(name)
    module, _, kind = spec.implementation.partition(":")
    built = getattr(import_module(module), kind)
    assert built.name == name
    assert built.__doc__ and f"`{name}`" in built.__doc__
    if issubclass(built, LearnedMetric):  # its checkpoint may not be here
        assert spec.tileable == issubclass(built, kk.metrics.LocalMetric)
        return
    metric = kk.metric(name)
    assert metric.spec is spec
    assert spec.tileable == isinstance(metric, (kk.metrics.LocalMetric, EstimatesBlur))
    assert spec.estimates_blur == isinstance(metric, EstimatesBlur)
    assert spec.judges_quality == isinstance(metric, JudgesQuality)


@pytest.mark.parametrize("name", NAMES)
def test_a_test_proves_the_contract(name: str) -> None:
    """Some test file derives from MetricContract or, for a network without its weights, ParityContract."""
    text = "\n".join(p.read_text() for p in (ROOT / "tests").rglob("test_*.py"))
    if name in ("musiq-spaq", "musiq-paq2piq"):
        name = "musiq-koniq"  # one network, trained on other opinions
    if kk.metrics.spec_of(name).evidence == "reconstruction" and f'kk.metric("{name}"' in text:
        return  # nothing to agree with: properties are tested instead
    assert re.search(rf'\((Metric|Parity)Contract\):\n(    \S.*\n|\n)*?    name = "{name}"', text)


@pytest.mark.parametrize("name", NAMES)
def test_the_licence_is_that_of_the_weights(name: str) -> None:
    spec = kk.metrics.spec_of(name)
    for key in spec.weights:
        assert re.split(r" \(|[,:;]", catalogue()[key].licence)[0] in spec.licence


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
