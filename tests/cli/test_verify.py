"""`harness verify`, on the toy plugin of tests/claims/toys."""

import json
import sys
from pathlib import Path

import pytest

TOYS = Path(__file__).parent.parent / "claims" / "toys"


@pytest.fixture
def lab(lab, monkeypatch):
    monkeypatch.setenv("HARNESS_PLUGINS", "toy_claims,identity")
    monkeypatch.setenv("PYTHONPATH", str(TOYS))
    monkeypatch.syspath_prepend(str(TOYS))
    yield lab
    sys.modules.pop("toy_claims", None)


def test_without_a_store_every_claim_is_listed_with_its_command(lab):
    ended = lab.harness("verify")

    assert ended.code == 0
    assert "toy_claims/skill_helps: NOT RUN: no matching run in the store" in ended.out
    typed = (
        "harness run +method=shrink method.shrink.skill=4,9 model=slate task=reading task.samples=10 seed=7 device=cpu"
    )
    assert f"  $ {typed}\n" in ended.out
    assert "NOT RUN: no matching run in the store; it needs a large slate" in ended.out
    assert "NOT RUN: can't be run here: there is no stone here" in ended.out
    assert ended.out.endswith("3 claims: 3 not run.\n")
    assert not lab.store.exists()


def test_a_claim_is_run_and_judged(lab):
    ended = lab.harness("verify", "shrink", "--run", "skill_helps", "--format", "json")

    assert ended.code == 0, ended.err
    (verdict,) = json.loads(ended.out)
    assert (verdict["plugin"], verdict["name"], verdict["verdict"]) == ("toy_claims", "skill_helps", "inconclusive")
    assert verdict["reason"] == "fewer than six pairs differ"
    assert [arm["value"] for arm in verdict["finding"]["arms"]] == pytest.approx([90, 40])
    assert verdict["finding"]["comparisons"][0]["delta"] == pytest.approx(50)
    assert verdict["finding"]["n"] == verdict["finding"]["wanted"] == 10

    more = lab.harness("run", *verdict["command"].split()[2:-3], "task.samples=40", "seed=7", "device=cpu")
    assert more.code == 0, more.err
    text = lab.harness("verify", "shrink").out
    assert "toy_claims/skill_helps: CONFIRMED: the interval excludes 0" in text
    flat = " ".join(text.split())
    assert "shrink (skill 9) beats shrink (skill 4)? 90.0 % against 40.0 %: +50.0 points [" in flat
    assert "n = 40, 20 differ" in flat
    assert "bytes kept: 50.00% against 50.00% (5.0% apart is allowed)" in flat
    assert "evidence: size 500 against size 500" in flat
    assert "runs 3, 2; seed 7; " in flat
    assert "1 confirmed, 2 not run." in flat

    table = lab.harness("verify", "--format", "md").out
    assert table.startswith("|Claim|Verdict|Figures|n|Runs|\n|-|-|-|-|-|\n|toy_claims/skill_helps|confirmed: ")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["shrnk"], "unknown method 'shrnk'; did you mean shrink?"),
        (["identity"], "identity has no claims.yaml; harness verify lists all claims there are"),
        (["--run", "skil_helps"], "no claim 'skil_helps'; did you mean skill_helps?"),
        (["--run", "stone"], "claim stone can't be run here: there is no stone here"),
    ],
)
def test_what_can_not_be_verified_is_refused(lab, words, told):
    ended = lab.harness("verify", *words)

    assert ended.code == 2
    assert told in ended.err


def test_a_broken_file_is_named_and_hides_no_other_claim(lab, monkeypatch):
    about = lab.root / "toy_broken-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-broken\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[harness.plugins]\ntoy_broken = toy_broken\n")
    (lab.root / "toy_broken").mkdir()
    code = (TOYS / "toy_claims" / "__init__.py").read_text()
    for old, new in (('"shrink"', '"crush"'), ('"slate"', '"board"'), ('"reading"', '"writing"')):
        code = code.replace(old, new)
    (lab.root / "toy_broken" / "__init__.py").write_text(code)
    (lab.root / "toy_broken" / "claims.yaml").write_text("- nme: wider\n")
    monkeypatch.setenv("HARNESS_PLUGINS", "toy_claims,identity,toy_broken")
    monkeypatch.syspath_prepend(str(lab.root))

    ended, alone = lab.harness("verify"), lab.harness("verify", "crush")

    assert ended.code == alone.code == 1
    assert "toy_claims/skill_helps" in ended.out
    for one in (ended, alone):
        assert "claims.yaml, claim 1: unknown key 'nme'; did you mean name?" in one.err
