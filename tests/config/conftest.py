"""A toy plugin under the names that the shipped presets build on."""

from __future__ import annotations

import sys

import hydra
import pytest

from harness.config.overrides import read
from harness.config.sweep import make_sweep
from harness.plugin.discovery import load

TOYS = """
from dataclasses import dataclass
from harness.api import Method, Model, Task, Traits, hookimpl, knob

class Toy(Method):
    traits = Traits(family="toys")

    def apply(self, subject, artifact=None): ...

class Identity(Toy):
    name = "identity"

@dataclass(frozen=True)
class XKV(Toy):
    name = "xkv"
    compression_ratio: float = knob(0.75, low=0.0, high=0.99, help="removed")
    group_size: int = knob(6, low=1, help="layers")

@dataclass(frozen=True)
class SnapKV(Toy):
    name = "snapkv"
    compression_ratio: float = knob(0.5, low=0.0, high=0.99, help="removed")
    window: int = knob(64, low=1, help="queries")

@dataclass(frozen=True)
class StreamingLLM(Toy):
    name = "streaming_llm"
    sinks: int = knob(4, low=0, help="first tokens")

@dataclass(frozen=True)
class Bridge(Toy):
    name = "kvpress/snapkv"
    window: int = knob(64, low=1, help="queries")

class Asks(Task):
    subjects = frozenset({"causal-lm"})

    def planned(self): ...
    def make_samples(self, processor, seed): ...

@dataclass(frozen=True)
class Ruler(Asks):
    name = "ruler"
    context: int = knob(1024, low=16, help="tokens")
    samples: int = knob(8, low=1, hashed=False, help="a subtask")
    subtasks: tuple[str, ...] = knob(("single", "multi"), help="which")
    question: str = knob("after", choices=("after", "before"), help="where")

@dataclass(frozen=True)
class Generation(Asks):
    name = "generation"
    samples: int = knob(4, low=1, hashed=False, help="prompts")
    new_tokens: int = knob(16, low=1, help="tokens")

@dataclass(frozen=True)
class Scans(Asks):
    name = "scans"
    model = "hf"

@dataclass(frozen=True)
class HF(Model):
    name = "hf"
    kind = "causal-lm"
    path: str | None = knob(None, help="folder")
    revision: str | None = knob(None, help="commit")
    dtype: str = knob("auto", choices=("auto", "float32"), help="precision")
    wheel: str | None = knob(None, help="requirement")
    wheel_sha256: str | None = knob(None, help="checksum")
    gguf: str | None = knob(None, help="file")
    gguf_sha256: str | None = knob(None, help="checksum")
    layers: tuple[int, ...] | None = knob(None, help="which")
    scale: int | float | None = knob(None, help="any number")

    def fetch(self): ...
    def load(self, location, device): ...

@hookimpl
def harness_methods():
    return [Identity, XKV, SnapKV, StreamingLLM, Bridge]

@hookimpl
def harness_tasks():
    return [Ruler, Generation, Scans]

@hookimpl
def harness_models():
    return [HF]
"""


@pytest.fixture(scope="session")
def registry(tmp_path_factory):
    root = tmp_path_factory.mktemp("toys")
    (root / "toys_config/toys").mkdir(parents=True)
    (root / "toys_config/__init__.py").touch()
    (root / "toys_config/toys/plugin.py").write_text(TOYS)
    sys.path.insert(0, str(root))
    made = load(["toys_config"])
    assert made.failures == []
    yield made
    sys.path.remove(str(root))


@pytest.fixture(scope="session")
def composed():
    """What Hydra composed before, by what it was asked: tests ask the same over and over."""
    return {}


@pytest.fixture
def sweep(registry, composed, monkeypatch):
    """What `harness run` makes of its words."""
    compose = hydra.compose

    def remembered(name, words, **rest):
        asked = (name, *words)
        if asked not in composed:
            composed[asked] = compose(name, words, **rest)
        return composed[asked]

    monkeypatch.setattr(hydra, "compose", remembered)
    return lambda *texts, config_dirs=(): make_sweep(read(texts), registry, config_dirs)
