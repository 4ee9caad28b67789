"""Texts into requests, in tokens, cut and truncated as lm-eval's own model class for transformers (HFLM) does."""

from __future__ import annotations

from typing import Any

from lm_eval.api.model import TemplateLM  # noqa: TID253  (loaded only where samples are made)
from lm_eval.models.utils import (  # noqa: TID253
    DEFAULT_MAX_LENGTH,
    handle_stop_sequences,
    has_bos_prefix,
    normalize_gen_kwargs,
)
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window  # noqa: TID253

from harness.api import IncompatibleError

Pair = tuple[list[int], list[int]]  # context, continuation

MAX_NEW_TOKENS = 256  # HFLM's, where a task does not say


class Encoder(TemplateLM):
    """lm-eval's rules for a tokenizer: instead of likelihoods it answers with the tokens they are of."""

    def __init__(self, processor: Any) -> None:
        super().__init__()
        self.processor = processor
        self.limit: int = processor.context_length or DEFAULT_MAX_LENGTH
        self.prefix: str | None = processor.bos or processor.eos
        self._holding: dict[tuple[str, ...], list[int]] = {}

    @property
    def eot_token_id(self) -> Any:
        return self.processor.id_of(self.processor.eos)

    @property
    def prefix_token_id(self) -> Any:
        if self.prefix is None:
            raise IncompatibleError("the tokenizer has neither a beginning nor an end of text to put first")
        return self.processor.id_of(self.prefix)

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **kwargs: Any) -> list[int]:
        special = add_special_tokens if add_special_tokens is not None else not has_bos_prefix(string, self.prefix)
        return list(self.processor.encode(string, special=special))

    def _loglikelihood_tokens(self, requests: Any, **kwargs: Any) -> Any:
        return [(context, continuation) for _, context, continuation in requests]

    def loglikelihood_rolling(self, requests: Any, disable_tqdm: bool = False) -> Any:
        return [self._windows(*request.args) for request in requests]

    def _windows(self, text: str) -> list[Pair]:
        windows = get_rolling_token_windows(
            self.tok_encode(text), prefix_token=self.prefix_token_id, max_seq_len=self.limit, context_len=1
        )
        return [make_disjoint_window(window) for window in windows]

    def generate_until(self, requests: Any, disable_tqdm: bool = False) -> Any:
        return [self.prompt(*request.args) for request in requests]

    def prompt(self, text: str, given: dict[str, Any]) -> list[int]:
        """The prompt's tokens, its beginning left out where no room is left for the answer."""
        room = self.limit - new_tokens(given)
        if room < 1:
            raise IncompatibleError(
                f"it generates up to {new_tokens(given)} tokens, the model takes {self.limit} with the prompt; "
                "choose a model with a longer context"
            )
        special = not has_bos_prefix(text, self.processor.bos)
        return list(self.processor.encode(text, special=special))[-room:]

    def special(self, texts: list[str]) -> list[int]:
        """Ids of those texts that are one special token: decoded answers do not show them."""
        ids = [list(self.processor.encode(text, special=False)) for text in texts]
        return [one[0] for one in ids if len(one) == 1 and self.processor.decode(one) == ""]

    def holding(self, texts: list[str]) -> list[int]:
        """Ids of the tokens that hold one of these texts whole: nothing decoded after one of them is read."""
        wanted = tuple(text for text in texts if text)
        if wanted not in self._holding:
            tokens = ((one, self.processor.decode([one])) for one in range(self.processor.vocab_size))
            self._holding[wanted] = [one for one, text in tokens if any(end in text for end in wanted)]
        return self._holding[wanted]


def new_tokens(given: dict[str, Any]) -> int:
    return int(normalize_gen_kwargs(given, MAX_NEW_TOKENS)["max_gen_toks"])


def until(given: dict[str, Any], eos: str | None) -> list[str]:
    """Texts that end an answer, and are no part of it."""
    return list(handle_stop_sequences(normalize_gen_kwargs(given).get("until"), eos))


def scored(pair: Pair, limit: int) -> dict[str, list[int]]:
    """What is asked of a subject: the context's last token is fed after methods have acted.

    So the first token of the continuation, too, is judged by what they left of the context.
    """
    context, continuation = pair
    if not continuation:
        raise IncompatibleError("nothing follows its context, so there is nothing to score")
    if len(continuation) > limit:
        raise IncompatibleError(f"it scores {len(continuation)} tokens, the model takes {limit}")
    whole = (context + continuation)[-(limit + 1) :]
    context = whole[: -len(continuation)]
    return {**parted(context), "continuation": continuation}


def parted(context: list[int]) -> dict[str, list[int]]:
    """A lone token is prefilled: there is no context without one."""
    held = 1 if len(context) > 1 else 0
    return {"context": context[: len(context) - held], "question": context[len(context) - held :]}
