"""Codecs in memory."""

import io

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from skimage import data

from kukkiri.optics.codecs import READERS, read_back
from kukkiri.optics.distort import distort


@pytest.mark.parametrize("kind", READERS)
def test_it_is_the_file_that_pillow_opens(kind: str) -> None:
    picture, file = Pillow.fromarray(data.coffee()[:61, :83]), io.BytesIO()
    picture.save(file, kind)
    assert np.array_equal(np.asarray(read_back(picture, kind)), np.asarray(Pillow.open(file)))


@pytest.mark.parametrize("kind", ["jpeg", "jpeg2000", "webp"])
def test_pillow_s_limit_for_files_from_elsewhere_is_none_for_ours(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image = torch.from_numpy(data.coffee()[:40, :50].copy()).movedim(2, 0)[None].float() / 255
    expected = distort(image, kind, 3)
    monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", 900)
    assert torch.equal(distort(image, kind, 3), expected)
    assert Pillow.MAX_IMAGE_PIXELS == 900
