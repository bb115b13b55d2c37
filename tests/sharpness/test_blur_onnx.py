import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage import data

from kukkiri.sharpness.blur_estimator import BlurEstimator
from kukkiri.sharpness.blur_onnx import OUTPUTS, BlurGraph, export_onnx


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "blur.onnx"
    export_onnx(path)
    return path


@pytest.mark.parametrize("shape", [(1, 1, 128, 224), (3, 1, 160, 128)])
def test_parity_with_torch(exported, shape):
    import onnxruntime

    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    image = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        ours = BlurGraph(BlurEstimator())(image)
    theirs = session.run(list(OUTPUTS), {"image": image.numpy()})
    for name, a, b in zip(OUTPUTS, ours, theirs):
        scale = np.abs(a.numpy()).max()
        assert np.abs(a.numpy() - b).max() <= 1e-4 * scale, name


def test_the_outputs_differ_from_picture_to_picture(exported):
    import onnxruntime

    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    crop = data.camera()[100:228, 180:308].astype(np.float32) / 255
    pictures = [crop, gaussian_filter(crop, 4)]
    sharp, blurred = (np.median(session.run(["sigma"], {"image": x[None, None]})[0]) for x in pictures)
    assert blurred > 2 * sharp


def test_the_recipe_of_the_documentation_gives_the_same_number(exported):
    import onnxruntime

    import kukkiri as kk

    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    grey = gaussian_filter(data.camera()[100:324, 150:406].astype(np.float32) / 255, 2)  # sides are multiples of 32
    sigma, evidence, anisotropy, family = session.run(None, {"image": grey[None, None]})
    values, weight = sigma.ravel(), evidence.ravel() ** 2
    order = values.argsort()
    median = values[order][np.searchsorted(weight[order].cumsum(), weight.sum() / 2)]
    found = kk.blur(grey)
    assert median == pytest.approx(found.sigma, rel=5e-3)
    stretch = np.hypot(*anisotropy[0])
    assert median * np.sqrt(1 + stretch) == pytest.approx(found.major, rel=5e-3)
    assert family[0] == pytest.approx(list(found.family.values()), abs=1e-3)
