"""The main job on the embedded model, made small: from the package index to a comparison."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from harness.config.overrides import read
from harness.config.sweep import make_sweep
from harness.plugin.discovery import load
from harness_plugins.models.hf.plugin import HF
from harness_plugins.models.hf.tokenizer import Tokenizer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def location():
    (point,) = make_sweep(read(["task=ruler"]), load()).points
    return HF.build(point.model.knobs).fetch()


def test_the_embedded_tokenizer_is_the_published_one(location):
    tokenizer = Tokenizer(location["path"])

    # every digit is a token, also after spaces, as SmolLM2 was trained
    assert tokenizer.encode("is: 7281234.") == [271, 42, 216, 39, 34, 40, 33, 34, 35, 36, 30]
    assert tokenizer.encode("  12") == [256, 33, 34]
    assert tokenizer.encode("<|endoftext|><|im_start|><|im_end|>") == [0, 1, 2]
    assert (tokenizer.stop_ids, tokenizer.start_ids, tokenizer.vocab_size) == ([2], [], 49152)
    assert tokenizer.chat("Hi").endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")


def test_the_embedded_model_finds_its_needle_with_and_without_xkv(location, tmp_path):
    words = ["+method=xkv", "task=ruler", "task.subtasks=[niah_single_1]", "task.samples=1", "task.context=512"]
    words += ["task.new_tokens=12", "task.timed_new_tokens=2", "measure.warmups=1", "measure.samples=1"]
    words += ["method.xkv.compression_ratio=0.25", "device=cpu"]
    environment = {**os.environ, "HARNESS_STORE": str(tmp_path / "store.sqlite")}

    def harness(*command):
        code = "from harness.cli.main import main; main()"
        done = subprocess.run([sys.executable, "-c", code, *command], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "xkv" in harness("run", *words)
    (table,) = json.loads(harness("export", "--format", "json"))["tables"]
    assert [row["method"] for row in table["rows"]] == ["identity", "xkv"]
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as connection:
        rows = connection.execute(
            "SELECT label, target, answer, observed FROM run JOIN sample ON run.id = sample.run_id ORDER BY label"
        ).fetchall()
    for _, target, answer, _ in rows:
        assert json.loads(target)[0] in answer
    saved = {label: json.loads(observed) for label, _, _, observed in rows}
    assert saved["identity"]["resident_bytes"] == saved["identity"]["full_bytes"]
    assert 0.7 < saved["xkv"]["resident_bytes"] / saved["xkv"]["full_bytes"] <= 0.75
