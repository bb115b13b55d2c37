import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from skimage import data

from kukkiri.errors import InputError, WeightError
from kukkiri.networks.blur_net import BlurMaps, BlurNet
from kukkiri.optics import psf
from kukkiri.training.blur_kernels import KERNEL, MARGIN, KernelBank, convolved, moments_of
from kukkiri.training.blur_pictures import make_batch
from kukkiri.training.kukkiri_blur import KukkiriBlur, blur_loss, start_from, weighted_median
from kukkiri.training.materials import draw_many
from kukkiri.training.random_day import another_day
from kukkiri.training.sharp_material import Material
from kukkiri.training.varied_blur import VARIED, graded, layered
from kukkiri.weights import load_tensors


@pytest.fixture(scope="module")
def material():
    return Material([data.astronaut()[::2, ::2], data.coffee()[::2, ::2]], draw_many(10, 256, seed=3), 0.4)


@pytest.fixture(scope="module")
def bank():
    return KernelBank(60, seed=1)


def test_a_batch_follows_from_its_seed(material, bank):
    one, two, other = (make_batch(material, bank, 8, 64, np.random.default_rng(s)) for s in (5, 5, 6))
    assert all(torch.equal(a, b) for a, b in zip(one, two))
    assert not torch.equal(one.image, other.image)


def test_a_batch_is_what_it_says(material, bank):
    batch = make_batch(material, bank, 32, 64, np.random.default_rng(0))
    assert batch.image.shape == (32, 1, 64, 64)
    assert batch.moments.shape == (32, 3, 8, 8)
    assert 0 <= batch.image.min() <= batch.image.max() <= 1
    # Each scene is seen on two days, the second time with its kernel turned by 90°.
    first, second = batch.moments[:16][batch.uniform[:16]], batch.moments[16:][batch.uniform[16:]]
    assert torch.allclose(first[:, 0], second[:, 1], atol=1e-4)
    assert torch.allclose(first[:, 2], -second[:, 2], atol=1e-4)
    assert not torch.equal(batch.image[:16], batch.image[16:])
    spread = (batch.moments - batch.moments.mean((2, 3), keepdim=True)).abs().amax((1, 2, 3))
    assert bool((spread[batch.uniform] < 1e-3).all())


def test_kernels_keep_their_truth_when_turned(bank):
    random = np.random.default_rng(2)
    sizes = {round(float(psf.sigma_of(k)[0]), 4) for k in bank.kernels}
    for _ in range(20):
        kernel, _ = bank.draw(random)
        assert kernel.shape[-1] <= KERNEL
        assert kernel.sum().item() == pytest.approx(1, abs=1e-4)
        assert round(float(psf.sigma_of(kernel)[0]), 4) in sizes


def test_blurred_pictures_are_convolutions_without_a_border(material):
    sharp = material.cut(32 + 2 * MARGIN, np.random.default_rng(1))
    kernel = psf.disc(9.0)[0]
    (seen,) = convolved([sharp], [kernel], 32)
    margin = MARGIN - kernel.shape[-1] // 2
    inner = sharp[margin:-margin, margin:-margin] if margin else sharp
    assert torch.allclose(seen, psf.blur(inner[None, None], kernel, "valid")[0, 0], atol=1e-5)


@pytest.mark.parametrize("vary", VARIED)
def test_moments_of_varied_blur_lie_between_those_of_its_kernels(vary, material, bank):
    random = np.random.default_rng(7)
    kernel, _ = bank.draw(random)
    seen, moments = vary(material.cut(64 + 2 * MARGIN, random), kernel, material, bank, 64, random)
    assert seen.shape == (64, 64)
    assert moments.shape == (3, 64, 64)
    assert bool((moments[:2] >= 0).all())
    assert bool((moments[2].square() <= moments[0] * moments[1] + 1e-3).all())


