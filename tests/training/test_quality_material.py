"""What kukkiri-nr learns from: which damage, and which place is judged."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage
from skimage import data

from kukkiri.errors import InputError
from kukkiri.optics.distort import GROUPS, KINDS
from kukkiri.training import quality_material
from kukkiri.training.quality_material import (
    MIXTURES,
    SERIES,
    STEPS,
    Prepared,
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


class MadeTeachers:
    """Mean squared errors, whatever their names."""

    names = ("a", "b", "c", "d", "e")

    def distances(self, damaged, reference):
        return (damaged - reference).square().mean((1, 2, 3))[:, None].expand(-1, 5).double()


@pytest.fixture
def few(monkeypatch):
    """A picture with few versions, and teachers that need no time."""
    for name, value in {"SERIES": 1, "STEPS": 2, "MIXTURES": 2, "JUDGED_MIXTURES": 1, "AGAIN": 2}.items():
        monkeypatch.setattr(quality_material, name, value)
    monkeypatch.setattr(quality_material, "Teachers", MadeTeachers)


def photographs(folder, shift=0):
    folder.mkdir()
    PillowImage.fromarray(data.chelsea()[shift : shift + 200, :220]).save(folder / "one.png")
    return [folder / "one.png"]


def test_what_is_prepared(few, tmp_path):
    prepared = Prepared(photographs(tmp_path / "a"), tmp_path / "kept", drawings=1)
    lines = []
    prepared.make_missing(range(2), lines.append)
    assert len(lines) == 1 and lines[0].startswith("preparing 2 pictures") and lines[0].endswith(str(prepared.folder))
    for number in range(2):
        samples = prepared.samples(number)
        # Itself, two steps, two mixtures of which one is judged, two seen again.
        assert len(samples.features) == 7 and samples.kind[0] == "" and samples.again.tolist()[:5] == [-1] * 5
        assert np.isnan(samples.distances).all(1).tolist() == [False] * 4 + [True] + [False] * 2
        assert (samples.distances[0] == 0).all() and (samples.distances[2:4] > 0).all()
        assert samples.again[5] == 0 and 1 <= samples.again[6] <= 3
        assert (samples.distances[5:] == samples.distances[samples.again[5:]]).all()
        assert (samples.groups[5:] == samples.groups[samples.again[5:]]).all()
        assert (samples.groups[4] > 0).sum() == 2
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_samples_are_of_the_picture_not_of_its_name(few, tmp_path):
    """Another photograph of the same name, and a copy in another folder."""
    one, other = photographs(tmp_path / "a"), photographs(tmp_path / "b", shift=50)
    shutil.copytree(tmp_path / "a", tmp_path / "c")
    paths = [Prepared(files, tmp_path / "kept").path(0) for files in (one, other, [tmp_path / "c" / "one.png"])]
    assert paths[0] != paths[1] and paths[0] == paths[2]


def test_a_small_photograph_is_named_before_the_work(few, tmp_path):
    files = photographs(tmp_path / "a")
    PillowImage.fromarray(data.chelsea()[:100, :300]).save(tmp_path / "a" / "two.png")
    with pytest.raises(InputError, match=r"at least 176 px a side, got 300×100 in .*two\.png"):
        Prepared([*files, tmp_path / "a" / "two.png"], tmp_path / "kept").samples(0)
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("rounds", [0, 0.5, float("nan")])
def test_every_photograph_is_used(rounds, tmp_path):
    with pytest.raises(InputError, match="1 round or more"):
        Prepared([], tmp_path, rounds=rounds)


def test_a_second_round_sees_other_parts_with_other_damage(few, tmp_path):
    prepared = Prepared(photographs(tmp_path / "a"), tmp_path / "kept", drawings=1, rounds=2)
    assert len(prepared) == 4 and prepared.round == 2
    first, second = prepared.samples(0), prepared.samples(2)
    assert not np.array_equal(first.features[0], second.features[0])
    assert len({prepared.path(n) for n in range(4)}) == 4
    # What one round made is that of a single round.
    assert prepared.path(0) == Prepared(prepared.files, tmp_path / "kept", drawings=1).path(0)
