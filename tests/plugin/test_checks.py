from dataclasses import dataclass

import pytest

from harness.api import Method, Metric, Model, Seam, Subject, Task, Traits, knob
from harness.plugin.checks import check
from harness.spec.errors import PluginError


@dataclass(frozen=True)
class Good(Method):
    name = "good"
    traits = Traits(family="toys", seams=frozenset({"cache"}))
    neutral = {"ratio": 0.0}

    ratio: float = knob(0.5, low=0.0, high=1.0, help="how much")

    def apply(self, subject, artifact=None): ...


class Asks(Task):
    name = "asks"
    subjects = frozenset({"toy"})
    metrics = (Metric("right", "%", True),)

    def planned(self):
        return 0

    def make_samples(self, processor, seed):
        return []


class Loads(Model):
    name = "loads"
    kind = "toy"

    def fetch(self): ...
    def load(self, location, device): ...


class Loaded(Subject):
    kind = "toy"
    seams = {"cache": Seam("after the prompt")}


class Reads:
    name = "reads"
    timed = False
    revision = 1

    def unavailable(self, device): ...
    def read(self, workload, measure): ...


def variant(base, **changes):
    return type(base)(base.__name__, (base,), changes)


@pytest.mark.parametrize(
    ("kind", "offered"),
    [("method", Good), ("task", Asks), ("model", Loads), ("subject", Loaded), ("meter", Reads)],
)
def test_accepts_what_keeps_the_contract(kind, offered):
    check(kind, offered)


def test_metrics_may_depend_on_settings():
    check("task", variant(Asks, metrics=property(lambda self: (Metric("right", "%", True),))))


@dataclass(frozen=True)
class NoKnob(Good):
    size: int = 3


class NoDataclass(Good):
    size: int = knob(3, help="how big")


@dataclass(frozen=True)
class Hides(Good):
    check: int = knob(3, help="what hides Method.check")


@dataclass(frozen=True)
class BadDefault(Good):
    size: int = knob(3, high=2, help="how big")


class NoApply(Method):
    name = "idle"
    traits = Traits(family="toys")


class NoTraits(Method):
    name = "bare"


@pytest.mark.parametrize(
    ("kind", "offered", "reason"),
    [
        ("method", Good(), "Good(ratio=0.5) is not a class; offer classes, the core makes the objects"),
        ("method", Asks, "Asks is offered as a method and must derive from Method"),
        ("method", variant(Good, name=None), 'Good has no name; write `name = "..."`'),
        ("method", variant(Good, name="Snap KV"), "Good.name must be lower-case words joined by _ or /, got 'Snap KV'"),
        (
            "method",
            variant(Good, name="all"),
            "Good.name can't be 'all': the command line gives it a meaning of its own",
        ),
        ("method", NoTraits, "NoTraits has no traits; write `traits = Traits(family=...)`"),
        ("method", variant(Good, traits=Traits(family="")), "Good.traits names no family"),
        (
            "method",
            variant(Good, traits=Traits(family="toys", seams="cache")),
            "Good.traits.seams must be a set of words, got 'cache'",
        ),
        ("method", NoApply, "NoApply does not write apply()"),
        ("method", variant(Good, traits=Traits(family="toys", prepares=True)), "Good does not write prepare()"),
        ("method", NoKnob, "NoKnob.size is no knob; write `knob(default, help=...)`"),
        ("method", Hides, "Hides.check hides a part of the contract; name the knob otherwise"),
        ("method", NoDataclass, "NoDataclass has knobs but is no dataclass; write @dataclass(frozen=True) above it"),
        (
            "method",
            BadDefault,
            "BadDefault can't be built with its defaults: good.size must be at most 2, got 3; remove it to use 3",
        ),
        (
            "method",
            variant(Good, neutral={"ratoi": 0}),
            "Good can't be built with its neutral settings: "
            "good has no setting 'ratoi'; did you mean ratio? (it has: ratio)",
        ),
        (
            "task",
            variant(Asks, subjects=frozenset()),
            "Asks does not say who can answer it; write `subjects = frozenset({...})`",
        ),
        ("task", variant(Asks, metrics=("right",)), "Asks.metrics must hold Metric objects, got ('right',)"),
        ("task", variant(Asks, planned=Task.planned), "Asks does not write planned()"),
        ("model", variant(Loads, kind=None), 'Loads does not say what it loads; write `kind = "causal-lm"`'),
        ("model", variant(Loads, load=Model.load), "Loads does not write load()"),
        ("subject", variant(Loaded, kind=None), 'Loaded has no kind; write `kind = "..."`'),
        ("subject", variant(Loaded, seams={"cache": 1}), "Loaded.seams must map names to Seam(...), got {'cache': 1}"),
        ("meter", variant(Reads, timed=None), "Reads.timed must be bool; see Meter in harness.api"),
        ("meter", variant(Reads, read=None), "Reads does not write read(); see Meter in harness.api"),
    ],
)
def test_refuses_what_breaks_it_and_says_what_to_write(kind, offered, reason):
    with pytest.raises(PluginError) as error:
        check(kind, offered)
    assert str(error.value) == reason
