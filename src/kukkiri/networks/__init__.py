"""Backbones in the layouts of their published checkpoints."""
