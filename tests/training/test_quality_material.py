"""What kukkiri-nr learns from: which damage, and which place is judged."""

import numpy as np
import pytest
import torch
from skimage import data

from kukkiri.optics.distort import GROUPS, KINDS
from kukkiri.training.quality_material import (
    MIXTURES,
    SERIES,
    STEPS,
    drawing,
    kinds_for,
    seen_kinds,
    usual_place,
    versions,
)


@pytest.fixture(scope="module")
def cat():
    return torch.from_numpy(data.chelsea().copy()).float().movedim(2, 0)[None, :, :200, :220] / 255


def test_grey_pictures_get_no_damage_of_colours(cat):
    """It would change nothing, and be called damage."""
    grey = cat.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    assert {kind.name for kind in kinds_for(cat, seen_kinds())} == {kind.name for kind in seen_kinds()}
    left = kinds_for(grey, seen_kinds())
    assert left and not any(kind.needs_colour for kind in left)
    for picture in (grey, cat):
        for changed, about in versions(picture, kinds_for(picture, seen_kinds()), np.random.default_rng(3)):
            assert not about["kind"] or not torch.equal(changed, picture), about


def test_the_versions_of_a_picture(cat):
    made = versions(cat, seen_kinds(), np.random.default_rng(0))
    assert len(made) == 1 + SERIES * STEPS + MIXTURES
    assert made[0][1]["kind"] == ""
    ladders = [about for _, about in made if about["series"] >= 0]
    for number in range(SERIES):
        levels = [about["level"] for about in ladders if about["series"] == number]
        assert levels == sorted(levels) and levels[0] >= 0.3 and levels[-1] <= 5
    for _, about in made[1 + SERIES * STEPS :]:
        first, second = (KINDS[name].group for name in about["kind"].split("+"))
        assert first != second and {first, second} == set(about["levels"]) <= set(GROUPS)


def test_the_judged_place_is_neither_the_emptiest_nor_the_fullest():
    """A picture of three columns: empty, fine stripes, noise."""
    picture = torch.zeros(1, 3, 176, 528)
    picture[..., 176:352] = 0.1 * (torch.arange(176) % 2)
    picture[..., 352:] = torch.rand(3, 176, 176, generator=torch.Generator().manual_seed(0))
    assert usual_place(picture)[1] == slice(176, 352)


def test_drawings_are_pictures():
    for seed in range(4):
        picture = drawing(np.random.default_rng(seed))
        assert picture.shape[1] == 3 and 0 <= float(picture.min()) < float(picture.max()) <= 1
