import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from skimage import data

from kukkiri.errors import InputError, WeightError
from kukkiri.networks.blur_net import BlurMaps, BlurNet
from kukkiri.networks.blur_picture import PictureEstimate
from kukkiri.optics import psf
from kukkiri.training.blur_kernels import KERNEL, MARGIN, KernelBank, convolved, moments_of
from kukkiri.training.blur_pictures import log_size, make_batch
from kukkiri.training.kukkiri_blur import KukkiriBlur, blur_loss, start_from
from kukkiri.training.materials import draw_many
from kukkiri.training.random_day import another_day
from kukkiri.training.sharp_material import LEAST_OWN, Material, own_blur
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
    sharp, _ = material.cut(32 + 2 * MARGIN, np.random.default_rng(1))
    kernel = psf.disc(9.0)[0]
    (seen,) = convolved([sharp], [kernel], 32)
    margin = MARGIN - kernel.shape[-1] // 2
    inner = sharp[margin:-margin, margin:-margin] if margin else sharp
    assert torch.allclose(seen, psf.blur(inner[None, None], kernel, "valid")[0, 0], atol=1e-5)


@pytest.mark.parametrize("vary", VARIED)
def test_moments_of_varied_blur_lie_between_those_of_its_kernels(vary, material, bank):
    random = np.random.default_rng(7)
    kernel, _ = bank.draw(random)
    sharp, _ = material.cut(64 + 2 * MARGIN, random)
    seen, moments = vary(sharp, torch.zeros(64, 64), kernel, material, bank, 64, random)
    assert seen.shape == (64, 64)
    assert moments.shape == (3, 64, 64)
    assert bool((moments[:2] >= 0).all())
    assert bool((moments[2].square() <= moments[0] * moments[1] + 1e-3).all())


def test_a_slope_reaches_from_its_lowest_to_its_highest_sigma(material, bank):
    random = np.random.default_rng(3)
    sharp, _ = material.cut(64 + 2 * MARGIN, random)
    _, moments = graded(sharp, torch.zeros(64, 64), psf.gaussian(1.0)[0], material, bank, 64, random)
    sigma = moments[0].sqrt()
    assert 0.4 <= sigma.min() < sigma.max() <= 20
    assert sigma.max() / sigma.min() > 1.1


def test_a_layer_has_the_blur_of_its_own_kernel(material, bank):
    random = np.random.default_rng(4)
    kernel = psf.gaussian(5.0)[0]
    sharp, _ = material.cut(64 + 2 * MARGIN, random)
    _, moments = layered(sharp, torch.zeros(64, 64), kernel, material, bank, 64, random)
    front = moments_of([kernel])[0, 0]
    assert float(((moments[0] - front).abs() < 1e-3).float().mean()) > 0.02


def test_days_end_on_a_grid_and_some_are_empty():
    pictures = torch.rand(200, 1, 16, 16)
    image, known = another_day(pictures, np.random.default_rng(0))
    on_grid = [(image * n - (image * n).round()).abs().amax((1, 2, 3)) < 2e-2 for n in (255, 4095, 65535)]
    assert bool(torch.stack(on_grid).any(0).all())
    assert 0 < int((~known).sum()) < 30


def test_blur_that_a_photograph_has_by_itself_is_in_the_truth_of_its_places(bank):
    picture = data.astronaut()[::2, ::2]
    own = np.full(picture.shape[:2], 3.0, np.float16)
    material = Material([picture], np.zeros((1, 256, 256), np.uint8), 0.0, [own])
    batch = make_batch(material, bank, 16, 64, np.random.default_rng(5))
    excess = batch.moments[:, :2] - batch.whole[:, :2, None, None]
    even = (excess - 3).abs().amax((1, 2, 3)) < 1e-3
    assert int(even.sum()) >= 6
    # Only where it is small beside the kernel's does the kernel count for the whole.
    small = batch.whole[:, :2].mean(1) > 30
    assert bool((batch.uniform <= small).all())


@pytest.fixture(scope="module")
def predicted(material, bank):
    """A batch, and what a network would say that knows everything, or is an octave off."""
    batch = make_batch(material, bank, 8, 64, np.random.default_rng(11))
    centres = BlurNet.bins()
    truth = log_size(batch.moments, centres)
    xx, yy, xy = batch.moments.unbind(1)
    middle = (xx + yy) / 2
    widths = 0.5 * torch.stack([xx, middle + xy, yy, middle - xy], 1).clamp_min(1e-4).log2().clamp(-4, 8)
    whole = log_size(batch.whole, centres)
    axes = torch.stack([batch.whole[:, 0] - batch.whole[:, 1], 2 * batch.whole[:, 2]], 1)
    axes = axes / batch.whole[:, :2].sum(1, keepdim=True).clamp_min(1e-2)

    def parts(off=0.0, turned=False):
        logits = -0.5 * ((truth[:, None] + off - centres[:, None, None]) / 0.1).square()
        maps = BlurMaps(logits, widths + off, torch.full_like(widths, 3.0), torch.zeros(8, 3, 8, 8), torch.empty(0))
        judged = PictureEstimate(torch.full((8,), off), -axes if turned else axes, torch.zeros(8, 3))
        return blur_loss(maps, whole, judged, batch, centres)[1]

    return parts


@pytest.mark.parametrize("part", ["size", "whole", "widths"])
def test_each_part_of_the_loss_falls_towards_the_truth(predicted, part):
    right, wrong = predicted(), predicted(off=1.0)
    assert float(right[part]) < 0.5 * float(wrong[part]) or float(right[part]) < float(wrong[part]) - 0.5


def test_axes_turned_by_90_degrees_are_wrong(predicted):
    assert float(predicted()["axes"]) < 1e-4 < float(predicted(turned=True)["axes"])


def test_a_photograph_out_of_focus_is_told_from_a_sharp_one():
    net = BlurNet()
    start_from(net, load_tensors("kukkiri-blur"))
    net.eval()
    sharp = data.coffee()[::2, ::2]
    grey = torch.from_numpy(sharp.copy()).movedim(2, 0)[None].float() / 255
    soft = (psf.blur(grey, psf.disc(5.0))[0].clamp(0, 1) * 255).byte().movedim(0, 2).numpy()
    told = own_blur(net, soft)
    assert told.shape == sharp.shape[:2]
    known = told[told > 0]
    assert np.median(known) == pytest.approx(2.5**2, rel=0.6)
    assert np.median(known) > LEAST_OWN
    assert (told > 2).mean() > 5 * (own_blur(net, sharp) > 2).mean()


@pytest.mark.parametrize("wrong", [{"batch": 5}, {"side": 72}, {"share_drawn": 2.0}, {"kernels": 0}])
def test_options_out_of_range_are_refused(tmp_path, wrong):
    with pytest.raises(InputError, match="even batch"):
        KukkiriBlur([tmp_path], **wrong)


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
    assert set(parts) == {"size", "whole", "widths", "axes", "family"}
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
    with pytest.raises(WeightError, match="missing"):
        start_from(model, {"neck.bias": torch.zeros(96)})


def test_new_inputs_of_a_layer_start_at_nothing():
    earlier = BlurNet().state_dict()
    earlier["head.weight"] = earlier["head.weight"][:, :96]
    model = BlurNet()
    start_from(model, earlier)
    assert torch.equal(model.head.weight[:, :96], earlier["head.weight"])
    assert not model.head.weight[:, 96:].any()
