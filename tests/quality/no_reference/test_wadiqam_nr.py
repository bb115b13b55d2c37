"""DIQaM-NR and WaDIQaM-NR: the authors' chainer models (the ports: see the full-reference tests)."""

from __future__ import annotations

from typing import ClassVar

from parity import ParityContract


class TestDIQaMNR(ParityContract):
    """The authors' layout; their file holds the weights' head too, which this metric leaves out."""

    name = "diqam-nr"
    file = "diqam_nr.json"
    taps: ClassVar[dict[str, str]] = {
        "conv2": "network.features.3",
        "conv4": "network.features.8",
        "conv6": "network.features.13",
        "features": "network.features.24",
        "quality": "network.fc_q",
    }


class TestWaDIQaMNR(ParityContract):
    """With the weights, which are far from 0 and differ 40-fold between patches."""

    name = "wadiqam-nr"
    file = "wadiqam_nr.json"
    taps: ClassVar[dict[str, str]] = {**TestDIQaMNR.taps, "weight": "network.fc_w"}
