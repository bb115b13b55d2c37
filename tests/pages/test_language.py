import re
from importlib.resources import files

import pytest

import kukkiri as kk
from kukkiri.errors import InputError
from kukkiri.pages.language import LANGUAGES, language_of_locale, texts

PLACEHOLDER = re.compile(r"\{\w+\}")
# What is written in Latin letters in Japanese, too.
LATIN = {"Kukkiri", "JavaScript", "RGB", "px", "SSIM", "Enter", "Esc", "Shift", "plane"}
# Names of networks and of sets of rated pictures.
LATIN |= {"AlexNet", "VGG", "SqueezeNet", "KonIQ", "SPAQ", "AVA", "PaQ", "PiQ"}
# Families of keys of which the pages build the end: say(`direction.${answers}_higher`).
BUILT = (
    *("direction.", "better_than.", "extremes.best_", "extremes.worst_", "failure.", "overlay.", "panel.channels_"),
    *("blur.family_", "blur.reason_", "wrong.group_", "column.", "metric.", "metric_title.", "setting."),
    "setting_value.",
)


def test_both_catalogues_have_the_same_keys() -> None:
    assert list(texts("en")) == list(texts("ja"))


@pytest.mark.parametrize("key", texts("en"))
def test_a_text_keeps_its_placeholders_and_is_translated(key: str) -> None:
    english, japanese = texts("en")[key], texts("ja")[key]
    assert sorted(PLACEHOLDER.findall(english)) == sorted(PLACEHOLDER.findall(japanese))
    latin = set(re.findall(r"[A-Za-zµ]{2,}", PLACEHOLDER.sub("", japanese)))
    assert latin <= LATIN, f"{key}: {latin - LATIN}"
    assert english.strip() and japanese.strip()


def test_every_text_is_used_and_every_used_text_is_there() -> None:
    root = files("kukkiri.pages")
    sources = [f.read_text("utf-8") for folder in ("static", "templates") for f in root.joinpath(folder).iterdir()]
    sources += [root.joinpath(name).read_text("utf-8") for name in ("report.py", "agreement.py")]
    quoted = {key for source in sources for key in re.findall(r"""["'`]([a-z_]+\.[a-z_0-9]+)["'`]""", source)}
    used = {key for key in quoted if not key.endswith((".js", ".css"))}
    known = set(texts("en"))
    sections = {key.split(".")[0] for key in known}
    assert {key for key in used if key.split(".")[0] in sections} <= known
    assert {key for key in known - used if not key.startswith(BUILT)} == set()


@pytest.mark.parametrize("name", [spec.name for spec in kk.metrics()])
def test_every_metric_is_explained(name: str) -> None:
    """The report shows both in the language of the page; without them it falls back to English, or to nothing."""
    for language in LANGUAGES:
        assert {f"metric_title.{name}", f"metric.{name}"} <= set(texts(language)), language


def test_an_unknown_language_is_explained() -> None:
    with pytest.raises(InputError, match=r"en, ja.*got 'fr'"):
        texts("fr")


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({"LANG": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "ja_JP.UTF-8", "LC_ALL": "en_GB.UTF-8"}, "en"),
        ({"LANG": "C", "LC_MESSAGES": "ja"}, "ja"),
        ({"LC_ALL": "", "LANG": "Japanese_Japan.932"}, "ja"),
        ({"LANG": "jam_JM"}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
    ],
)
def test_language_of_the_locale(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], language: str) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert language_of_locale() == language in LANGUAGES
