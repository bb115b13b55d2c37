"""The table of distortions and its ladders."""

import math
import subprocess
import sys
import tomllib
from itertools import pairwise

import pytest

from kukkiri.errors import InputError, UnknownNameError
from kukkiri.optics.distort import GROUPS, KINDS, Kind, Ladder, Parameter, find_kind, kinds, parameters
from kukkiri.optics.distort.making import LEVELS_FILE
from kukkiri.optics.distort.mixtures import draw_mixture, in_order


def _parameter(values: tuple[float, ...], **options: object) -> Parameter:
    return Parameter("strength", "of something", values=values, **{"identity": 0.0, **options})


def test_the_table_is_whole() -> None:
    assert len(KINDS) >= 35
    for name, kind in KINDS.items():
        assert name == kind.name == name.lower() and " " not in name and "_" not in name
        assert kind.title and kind.ladder.parameters
    assert {kind.group for kind in KINDS.values()} >= set(GROUPS)
    in_file = tomllib.loads(LEVELS_FILE.read_text(encoding="utf-8"))
    assert set(in_file) == set(KINDS)
    for name, ladders in in_file.items():
        assert set(ladders) == {p.name for p in KINDS[name].ladder.parameters}


@pytest.mark.parametrize("name", KINDS)
def test_a_ladder_goes_one_way_and_starts_at_the_identity(name: str) -> None:
    moved = False
    for p in KINDS[name].ladder.parameters:
        steps = [p.identity, *p.values]
        up = [b - a for a, b in pairwise(p.values)]
        assert all(d >= 0 for d in up) or all(d <= 0 for d in up), p.name
        moved |= all(d != 0 for d in up) and steps[1] != steps[0] and (steps[1] > steps[0]) == (up[0] > 0)
    assert moved


def test_levels_between_by_hand() -> None:
    geometric = _parameter((1.0, 4.0, 16.0, 64.0, 256.0))
    assert geometric.at(1.5) == pytest.approx(2.0) and geometric.at(0.5) == pytest.approx(0.5)  # from 0: a line
    assert geometric.at(5) == 256.0 and geometric.at(0) == 0.0
    falling = _parameter((50.0, 32.0, 8.0, 2.0, 0.5), identity=200.0)
    assert falling.at(0.5) == pytest.approx(100.0) and falling.at(2.5) == pytest.approx(16.0)
    straight = _parameter((1.0, 2.0, 4.0, 8.0, 16.0), scale="linear")
    assert straight.at(3.25) == pytest.approx(5.0)
    whole = _parameter((1.0, 2.0, 4.0, 8.0, 16.0), scale="linear", whole=True)
    assert whole.at(2.6) == 3.0
    batch = Ladder((geometric,))
    assert batch.batch([1.0, 2.0])["strength"].tolist() == [1.0, 4.0]


def test_parameters_tells_what_a_level_means() -> None:
    table = tomllib.loads(LEVELS_FILE.read_text(encoding="utf-8"))
    assert parameters("gaussian-blur", 2) == {"sigma": pytest.approx(table["gaussian-blur"]["sigma"][1])}
    first, second = table["gaussian-blur"]["sigma"][:2]
    assert parameters("gaussian-blur", 1.5)["sigma"] == pytest.approx(math.sqrt(first * second))


def test_groups() -> None:
    assert {kind.group for kind in kinds("noise")} == {"noise"}
    assert all(kind.group is None for kind in kinds("none")) and kinds("none")
    assert len(kinds()) == len(KINDS)


def test_mixtures_are_of_different_groups_in_the_order_of_a_camera() -> None:
    drawn = [draw_mixture(kinds(), 3, seed) for seed in range(40)]
    assert all(len({kind.group for kind in mixture}) == 3 for mixture in drawn)
    assert drawn[0] == draw_mixture(kinds(), 3, 0) and len({tuple(k.name for k in m) for m in drawn}) > 30
    ordered = in_order([KINDS["jpeg"], KINDS["white-noise"], KINDS["lens-blur"]])
    assert [kind.name for kind in ordered] == ["lens-blur", "white-noise", "jpeg"]
    with pytest.raises(InputError, match="2 groups"):
        draw_mixture([KINDS["jpeg"], KINDS["webp"]], 2, 0)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: find_kind("jpg"), "did you mean jpeg"),
        (lambda: kinds("sound"), "blur, noise"),
        (lambda: Kind("a", "b", "sound", Ladder(()), "c:d"), "group"),
        (lambda: parameters("jpeg", 5.5), "from 0 to 5"),
        (lambda: parameters("jpeg", math.nan), "from 0 to 5"),
        (lambda: _parameter((1.0, 2.0)), "5 finite values"),
        (lambda: _parameter((1.0, 2.0, 3.0, 4.0, math.inf)), "5 finite values"),
    ],
)
def test_errors_teach(call: object, said: str) -> None:
    with pytest.raises((InputError, UnknownNameError), match=said):
        call()  # type: ignore[operator]


def test_the_table_needs_no_torch() -> None:
    code = "import sys, kukkiri.optics.distort.mixtures; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
