"""`kk.restore`: make a picture clear."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from kukkiri.errors import InputError, ShapeError, unknown_name
from kukkiri.images.image import ImageLike, as_image
from kukkiri.images.masks import as_mask
from kukkiri.restoration.restoration import Restoration

if TYPE_CHECKING:
    from kukkiri.restoration.dehaze import DehazeSettings
    from kukkiri.restoration.self_deblur_settings import SelfDeblurSettings

# What can be done, and how; the first method is the default.
METHODS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"deblur": ("self-deblur", "self-deblur-defocus"), "dehaze": ("dark-channel",)}
)
OnStep = Callable[[int, int], None]


def restore(
    image: ImageLike,
    task: str = "deblur",
    *,
    method: str | None = None,
    kernel: Any = None,
    noise: float | None = None,
    mask: Any = None,
    steps: int | None = None,
    seed: int = 0,
    device: str | None = None,
    progress: bool | OnStep = False,
    **options: Any,
) -> Restoration:
    """Make a picture clear.

    Parameters
    ----------
    image : image-like
        At most a megapixel to deblur; any size to dehaze.
    task : 'deblur' | 'dehaze'
    method : 'self-deblur' | 'self-deblur-defocus' | 'dark-channel', optional
        None: the first of the task. To deblur, two networks fitted to this one picture: any kernel (shake, motion,
        defocus), or a round one (optics out of focus), which needs less from the picture and tolerates noise. Minutes
        a picture on a CPU. To dehaze, the dark channel prior: seconds; kernel, noise and steps mean nothing to it.
    kernel : array (k, k), optional
        The point-spread function, if it is known: not negative, odd sides; it is divided by its sum. None: found too.
    noise : float, optional
        Standard deviation of the noise, on [0, 1]. None: estimated. It weighs what 'self-deblur-defocus' asks of
        picture and kernel, and decides whether a residual is worth a warning; 'self-deblur' does not use it otherwise.
    mask : Boolean (H, W), optional
        True where pixels are missing: they do not count. Deblurring fills them in from what the others say,
        dehazing leaves them as they were.
    steps : int, optional
        The most steps of the fit. None: the method's own.
    seed : int
        The same seed gives the same result on the same processor; on a GPU nearly. Dehazing draws nothing by chance.
    device : str, optional
        'cpu', 'cuda', …; default: where the picture is, or the CPU.
    progress : bool or callable
        True: a bar on standard error. A callable gets steps done, and of how many at most; dehazing is one step.
    **options
        Of `SelfDeblurSettings`: kernel_size, channels, …; of `DehazeSettings`: omega (strength, 0 to 1), airlight, …

    Returns
    -------
    Restoration
        With `.report`, and `.kernel`, the point-spread function found, if there is one.

    Raises
    ------
    KukkiriError
        If the picture cannot be read, is too small or too large; an argument is out of range; or no kernel size is
        given for a picture that does not tell its blur.
    """
    settings, known = checked(
        task, method, kernel=kernel, noise=noise, steps=steps, seed=seed, device=device, **options
    )
    method = method or METHODS[task][0]
    picture = as_image(image)
    from kukkiri.restoration.dehaze import DehazeSettings, without_haze
    from kukkiri.restoration.self_deblur import deblur_from_itself

    if isinstance(settings, DehazeSettings):
        pixels = picture.pixels.detach()
        picture = replace(picture, pixels=pixels if device is None else pixels.to(device))
        missing = None if mask is None else as_mask(mask, picture.pixels.shape[-2:], torch.device("cpu"))
        with torch.no_grad():
            restored = without_haze(picture, settings, missing=missing)
        if callable(progress):
            progress(1, 1)
        return restored
    shown: AbstractContextManager[OnStep | None] = (
        _Bar(method) if progress is True else nullcontext(progress if callable(progress) else None)
    )
    # The fit needs gradients whatever the caller does, and none of the caller's.
    with torch.inference_mode(False), torch.enable_grad(), shown as on_step:
        pixels = picture.pixels.detach().clone()
        picture = replace(picture, pixels=pixels if device is None else pixels.to(device))
        known = None if known is None else known.to(picture.pixels.device)
        missing = None if mask is None else as_mask(mask, picture.pixels.shape[-2:], torch.device("cpu"))
        return deblur_from_itself(
            picture, method, settings, noise=noise, kernel=known, missing=missing, seed=seed, on_step=on_step
        )


def checked(
    task: str,
    method: str | None,
    *,
    kernel: Any = None,
    noise: Any = None,
    steps: Any = None,
    seed: Any = 0,
    device: Any = None,
    **options: Any,
) -> tuple[SelfDeblurSettings | DehazeSettings, Tensor | None]:
    """What `restore` was asked for, before any picture is read: the settings, and the kernel if one is known.

    Raises
    ------
    InputError
        If there is no such task, method, device or option; one is out of range; or two contradict each other.
    """
    from kukkiri.restoration.dehaze import dehaze_settings
    from kukkiri.restoration.self_deblur_settings import settings_for

    if not isinstance(task, str) or task not in METHODS:
        raise unknown_name(f"a task of {', '.join(METHODS)}", str(task), METHODS, "others are not there yet")
    method = METHODS[task][0] if method is None else method
    if method not in METHODS[task]:
        raise unknown_name(f"a method for {task}", str(method), METHODS[task], f"choose of {', '.join(METHODS[task])}")
    if noise is not None and not (isinstance(noise, (int, float)) and 0 <= noise < 1):
        raise InputError(expected="noise from 0 to 1", got=repr(noise), fix="leave it out to have it estimated")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise InputError(expected="a whole number from 0 as seed", got=repr(seed), fix="pass seed=0")
    if device is not None:
        _check_device(device)
    if task == "dehaze":
        for name, value in (("kernel", kernel), ("noise", noise), ("steps", steps)):
            if value is not None:
                raise InputError(expected=f"no {name} to dehaze", got=f"one ({name}=)", fix="leave it out")
        return dehaze_settings(**options), None
    if kernel is not None and options.get("kernel_size") is not None:
        raise InputError(expected="a kernel or a kernel_size", got="both", fix="leave kernel_size out")
    settings = settings_for(method, steps=steps, **options)
    return settings, None if kernel is None else checked_kernel(kernel)


def _check_device(device: Any) -> None:
    try:
        torch.empty(0, device=device)
    except Exception as error:
        raise InputError(
            expected="a device that is there, such as 'cpu' or 'cuda'", got=repr(device), fix="leave it out"
        ) from error


def checked_kernel(kernel: Any) -> Tensor:
    """A point-spread function of somebody's own, square and of sum 1.

    Returns
    -------
    Tensor, (k, k), float32
        Filled up with zeros where it was not square.

    Raises
    ------
    ShapeError, InputError
        If it is no matrix of odd sides, or not a point-spread function.
    """
    try:
        found = (
            kernel.detach().float().cpu() if isinstance(kernel, Tensor) else torch.from_numpy(np.array(kernel, "f4"))
        )
    except (ValueError, TypeError) as error:
        raise InputError(
            expected="a kernel as an array (k, k) of numbers", got=type(kernel).__name__, fix="load it first"
        ) from error
    found = found[0] if found.ndim == 3 and len(found) == 1 else found
    if found.ndim != 2 or not (found.shape[0] % 2 and found.shape[1] % 2):
        raise ShapeError(
            expected="a kernel (k, k) with odd sides",
            got=str(tuple(found.shape)),
            fix="pad it with a row or column of zeros",
        )
    if not bool(torch.isfinite(found).all()) or float(found.min()) < 0 or not float(found.sum()) > 0:
        raise InputError(
            expected="a kernel that is finite, not negative and not all 0",
            got=f"values from {float(found.min()):.3g} to {float(found.max()):.3g}",
            fix="clip what is below 0",
        )
    side = max(found.shape)
    row, column = ((side - n) // 2 for n in found.shape)
    square = torch.zeros(side, side)
    square[row : row + found.shape[0], column : column + found.shape[1]] = found
    return square / square.sum()


class _Bar(AbstractContextManager["OnStep | None"]):
    """A bar on standard error, with the time that is left; gone when done."""

    def __init__(self, what: str) -> None:
        from rich.console import Console
        from rich.progress import Progress

        self.bar = Progress(console=Console(stderr=True), transient=True)
        self.task = self.bar.add_task(what, total=None)

    def __enter__(self) -> OnStep | None:
        self.bar.start()
        return lambda done, of: self.bar.update(self.task, completed=done, total=of)

    def __exit__(self, *_: object) -> None:
        self.bar.stop()
