import math

import pytest
import torch

from kukkiri.errors import InputError
from kukkiri.optics.vignetting import cos_fourth, illumination_gradient, polynomial_shading


def test_cos_fourth_at_45_degrees_is_a_quarter() -> None:
    field = cos_fourth((1, 201), 100.0)
    assert field.shape == (1, 1, 1, 201)
    assert float(field[0, 0, 0, 100]) == 1
    assert float(field[0, 0, 0, 0]) == pytest.approx(math.cos(math.pi / 4) ** 4)
    assert float(field[0, 0, 0, 200]) == float(field[0, 0, 0, 0])


def test_cos_fourth_moves_with_its_centre_and_takes_batches() -> None:
    field = cos_fourth((11, 21), torch.tensor([10.0, 20.0]), centre=(1.0, 0.0))
    assert field.shape == (2, 1, 11, 21) and int(field[0].argmax()) == 20
    assert float(field[1].min()) > float(field[0].min())


def test_polynomial_is_one_plus_its_coefficients_at_the_corner() -> None:
    field = polynomial_shading((301, 401), [-0.3, 0.05])
    assert float(field[0, 0, 150, 200]) == 1
    # Half the diagonal is measured to the outer edge of the corner pixel.
    assert float(field[0, 0, 0, 0]) == pytest.approx(0.75, abs=2e-3)
    assert float(polynomial_shading((30, 40), [-5.0]).min()) == 0


def test_gradient_has_mean_one_its_span_and_its_direction() -> None:
    field = illumination_gradient((40, 60), 0.6, math.pi / 2)
    assert float(field.mean()) == pytest.approx(1)
    assert float(field.max() - field.min()) == pytest.approx(0.6)
    assert float(field[0, 0, -1, 0]) > float(field[0, 0, 0, 0])
    slanted = illumination_gradient((40, 60), torch.tensor([0.2, 2.0]), -2.5)
    assert float(slanted[1].max() - slanted[1].min()) == pytest.approx(2.0, rel=1e-5)


def test_gradients_reach_the_parameters() -> None:
    focal = torch.tensor([50.0], requires_grad=True)
    cos_fourth((20, 20), focal).sum().backward()  # type: ignore[no-untyped-call]
    assert focal.grad is not None and float(focal.grad) > 0


def test_impossible_values_are_refused() -> None:
    with pytest.raises(InputError):
        cos_fourth((10, 10), 0.0)
    with pytest.raises(InputError):
        illumination_gradient((10, 10), 2.5)
    with pytest.raises(InputError):
        polynomial_shading((0, 10), [0.1])
