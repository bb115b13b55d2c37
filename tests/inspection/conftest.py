from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from skimage import data


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 small real pictures of three sizes, PNG and JPEG."""
    folder = tmp_path_factory.mktemp("photographs")
    generator = np.random.default_rng(0)
    for i in range(20):
        scene = np.asarray(getattr(data, ("astronaut", "coffee", "chelsea")[i % 3])())
        height, width = ((200, 240), (240, 200), (210, 210))[i // 2 % 3]
        top, left = generator.integers(0, [scene.shape[0] - height, scene.shape[1] - width])
        name = f"{i:02}.{'jpg' if i % 4 == 1 else 'png'}"
        Pillow.fromarray(scene[top : top + height, left : left + width]).save(folder / name)
    return folder
