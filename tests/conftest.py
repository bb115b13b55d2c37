"""A test that is skipped without a reason from this list fails."""

from __future__ import annotations

import os
from collections.abc import Generator

# Two processes with two threads each would wait for each other on two cores. Read when torch and NumPy are imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    for _library in ("OMP", "MKL", "OPENBLAS"):
        os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

import pytest

REASONS = (
    "takes colour only",
    "node is not installed",
    "open files are listed on Linux only",
    "has not been fetched",
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    reason = str(report.longrepr[2]) if report.skipped and isinstance(report.longrepr, tuple) else ""
    if report.skipped and not any(known in reason for known in REASONS):
        report.outcome = "failed"
        report.longrepr = f"skipped without a listed reason: {reason}"
    return report
