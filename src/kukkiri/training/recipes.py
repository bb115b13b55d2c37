"""The table of recipes, and a recipe from its name. No torch in here."""

from __future__ import annotations

import inspect
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from kukkiri.errors import InputError, one_line, unknown_name

if TYPE_CHECKING:
    from kukkiri.training.recipe import Recipe

T = TypeVar("T")


@dataclass(frozen=True)
class RecipeEntry:
    """A line of the table.

    Parameters
    ----------
    name, title : str
        What users type, and what it makes.
    implementation : str
        'module:Class', imported on use.
    """

    name: str
    title: str
    implementation: str

    def to_row(self) -> dict[str, str]:
        """As JSON shows it."""
        return {"name": self.name, "title": self.title}


RECIPES: tuple[RecipeEntry, ...] = (
    RecipeEntry(
        "kukkiri-blur",
        "Blur size in pixels that means the same on every day",
        "kukkiri.training.kukkiri_blur:KukkiriBlur",
    ),
    RecipeEntry(
        "kukkiri-nr",
        "Quality without a reference, taught by metrics that have one, and what is wrong",
        "kukkiri.training.kukkiri_nr:KukkiriNR",
    ),
    RecipeEntry(
        "rankiqa",
        "VGG-16 that ranks damaged pictures, then learns what people say (RankIQA)",
        "kukkiri.training.rankiqa:TrainRankIQA",
    ),
    RecipeEntry(
        "cnn-baseline",
        "EfficientNet-Lite0 features regressed to blur size on clean pictures",
        "kukkiri.training.cnn_baseline:CnnBaseline",
    ),
    RecipeEntry(
        "just-noticeable-defocus",
        "Dictionary of slightly blurred patches, and the curve from atoms to sigma",
        "kukkiri.training.just_noticeable_defocus:JustNoticeableDefocus",
    ),
)


def parse_settings(typed: Sequence[str]) -> dict[str, str]:
    """Words 'key=value' as a dictionary; of a key that comes twice, the last.

    Raises
    ------
    InputError
        If a word has no '='.
    """
    for word in typed:
        if not word.partition("=")[1]:
            raise InputError(expected="an option as key=value", got=ascii(word), fix="pass --set width=32, say")
    return {key.strip().replace("-", "_"): value for key, _, value in (word.partition("=") for word in typed)}


def require(value: T | None, what: str) -> T:
    """What a run cannot do without.

    Raises
    ------
    InputError
        If it is None.
    """
    if value is None:
        raise InputError(expected=what, got="none", fix="type: kukkiri train RECIPE --out FOLDER --minutes 60, say")
    return value


def recipe_class(name: str) -> type[Recipe]:
    """The class of a recipe.

    Raises
    ------
    UnknownNameError
        If there is no recipe of that name.
    """
    table = {entry.name: entry for entry in RECIPES}
    if name not in table:
        raise unknown_name(
            f"a recipe ({', '.join(table)})", name, table, "see what there is with 'kukkiri train --list'"
        )
    module, _, attribute = table[name].implementation.partition(":")
    kind: type[Recipe] = getattr(import_module(module), attribute)
    return kind


def build_recipe(
    name: str,
    data: Sequence[Path] = (),
    options: Mapping[str, str] | None = None,
    *,
    scores: Path | None = None,
) -> Recipe:
    """A recipe, ready to be trained.

    Parameters
    ----------
    name : str
        From the table.
    data : sequence of path
        Folders, handed to the recipe.
    options : mapping of str, optional
        Values as typed, by the names of the recipe's own keyword arguments; converted to what their annotations say.
    scores : Path, optional
        CSV file of a user's pictures and what people think of them, for recipes with an argument `scores`.

    Raises
    ------
    UnknownNameError
        If there is no such recipe or option.
    InputError
        If a value is not of the option's kind, a folder does not exist, or the recipe takes no scores.
    """
    kind = recipe_class(name)
    for folder in data:
        if not folder.is_dir():
            raise InputError(
                expected="a folder of training data", got=one_line(folder), fix="check --data; repeat it for several"
            )
    known = recipe_options(kind)
    typed_options = dict(options or {})
    if scores is not None:
        if "scores" not in known:
            raise InputError(
                expected="a recipe that learns from people's scores",
                got=name,
                fix="leave --scores out, or take rankiqa",
            )
        typed_options["scores"] = str(scores)
    values = {}
    for key, typed in typed_options.items():
        if key not in known:
            raise unknown_name(
                f"an option of the recipe {name}", key, known, f"it takes: {', '.join(known) or 'none (only --data)'}"
            )
        values[key] = _convert(key, typed, known[key])
    return kind(data=tuple(data), **values)  # type: ignore[call-arg]  # the convention of every recipe's constructor


def recipe_options(kind: type[Recipe]) -> dict[str, Any]:
    """What a recipe's constructor takes besides `data`: name → annotated type."""
    hints = get_type_hints(kind.__init__)
    return {
        key: hints.get(key, str)
        for key, parameter in inspect.signature(kind).parameters.items()
        if key != "data" and parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    }


def _convert(key: str, typed: str, wanted: Any) -> Any:
    origin = get_origin(wanted)
    if origin in (Union, types.UnionType):
        members = get_args(wanted)
        if typed.lower() == "none" and type(None) in members:
            return None
        for member in (m for m in members if m is not type(None)):
            try:
                return _convert(key, typed, member)
            except InputError as error:
                last = error
        raise last
    if origin is Literal:
        for choice in get_args(wanted):
            if typed == str(choice):
                return choice
        raise _wrong(key, typed, f"one of {', '.join(map(str, get_args(wanted)))}")
    if origin is tuple:
        members = get_args(wanted)
        parts = [part for part in typed.split(",") if part]
        if len(members) != 2 or members[1] is not ...:
            if len(parts) != len(members):
                raise _wrong(key, typed, f"{len(members)} values parted by commas")
            return tuple(_convert(key, part, member) for part, member in zip(parts, members))
        return tuple(_convert(key, part, members[0]) for part in parts)
    if wanted is bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if typed.lower() not in words:
            raise _wrong(key, typed, "true or false")
        return words[typed.lower()]
    if wanted in (int, float, str, Path):
        try:
            return wanted(typed)
        except ValueError as error:
            raise _wrong(key, typed, {int: "a whole number", float: "a number"}[wanted]) from error
    raise _wrong(key, typed, "an option that one word can say")


def _wrong(key: str, typed: str, wanted: str) -> InputError:
    return InputError(expected=f"{wanted} for the option {key}", got=ascii(typed), fix=f"pass --set {key}=VALUE")
