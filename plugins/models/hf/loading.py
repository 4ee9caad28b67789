"""Weights into a subject; runs in the worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.api import Device, IncompatibleError, SourceError

if TYPE_CHECKING:
    from .plugin import HF


def load(recipe: HF, path: str, device: Device) -> Any:
    import torch
    import transformers

    from harness_plugins.subjects.causal_lm.subject import LoadedCausalLM

    torch.set_num_threads(device.threads)
    transformers.logging.disable_progress_bar()
    try:
        model = transformers.AutoModelForCausalLM.from_pretrained(
            path,
            dtype=getattr(torch, recipe.dtype),
            attn_implementation=recipe.attention,
            trust_remote_code=recipe.trust_remote_code,
            use_safetensors=True,
            local_files_only=True,
        )
    except (OSError, ValueError, ImportError) as error:
        raise SourceError(f"transformers can't load {path}: {str(error).strip().splitlines()[0]}") from error
    subject = LoadedCausalLM(model.to(device.kind), recipe.attention)
    try:
        subject.verify()
    except Exception as error:
        raise IncompatibleError(
            f"{type(model).__name__} does not answer the same through the cache used here as on its own "
            f"({str(error).splitlines()[0]}); it can't be measured"
        ) from error
    return subject
