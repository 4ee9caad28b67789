"""What a claims.yaml may say, and what it is told when it says something else."""

import re
from pathlib import Path

import pytest

from harness.claims.demand import demand
from harness.claims.read import claims_of, read_claims
from harness.config.compose import Composer
from harness.plugin.discovery import found, load
from harness.spec.errors import PluginError

ROOT = Path(__file__).parents[2]
BUILT_IN = {one.name: one for one in found()}
WITH_CLAIMS = [name for name, one in BUILT_IN.items() if one.folder and (one.folder / "claims.yaml").is_file()]

WINDOWS = "+method=snapkv method.snapkv.window=16,64 task=ruler"
TREND = {
    "name": "wider",
    "kind": "trend",
    "says": "Wider is better.",
    "source": "a paper",
    "metric": "string_match",
    "command": f"{WINDOWS} seed=7",
    "arms": "[{window: 64}, {window: 16}]",
    "holds": "beats",
    "tuned_on": "[0]",
}
PUBLISHED = {
    **{key: TREND[key] for key in ("name", "says", "source", "metric", "command")},
    **{"kind": "published", "model": "a model", "task": "a task", "setting": "a setting"},
    **{"holds": "value", "value": "81.8", "tolerance": "2", "arms": "[{window: 64}]"},
}
BLOCKED = {**PUBLISHED, "blocked": "no model"}
for key in ("command", "arms", "holds"):
    BLOCKED.pop(key)


def written(path, entry):
    lines = [f"{key}: {value}" for key, value in entry.items()]
    path.write_text("- " + "\n  ".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def plugins():
    registry = load()
    return registry, Composer(registry)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "claims.yaml"


@pytest.mark.parametrize("entry", [TREND, PUBLISHED, BLOCKED])
def test_a_claim_is_read(file, entry):
    (claim,) = read_claims(written(file, entry))

    assert (claim.name, claim.kind, claim.says) == ("wider", entry["kind"], "Wider is better.")
    assert claim.typed == (None if entry is BLOCKED else f"harness run {WINDOWS} seed=7")


def test_the_example_in_the_docs_is_a_claim(file):
    text = (ROOT / "docs" / "write-a-plugin.md").read_text()
    file.write_text(text.partition("```yaml\n- name:")[2].partition("```")[0].join(["- name:", ""]))

    (claim,) = read_claims(file)

    assert (claim.name, claim.holds, len(claim.arms)) == ("both_ends_beat_the_front", "beats", 2)


WRONG = [
    ({"cost": "qps"}, "it is about a metric or about a cost; remove one"),
    ({"cost": "qps", "metric": None, "holds": "at_least", "tolerance": "2"}, "a cost can be claimed to beat another's"),
    ({"metric": None}, "metric is missing"),
    ({"tolerence": "2"}, "unknown key 'tolerence'; did you mean tolerance?"),
    ({"says": None}, "says is missing"),
    ({"tuned_on": None}, "tuned_on is missing"),
    ({"command": None}, "command is missing (or blocked, with the reason why it can't be run)"),
    ({"kind": "published"}, "model is missing"),
    ({"kind": "published", "model": "m", "task": "t", "setting": "s", "holds": "value"}, "value is missing"),
    ({"holds": "at_least"}, "tolerance is missing"),
    ({"tolerance": "2"}, "beats takes no tolerance; write holds: at_least to allow one"),
    ({"value": "2"}, "value is for holds: value or difference, not beats"),
    ({"kind": "trned"}, "kind must be one of published, trend, got 'trned'; did you mean trend?"),
    ({"holds": "beat"}, "holds must be one of beats, at_least, difference, value, got 'beat'; did you mean beats?"),
    ({"arms": "[{window: 64}]"}, "beats takes two or more arms, got 1"),
    ({"arms": "64"}, "arms takes a list of settings, such as [{group_size: 6}, {group_size: 1}], got 64"),
    ({"tuned_on": "0"}, "tuned_on takes a list of seeds, such as [0], got 0"),
    ({"equal_bytes": "-1"}, "equal_bytes takes a number that is not negative, got -1"),
    ({"equal": "5"}, "equal takes a share for each name of evidence, such as {macs: 0.05}, got 5"),
    ({"metric": "true"}, "metric takes text, got True"),
    ({"blocked": "no model"}, "a blocked claim is not run, so it takes no command"),
    ({"command": "'+method=\"snapkv'"}, "can't read the command, a quote has no partner"),
]


@pytest.mark.parametrize(("change", "told"), WRONG)
def test_a_mistake_is_named_with_its_file_and_claim(file, change, told):
    entry = {key: value for key, value in {**TREND, **change}.items() if value is not None}

    with pytest.raises(PluginError, match=re.escape(told)) as raised:
        read_claims(written(file, entry))

    assert str(raised.value).startswith(f"{file}, claim 1 (wider): ")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "must hold a list of claims"),
        ("name: wider", "must hold a list of claims"),
        ("- wider", "claim 1 must be keys with values, got 'wider'"),
        ("- name: [", "can't read"),
        ("- !!python/object/apply:os.getcwd []", "can't read"),
        ("- name: a\n  kind: trend\n  name: b", "line 1: name is given twice"),
    ],
)
def test_what_is_no_list_of_claims_is_refused(file, text, told):
    file.write_text(text)

    with pytest.raises(PluginError, match=re.escape(told)):
        read_claims(file)


