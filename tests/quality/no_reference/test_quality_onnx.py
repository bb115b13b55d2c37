from functools import cache

import numpy as np
import pytest
import torch
from skimage import data
from torch import nn

from kukkiri.networks.efficientnet_lite import efficientnet_lite0
from kukkiri.networks.quality_head import QualityHead
from kukkiri.quality.no_reference.quality_features import FEATURES, quality_features
from kukkiri.quality.no_reference.quality_onnx import INPUTS, OUTPUTS, STATISTICS, network_inputs, write_onnx

onnxruntime = pytest.importorskip("onnxruntime")
# One part of odd sides; several parts, even and odd; two parts of the largest size.
SIZES = [(77, 101), (333, 210), (320, 640)]


@cache
def picture(height, width):
    astronaut, coffee = (
        torch.from_numpy(x()).movedim(-1, 0)[None].float() / 255 for x in (data.astronaut, data.coffee)
    )
    return torch.cat([astronaut[..., :400, :], coffee[..., :400, :]], -1)[..., :height, :width]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Trunk, head, session: the shipped trunk, and a head whose answers differ from picture to picture."""
    torch.manual_seed(3)
    head, trunk = QualityHead(FEATURES).eval(), efficientnet_lite0()
    with torch.inference_mode():
        for module in head.modules():
            if isinstance(module, nn.Linear):
                module.weight.mul_(3)
        seen = torch.cat([quality_features(trunk, picture(*size)) for size in SIZES])
        head.mean.copy_(seen.mean(0))
        head.scale.copy_(seen.std(0) + 0.05)
        head.stretch.copy_(torch.tensor([0.5, 2.0]))
        head.axes.normal_(std=0.02)
        head.distances.copy_(torch.linspace(0, 3, 101))
    path = tmp_path_factory.mktemp("onnx") / "quality.onnx"
    write_onnx(path, trunk, head)
    return trunk, head, onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def answers(exported):
    """Of each size what torch says, and what the file says."""
    trunk, head, session = exported
    found = []
    for size in SIZES:
        with torch.inference_mode():
            features = quality_features(trunk, picture(*size))
            said = head(features)
            unlike = head.unlike_training(features)
            inputs = network_inputs(picture(*size))
            # Near to a quantile rounding would decide.
            assert float((head.distances - head.distance(features)).abs().min()) > 1e-3
        ours = [x.numpy() for x in (said.score, said.lower, said.upper, said.logits.sigmoid(), unlike)]
        found.append((ours, session.run(list(OUTPUTS), {n: x.numpy() for n, x in zip(INPUTS, inputs)})))
    return found


@pytest.mark.parametrize("at", range(3), ids=str)
def test_parity_with_torch(answers, at):
    for name, ours, theirs in zip(OUTPUTS, *answers[at]):
        assert ours.shape == theirs.shape, name
        tolerance = {"unlike_training": 1e-6, "wrong": 1e-4}.get(name, 5e-3)
        assert np.abs(ours - theirs).max() <= tolerance, name


def test_the_inputs_are_those_of_the_features(exported):
    trunk, _, _ = exported
    with torch.inference_mode():
        inputs, features = network_inputs(picture(*SIZES[1])), quality_features(trunk, picture(*SIZES[1]))
    assert torch.equal(inputs.statistics, features[:, -STATISTICS:])


def test_the_outputs_differ_from_picture_to_picture(answers):
    for at in range(3):
        here, there = answers[at][1], answers[at - 1][1]
        assert abs(float(here[0][0] - there[0][0])) > 1
        assert np.abs(here[3] - there[3]).max() > 0.05
    assert len({float(theirs[4][0]) for _, theirs in answers}) > 1


def test_every_input_reaches_the_answer(exported):
    _, _, session = exported
    with torch.inference_mode():
        inputs = network_inputs(picture(*SIZES[0]))
    assert inputs.statistics.shape == (1, STATISTICS)
    given = {name: x.numpy() for name, x in zip(INPUTS, inputs)}
    same = float(session.run(["score"], given)[0][0])
    for name in INPUTS:
        changed = float(session.run(["score"], given | {name: given[name] * 0})[0][0])
        assert abs(same - changed) > 0.01, name
