import ast
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

PROSE = [
    "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.\n",
    "Some special magic numbers are hidden within the following text. Make sure to memorize it.\n",
    "I will quiz you about the uuid afterwards. What is the special magic number for one of them?\n",
    "mentioned in the provided text. One of the special magic uuids for slow-train is: 1234567.\n",
    "One day the train was late.\nWhat are all the special magic numbers for it? The train.\nWhat is it?\n",
]


def trained(pieces: pre_tokenizers.PreTokenizer) -> SimpleNamespace:
    """A byte-level tokenizer as language models have them, learned from a few sentences."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pieces
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|end|>", "<|user|>", "<|assistant|>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator(PROSE * 3, trainer)
    return SimpleNamespace(
        encode=lambda text: tokenizer.encode(text, add_special_tokens=False).ids,
        decode=lambda ids: tokenizer.decode(ids, skip_special_tokens=True),
        chat=lambda text: f"<|user|>\n{text}<|end|>\n<|assistant|>\n",
        stop_ids=[tokenizer.token_to_id("<|end|>")],
    )


@pytest.fixture(scope="session")
def processor() -> SimpleNamespace:
    return trained(pre_tokenizers.ByteLevel(add_prefix_space=False))


@pytest.fixture(scope="session")
def merging_processor() -> SimpleNamespace:
    """Its tokens reach across spaces and line breaks."""
    return trained(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False))


@pytest.fixture
def essays(tmp_path) -> str:
    sentence = (
        'One day the train was late. Nobody knew why! Dr. Brown asked the guard. "Leaves," he said. 3 hours passed. '
    )
    (tmp_path / "essays.txt").write_text(sentence * 60)
    return str(tmp_path / "essays.txt")


class LmEval:
    """Parts of lm-eval's RULER, read from its source: importing it tries a download and takes nine seconds."""

    folder = Path(find_spec("lm_eval").origin).parent / "tasks" / "ruler"

    def take(self, module: str, *names: str, **context: Any) -> SimpleNamespace:
        """The named functions and constants of a module, which see each other and `context` alone."""
        for node in ast.parse((self.folder / f"{module}.py").read_text()).body:
            targets = {target.id for target in getattr(node, "targets", []) if isinstance(target, ast.Name)}
            if getattr(node, "name", None) in names or targets & set(names):
                exec(compile(ast.Module([node], []), module, "exec"), context)
        return SimpleNamespace(**{name: context[name] for name in names})


@pytest.fixture(scope="session")
def lm_eval() -> LmEval:
    return LmEval()
