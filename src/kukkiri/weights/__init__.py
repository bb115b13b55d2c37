"""Checkpoints: which there are, where they lie, and whether they are whole."""
