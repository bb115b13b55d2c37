import torch

from kukkiri.images.filtering import pad


def test_symmetric_padding_goes_on_beyond_the_whole_picture():
    x = torch.arange(3.0)[None, None, :, None]
    assert pad(x, (0, 0, 0, 5), "symmetric")[0, 0, :, 0].tolist() == [0, 1, 2, 2, 1, 0, 0, 1]
