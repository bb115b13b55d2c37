"""The physics of pictures: point-spread functions, lenses, noise, light; differentiable where it can be."""
