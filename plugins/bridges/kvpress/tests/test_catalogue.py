"""What is told of presses, and the methods made of it; needs no kvpress."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Literal

import pytest

from harness.api import IncompatibleError, KnobError
from harness.plugin.checks import check
from harness_plugins.bridges.kvpress import plugin
from harness_plugins.bridges.kvpress.catalogue import catalogue
from harness_plugins.bridges.kvpress.plugin import method_of

FACTS = {"layers": 2}


@dataclass
class ScorerPress:
    """Base.

    Parameters
    ----------
    compression_ratio : float, default=0.0
        Fraction of rows
        removed.
    """

    compression_ratio: float = 0.0


@dataclass
class NearPress(ScorerPress):
    """Near: keeps what is near.

    Based on Near (https://arxiv.org/abs/2401.00001).

    Parameters
    ----------
    window : int, default=8
        How near. More words.
    """

    window: int = 8
    norm: Literal["one", "two"] = "two"
    limit: int | None = None


@dataclass
class WrappingPress:
    press: ScorerPress
    share: float = 0.2


@dataclass
class DMSPress:
    press: ScorerPress
    threshold: float | None = None


@dataclass
class PerLayerPress:
    press: ScorerPress
    compression_ratios: list[float]


@dataclass
class KVzapPress(ScorerPress):
    model_type: str = "mlp"


@pytest.fixture
def entries(monkeypatch):
    presses = (ScorerPress, NearPress, WrappingPress, DMSPress, PerLayerPress, KVzapPress)
    for one in presses:
        one.__module__ = f"kvpress.presses.{one.__name__.removesuffix('Press').lower()}_press"
    library = SimpleNamespace(**{one.__name__: one for one in presses}, __all__=[one.__name__ for one in presses])
    # Where nothing is said a press holds SnapKV or KNorm, which this library lacks.
    for name in ("SnapKVPress", "KnormPress"):
        made = type(name, (NearPress,), {"__module__": f"kvpress.presses.{name.removesuffix('Press').lower()}_press"})
        setattr(library, name, made)
        library.__all__.append(name)
    told = catalogue(library)
    monkeypatch.setattr(plugin, "catalogue", lambda name: told)
    return {one["name"]: one for one in told}


def test_bases_are_left_out_and_downloads_have_a_reason(entries):
    assert sorted(entries) == ["dms", "knorm", "kvzap", "near", "perlayer", "snapkv", "wrapping"]
    assert entries["kvzap"]["reason"] == "it downloads a surrogate trained for the model"
    assert entries["near"]["reason"] is None


def test_a_press_is_told_with_its_paper_and_the_first_sentence_about_each_setting(entries):
    near = entries["near"]

    assert near["help"] == "Near: keeps what is near (arXiv:2401.00001)"
    assert {one["name"]: (one["type"], one["default"], one["help"]) for one in near["knobs"]} == {
        "compression_ratio": ("float", 0.5, "Fraction of rows"),
        "window": ("int", 8, "How near"),
        "norm": ("str", "two", "norm"),
        "limit": ("int?", None, "limit"),
    }


def test_a_press_around_another_names_it_and_passes_a_ratio_on(entries):
    knobs = {one["name"]: one for one in entries["wrapping"]["knobs"]}

    assert list(knobs) == ["compression_ratio", "press", "share", "inner"]
    assert knobs["press"]["default"] == "snapkv"
    assert knobs["press"]["choices"] == ["knorm", "near", "snapkv"]


def test_methods_made_of_it_keep_the_contract_of_classes(entries):
    for entry in entries.values():
        check("method", method_of(entry))
    near = method_of(entries["near"]).build({"window": 4, "norm": "one"})

    assert near.name == "kvpress/near"
    assert near.settings() == {"compression_ratio": 0.5, "window": 4, "norm": "one", "limit": None}
    assert near.nominal() == {"compression_ratio": 0.5}
    assert near.traits.environment == "kvpress"


@pytest.mark.parametrize(
    ("name", "knobs", "message"),
    [
        ("near", {"windw": 4}, r"kvpress/near has no setting 'windw'; did you mean window\?"),
        ("near", {"norm": "three"}, r"kvpress/near\.norm must be one of one, two, got 'three'"),
        ("near", {"compression_ratio": 1.0}, r"compression_ratio must be at most 0\.99"),
        ("wrapping", {"press": "kvzap"}, r"kvpress/wrapping\.press must be one of knorm, near, snapkv"),
        (
            "wrapping",
            {"inner": ["window"]},
            r"kvpress/wrapping\.inner takes settings as \[window_size:32\], got 'window'",
        ),
        ("wrapping", {"inner": ["windw:4"]}, r"kvpress/snapkv has no setting 'windw'; did you mean window\?"),
        ("wrapping", {"inner": ["window:four"]}, r"kvpress/snapkv\.window takes a whole number, got 'four'"),
        ("wrapping", {"inner": ["near.window:4"]}, r"inner takes settings as \[window_size:32\], got 'near\.window:4'"),
        ("dms", {}, r"kvpress/dms\.threshold must be given"),
        ("perlayer", {"compression_ratios": [0.5]}, r"takes a number for each of this model's 2 layers, got 1"),
    ],
)
def test_bad_settings_are_refused_before_anything_is_loaded(entries, name, knobs, message):
    with pytest.raises(KnobError, match=message):
        method_of(entries[name]).build(knobs).check(FACTS)


def test_one_that_downloads_is_refused_with_the_reason(entries):
    with pytest.raises(IncompatibleError, match="kvpress/kvzap can't be run here: it downloads a surrogate"):
        method_of(entries["kvzap"])().check(FACTS)


def test_a_setting_inside_reaches_the_press_it_names(entries):
    method = method_of(entries["wrapping"]).build({"press": "near", "inner": ["window:4", "near.norm:one"]})

    assert method.inside() == {"near": {"compression_ratio": 0.5, "window": 4, "norm": "one", "limit": None}}
