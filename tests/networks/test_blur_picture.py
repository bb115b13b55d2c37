import math

import pytest
import torch

from kukkiri.networks.blur_net import BlurNet
from kukkiri.networks.blur_picture import LARGEST_SHIFT, PictureHead, anisotropy_of, evidence_of, weight_of
from kukkiri.networks.blur_spectrum import BANDS, LEVELS

NO_SPECTRUM = torch.zeros(1, LEVELS, BANDS, 3)


def widths(major, minor, angle):
    """log2 of the deviations of an ellipse in the four directions."""
    c, s = math.cos(angle), math.sin(angle)
    xx, yy = major**2 * c * c + minor**2 * s * s, major**2 * s * s + minor**2 * c * c
    xy = (major**2 - minor**2) * c * s
    found = [xx, (xx + yy) / 2 + xy, yy, (xx + yy) / 2 - xy]
    return 0.5 * torch.tensor(found).log2()


def told(places, certainty, weight=None):
    """The sums of places that say these widths with this certainty, (places, 4) each."""
    at = [x.T[None, :, None] for x in (places, certainty)]
    count = places.shape[0]
    mean = torch.zeros(1, 1, 1, count)
    weight = torch.ones_like(mean) if weight is None else weight[None, None, None]
    head = PictureHead(5)
    rest = torch.zeros(1, 3, 1, count), torch.rand(1, 5, 1, count, generator=torch.Generator().manual_seed(0))
    return head, head.sums(mean, weight, *at, *rest)


@pytest.mark.parametrize("angle", [0.0, 0.5, math.pi / 4, -1.2, math.pi / 2])
@pytest.mark.parametrize(("major", "minor"), [(2.0, 2.0), (3.0, 2.0), (6.0, 1.5)])
def test_anisotropy_of_an_ellipse(major, minor, angle):
    along, across = anisotropy_of(widths(major, minor, angle)[None])[0].tolist()
    length = (major**2 - minor**2) / (major**2 + minor**2)
    assert math.hypot(along, across) == pytest.approx(length, abs=1e-5)
    if length:
        assert math.sin(math.atan2(across, along) / 2 - angle) == pytest.approx(0, abs=1e-5)


def test_who_is_sure_of_a_direction_decides_it():
    true, guess = widths(4.0, 2.0, 0.3), torch.full((4,), 1.6)
    places, certainty = guess.repeat(4, 1), torch.full((4, 4), -0.5)
    for direction in range(4):  # each place knows one direction, and guesses the others
        places[direction, direction], certainty[direction, direction] = true[direction], 5.5
    head, sums = told(places, certainty)
    found = head(sums, NO_SPECTRUM).anisotropy[0]
    assert torch.allclose(found, anisotropy_of(true[None])[0], atol=0.01)


def test_the_sums_of_two_parts_are_those_of_the_whole():
    random = torch.Generator().manual_seed(1)
    places, certainty = torch.randn(6, 4, generator=random), torch.randn(6, 4, generator=random)
    weight = torch.rand(6, generator=random)
    net = BlurNet().picture
    rest = torch.rand(1, 3, 1, 6, generator=random), torch.rand(1, net.feature_count, 1, 6, generator=random)
    parts = [torch.rand(1, 1, 1, 6, generator=random), weight[None, None, None]]
    parts += [x.T[None, :, None] for x in (places, certainty)] + list(rest)
    whole = net.sums(*parts)
    halves = [net.sums(*(x[..., cut] for x in parts)) for cut in (slice(0, 2), slice(2, 6))]
    assert torch.allclose(whole, halves[0] + halves[1], atol=1e-4)


def test_corrections_are_limited_whatever_the_weights():
    head, sums = told(torch.randn(3, 4), torch.zeros(3, 4))
    head.eval()
    for parameter in head.parameters():
        torch.nn.init.constant_(parameter, 30.0)
    found = head(sums, torch.rand(1, LEVELS, BANDS, 3))
    assert abs(found.shift.item()) <= LARGEST_SHIFT * (1 + 1e-6)
    assert found.anisotropy.norm().item() < 1


def test_axes_turn_with_the_picture_whatever_the_weights():
    net = BlurNet().eval()
    torch.nn.init.normal_(net.picture.out.weight, std=0.1)
    torch.manual_seed(2)
    sums, spectrum = torch.rand(1, net.feature_count + 13), torch.rand(1, LEVELS, BANDS, 3)
    spectrum[..., 1:] -= 0.5
    turned, turned_sums = spectrum.clone(), sums.clone()
    turned[..., 1:] *= -1  # by 90 degrees
    at = net.feature_count + 5
    turned_sums[:, at : at + 8] = sums[:, [at + k for k in (2, 3, 0, 1, 6, 7, 4, 5)]]
    one, other = net.picture(sums, spectrum), net.picture(turned_sums, turned)
    torch.testing.assert_close(one.anisotropy, -other.anisotropy)
    torch.testing.assert_close(one.shift, other.shift)
    assert one.anisotropy.norm() > 0.01


def test_evidence_and_weight():
    evidence = evidence_of(torch.tensor([0.0, 0.25, 10.0]))
    assert evidence.tolist() == pytest.approx([1, 0.5, 0.000625], rel=0.01)
    assert weight_of(torch.tensor([0.0, 1.0]), torch.tensor([0.5, 0.5])).tolist() == pytest.approx([0.25, 0.125])
