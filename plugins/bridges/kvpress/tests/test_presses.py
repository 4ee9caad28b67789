"""Every press, in the environment of its own."""

import json
import subprocess
from pathlib import Path

import pytest

from harness.plugin.environments import named

ENVIRONMENT = named("kvpress")
pytestmark = pytest.mark.skipif(ENVIRONMENT.trouble is not None, reason=str(ENVIRONMENT.trouble))

FREE_NOTHING = {"adakv", "critical_adakv", "dms", "kvgrad", "kvzip", "think"}
WHILE_DECODING = {"cam", "compression_ratio_decoding", "decoding"}


@pytest.fixture(scope="module")
def told():
    script = Path(__file__).with_name("inside.py")
    ended = subprocess.run([ENVIRONMENT.python, script], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return {name.removeprefix("kvpress/"): one for name, one in json.loads(ended.stdout).items()}


def test_every_press_that_needs_no_download_is_there(told):
    assert len(told) == 37


def test_answers_equal_those_of_kvpress_s_own_pipeline(told):
    assert {name: one["ours"] for name, one in told.items()} == {name: one["theirs"] for name, one in told.items()}


def test_every_promise_of_a_method_is_kept(told):
    assert {name: one["broken"] for name, one in told.items() if one["broken"]} == {}


def test_each_leaves_what_proves_that_it_acted(told):
    for name, one in told.items():
        found = one["evidence"]
        assert found["seen"] == 96
        if name in FREE_NOTHING:
            assert found["kept"] == 96
            assert found["zeroed" if name == "think" else "masked"] > 0, name
        elif name in WHILE_DECODING:
            assert found["evicted"] > 0, name
        else:
            assert found["kept"] < 96, name


def test_bytes_are_those_of_the_rows_that_are_left(told):
    for name, one in told.items():
        seen = one["observed"]
        assert seen["resident_bytes"] / seen["full_bytes"] == pytest.approx(seen["kept"] / 96), name
