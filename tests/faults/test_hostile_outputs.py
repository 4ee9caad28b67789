"""Whatever a subject answers, a command stores it and shows it, or says in one sentence why it can't."""

import json
import os
from pathlib import Path

import pytest

TOYS = Path(__file__).parent / "toys"
WHATS = ("plain", "huge", "surrogates", "nul", "markup", "terminal", "numbers", "nested", "deep", "bytes")
REFUSED = {"deep": "RecursionError", "bytes": "TypeError: Object of type bytes is not JSON serializable"}
QUICK = ("device=cpu", "device.threads=1", "measure.warmups=1", "measure.samples=1")


@pytest.fixture(scope="module")
def provoked(shared_lab):
    """A run of each hostile output, and what became of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_PLUGINS", "toy_hostile,identity")
        patch.setenv("PYTHONPATH", f"{TOYS}{os.pathsep}{os.environ['PYTHONPATH']}")
        patch.syspath_prepend(str(TOYS))
        words = ("+method=identity", "task=provoking", f"task.what={','.join(WHATS)}", "model=hostile", *QUICK)
        yield shared_lab, shared_lab.harness("run", *words)


def runs(lab):
    """Number, status, reason and samples of each run, by what it answers."""
    query = "SELECT id, status, reason, (SELECT count(*) FROM sample WHERE run_id = run.id), spec FROM run"
    return {json.loads(spec)["task"]["knobs"]["what"]: row for *row, spec in lab.rows(query)}


def test_what_can_be_stored_is_stored_and_what_can_not_is_refused_in_a_sentence(provoked):
    lab, ended = provoked

    assert ended.code == 1
    assert "Traceback" not in ended.err
    found = runs(lab)
    for what in WHATS:
        _, status, reason, samples = found[what]
        if what in REFUSED:
            assert (status, samples) == ("failed", 0)
            assert REFUSED[what] in reason
        else:
            assert (what, status, samples) == (what, "done", 2)
    assert lab.is_sound()


def test_what_is_not_a_number_is_unknown_and_infinity_is_infinite(provoked):
    lab, _ = provoked
    query = "SELECT number, value, score.reason FROM score JOIN run ON run.id = run_id WHERE spec LIKE '%\"numbers\"%'"

    assert lab.rows(query) == [(0, None, "not a number"), (1, float("inf"), None)]


@pytest.mark.parametrize("form", ["csv", "json", "md", "html", "latex", "parquet"])
@pytest.mark.parametrize("what", ["comparison", "samples", "runs"])
def test_it_is_exported_in_every_format(provoked, form, what):
    lab, _ = provoked
    file = lab.root / f"{what}.{form}"

    ended = lab.harness("export", "--what", what, "--format", form, "-o", str(file))

    assert (ended.code, ended.err.count("\n")) == (0, 1), ended.err[-2000:]
    text = file.read_bytes().decode(errors="replace" if form == "parquet" else "strict")
    if form == "json":
        json.loads(text)
    if form == "html":
        assert "<script>" not in text


@pytest.mark.parametrize("what", [what for what in WHATS if what not in REFUSED])
def test_it_is_shown(provoked, what):
    lab, _ = provoked
    number = str(runs(lab)[what][0])

    samples, prompt = (lab.harness("show", number, *more) for more in (["--samples"], ["--prompt", "0"]))

    assert (samples.code, prompt.code) == (0, 0), samples.err[-2000:] + prompt.err[-2000:]
    assert (samples.out + prompt.out).encode()
    assert "\x1b" not in samples.out.partition("sample ")[2]


def test_it_is_listed_and_compared(provoked):
    lab, _ = provoked

    for args in (["ls", "runs"], ["ls", "studies"], ["compare"]):
        ended = lab.harness(*args)
        assert ended.code == 0, ended.err[-2000:]
        assert ended.out.encode()