def test_a_slope_reaches_from_its_lowest_to_its_highest_sigma(material, bank):
    random = np.random.default_rng(3)
    _, moments = graded(material.cut(64 + 2 * MARGIN, random), psf.gaussian(1.0)[0], material, bank, 64, random)
    sigma = moments[0].sqrt()
    assert 0.4 <= sigma.min() < sigma.max() <= 20
    assert sigma.max() / sigma.min() > 1.1


def test_a_layer_has_the_blur_of_its_own_kernel(material, bank):
    random = np.random.default_rng(4)
    kernel = psf.gaussian(5.0)[0]
    _, moments = layered(material.cut(64 + 2 * MARGIN, random), kernel, material, bank, 64, random)
    front = moments_of([kernel])[0, 0]
    assert float(((moments[0] - front).abs() < 1e-3).float().mean()) > 0.02


def test_days_end_on_a_grid_and_some_are_empty():
    pictures = torch.rand(200, 1, 16, 16)
    image, known = another_day(pictures, np.random.default_rng(0))
    on_grid = [(image * n - (image * n).round()).abs().amax((1, 2, 3)) < 2e-2 for n in (255, 4095, 65535)]
    assert bool(torch.stack(on_grid).any(0).all())
    assert 0 < int((~known).sum()) < 30


def test_loss_falls_towards_the_truth(material, bank):
    batch = make_batch(material, bank, 4, 64, np.random.default_rng(11))
    centres = torch.linspace(BlurNet.low, BlurNet.high, BlurNet.count)
    truth = (0.5 * (batch.moments[:, 0] + batch.moments[:, 1]).clamp_min(1e-4).log2() - 0.5).clamp(-2, 4)
    right = -0.5 * ((truth[:, None] - centres[:, None, None]) / 0.1).square()
    wrong = -0.5 * ((truth[:, None] + 1 - centres[:, None, None]) / 0.1).square()
    axes = torch.zeros(4, 2, 8, 8)
    losses = [
        blur_loss(BlurMaps(logits, axes, torch.zeros(4, 3, 8, 8), torch.empty(0)), batch, centres)[0]
        for logits in (right, wrong)
    ]
    assert losses[0] < losses[1]


def test_weighted_median():
    values, weights = torch.tensor([3.0, 1.0, 2.0]), torch.tensor([0.2, 0.2, 0.9])
    assert weighted_median(values, weights) == 2


def test_the_recipe_runs_and_asks_for_pictures(tmp_path):
    with pytest.raises(InputError, match="at least 20"):
        KukkiriBlur([tmp_path])
    for at in range(20):
        Pillow.fromarray(data.astronaut()[at : at + 300, :330]).save(tmp_path / f"{at}.png")
    recipe = KukkiriBlur([tmp_path], batch=4, side=64, drawn=10, kernels=20)
    model = recipe.model()
    loss, parts = recipe.loss(model, next(recipe.batches(0, 0)))
    loss.backward()
    assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in model.parameters())
    assert set(parts) == {"size", "whole", "axes", "family"}
    first, again = next(recipe.batches(0, 3)), next(recipe.batches(0, 3))
    assert torch.equal(first.image, again.image)
    figures = recipe.validate(model.eval())
    assert figures["score"] > 0.3  # not trained


def test_a_run_can_start_from_the_shipped_weights():
    model = BlurNet()
    shipped = load_tensors("kukkiri-blur")
    start_from(model, shipped)
    assert torch.equal(model.head.weight, shipped["net.head.weight"].float())
    with pytest.raises(WeightError, match="missing|unexpected|shape"):
        start_from(model, {"net.nothing": torch.zeros(1)})


def test_new_inputs_of_a_layer_start_at_nothing():
    earlier = BlurNet().state_dict()
    earlier["head.weight"] = earlier["head.weight"][:, :96]
    model = BlurNet()
    start_from(model, earlier)
    assert torch.equal(model.head.weight[:, :96], earlier["head.weight"])
    assert not model.head.weight[:, 96:].any()
