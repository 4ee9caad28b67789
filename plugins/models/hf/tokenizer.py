"""What tasks need of a tokenizer, checked when it is loaded: a tokenizer that is silently wrong spoils every score."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from harness.api import SourceError

PROBE = "One of the special magic numbers\n\n  for a-b is: 7281234.\tÉtude 漢字 ☃"


class Tokenizer:
    def __init__(self, tokenizer: Any, stop_ids: list[int]) -> None:
        self._tokenizer = tokenizer
        self.stop_ids = stop_ids
        self.vocab_size: int = len(tokenizer)
        self.start_ids: list[int] = start_ids(tokenizer)

    @classmethod
    def of(cls, path: str, trust_remote_code: bool = False) -> Tokenizer:
        """The tokenizer in a model's folder.

        Raises:
            SourceError: text does not survive encoding and decoding.
        """
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        from transformers import AutoTokenizer

        loaded = AutoTokenizer.from_pretrained(path, trust_remote_code=trust_remote_code)
        tokenizer = cls(loaded, stop_ids(Path(path), loaded.eos_token_id))
        returned = tokenizer.decode(tokenizer.encode(PROBE))
        if returned.strip() != PROBE:
            raise SourceError(f"the tokenizer in {path} turns {PROBE!r} into {returned!r}: its scores would be wrong")
        return tokenizer

    def encode(self, text: str) -> list[int]:
        """Token ids, no special tokens added."""
        ids: list[int] = self._tokenizer(text, add_special_tokens=False, verbose=False).input_ids
        return ids

    def decode(self, ids: list[int]) -> str:
        """Text, special tokens left out."""
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def chat(self, text: str) -> str:
        """A user's message in the model's chat template, up to where its answer begins."""
        message = [{"role": "user", "content": text}]
        prompt: str = self._tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)
        return prompt


def start_ids(tokenizer: Any) -> list[int]:
    """What the tokenizer itself puts in front of a text, such as a beginning-of-sequence token."""
    bare = tokenizer("a", add_special_tokens=False).input_ids
    full = tokenizer("a").input_ids
    return list(full[: next(place for place in range(len(full)) if full[place : place + len(bare)] == bare)])


def stop_ids(folder: Path, eos: int | None) -> list[int]:
    """End-of-sequence ids of the generation config, else of the tokenizer."""
    path = folder / "generation_config.json"
    given = json.loads(path.read_text()).get("eos_token_id") if path.exists() else None
    ids = given if given is not None else eos
    return sorted(ids) if isinstance(ids, list) else [] if ids is None else [ids]
