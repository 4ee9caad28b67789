"""What tasks need of a tokenizer, checked when it is loaded: a tokenizer that is silently wrong spoils every score."""

from __future__ import annotations

import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.api import SourceError

PROBE = "One of the special magic numbers\n\n  for a-b is: 7281234.\tÉtude 漢字 ☃"
UNLIMITED = 10**29  # tokenizers without a limit say 10**30
PLAIN = "PreTrainedTokenizerFast"  # the class that adds nothing to what tokenizer.json says


class Tokenizer:
    """A model folder's tokenizer.

    Where its class is the plain one, `tokenizer.json` is read as it is, without importing
    transformers; any other class may add rules of its own, and is left to transformers.

    Raises:
        SourceError: text does not survive encoding and decoding.
    """

    def __init__(self, path: str, trust_remote_code: bool = False) -> None:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        self._folder, self._trust = Path(path), trust_remote_code
        self._config: dict[str, Any] = read(self._folder / "tokenizer_config.json")
        self._plain = self._config.get("tokenizer_class") == PLAIN
        self.stop_ids = self._stop_ids()
        self.start_ids = self._start_ids()
        self.vocab_size: int = self._backend.get_vocab_size() if self._plain else len(self._slow)
        returned = self.decode(self.encode(PROBE))
        if returned.strip() != PROBE:
            raise SourceError(f"the tokenizer in {path} turns {PROBE!r} into {returned!r}: its scores would be wrong")

    def encode(self, text: str, special: bool = False) -> list[int]:
        """Token ids; with `special`, those that the tokenizer itself puts around a text are added."""
        if self._plain:
            return list(self._backend.encode(text, add_special_tokens=special).ids)
        return list(self._slow(text, add_special_tokens=special, verbose=False).input_ids)

    def decode(self, ids: list[int]) -> str:
        """Text, special tokens left out."""
        if self._plain:
            return str(self._backend.decode(ids, skip_special_tokens=True))
        return str(self._slow.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def chat(self, text: str) -> str:
        """A user's message in the model's chat template, up to where its answer begins."""
        message = [{"role": "user", "content": text}]
        return str(self._slow.apply_chat_template(message, tokenize=False, add_generation_prompt=True))

    def id_of(self, token: str) -> int | None:
        found = self._backend.token_to_id(token) if self._plain else self._slow.convert_tokens_to_ids(token)
        return None if found is None else int(found)

    @property
    def bos(self) -> str | None:
        """The token that begins a text, where it has one."""
        return self._named("bos_token")

    @property
    def eos(self) -> str | None:
        return self._named("eos_token")

    @property
    def context_length(self) -> int | None:
        """Tokens the model takes, by its config, else by the tokenizer's."""
        config = read(self._folder / "config.json")
        config |= config.get("text_config", {})
        own = self._config.get("model_max_length")
        names = ("n_positions", "max_position_embeddings", "n_ctx")
        given = next((config[name] for name in names if config.get(name)), own)
        return int(given) if given and given < UNLIMITED else None

    def _named(self, role: str) -> str | None:
        if not self._plain:
            named: str | None = getattr(self._slow, role)
            return named
        given = self._config.get(role)
        return given["content"] if isinstance(given, dict) else given

    def _start_ids(self) -> list[int]:
        """What the tokenizer itself puts in front of a text, such as a beginning-of-sequence token."""
        bare, full = self.encode("a"), self.encode("a", special=True)
        return full[: next(place for place in range(len(full)) if full[place : place + len(bare)] == bare)]

    def _stop_ids(self) -> list[int]:
        """End-of-sequence ids of the generation config, else of the tokenizer."""
        given = read(self._folder / "generation_config.json").get("eos_token_id")
        if given is None:
            given = self._slow.eos_token_id
        return sorted(given) if isinstance(given, list) else [] if given is None else [given]

    @cached_property
    def _backend(self) -> Any:
        from tokenizers import Tokenizer as Backend

        return Backend.from_file(str(self._folder / "tokenizer.json"))

    @cached_property
    def _slow(self) -> Any:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(str(self._folder), trust_remote_code=self._trust)


def read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text())) if path.exists() else {}