def test_two_claims_of_one_name_are_refused(file):
    written(file, TREND)
    file.write_text(2 * file.read_text())

    with pytest.raises(PluginError, match="names 'wider' twice"):
        read_claims(file)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"command": "+method=snapkv method.snapkv.windw=16,64 task=ruler"}, "did you mean window?"),
        (
            {"command": "+method=snapkv method.snapkv.window=16,64 task=ruler task.context=512,1024"},
            "sweeps over tasks",
        ),
        ({"command": "+method=snapkv method.snapkv.window=16,64 task=ruler"}, "uses seed 0, which it was tuned on"),
        ({"metric": "string_mach"}, "no metric 'string_mach'; did you mean string_match?"),
        ({"arms": "[{window: 64}, {window: 32}]"}, "the command gives no method with window 32"),
        ({"arms": "[{window: 64}, {}]"}, "the command gives 2 methods with any settings"),
        ({"arms": "[{window: 64}, {window: 64, kernel: 5}]"}, "two of its arms are the same"),
        ({"arms": "[{window: 64}, {windw: 16}]"}, "snapkv has no setting 'windw'; did you mean window?"),
    ],
)
def test_a_command_that_does_not_give_the_arms_is_refused(file, plugins, change, told):
    (claim,) = read_claims(written(file, {**TREND, **change}))

    with pytest.raises(PluginError, match=re.escape(told)):
        demand(claim, *plugins)


def test_five_techniques_come_with_claims():
    assert {"xkv", "snapkv", "knorm", "streaming_llm", "random_eviction"} <= set(WITH_CLAIMS)


@pytest.mark.parametrize("name", WITH_CLAIMS)
def test_every_claim_shipped_can_be_run_or_says_why_not(name, plugins, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", "/data")  # where a machine has what is not fetched
    for claim in claims_of(BUILT_IN[name]):
        if claim.blocked is None:
            asked = demand(claim, *plugins)
            assert len(asked.arms) == len(claim.arms)
            least = 3 if claim.cost or claim.holds == "value" else 5  # fewer than five pairs are never called
            assert asked.n >= least


def test_xkv_names_the_samples_that_settle_it(plugins):
    asked = {claim.name: demand(claim, *plugins).n for claim in claims_of(BUILT_IN["xkv"]) if claim.kind == "trend"}

    assert asked["six_layers_beat_one_at_an_eighth"] == 30
    assert asked["six_layers_beat_one_at_a_quarter"] == 144
