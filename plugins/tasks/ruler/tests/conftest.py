import ast
import gzip
import json
import os
import re
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


TOWNS = ("Aston", "Brill", "Crewe", "Derby")
SIGHTS = ("bridge", "market", "school", "harbour", "theatre", "museum", "tower", "garden", "mill", "station")


def paragraph(town: str, sight: str) -> str:
    return f"The {sight} of {town} was opened in {1800 + len(town) * len(sight)}. It is known well beyond {town}."


@pytest.fixture(scope="session")
def squad(tmp_path_factory) -> str:
    """Rows made for these tests, in the format of SQuAD's dev-v2.0.json; no question of SQuAD is among them."""

    def row(town: str, sight: str) -> dict[str, Any]:
        year = {"text": str(1800 + len(town) * len(sight)), "answer_start": 0}
        asked = {"id": "", "question": f"When was the {sight} opened in {town}?", "answers": [year, year]}
        open_question = {"id": "", "question": f"Who closed the {sight}?", "answers": [], "plausible_answers": []}
        qas = [asked | {"is_impossible": False}, open_question | {"is_impossible": True}]
        return {"context": paragraph(town, sight), "qas": qas}

    articles = [{"title": town, "paragraphs": [row(town, sight) for sight in SIGHTS]} for town in TOWNS]
    return written(tmp_path_factory, "dev-v2.0.json", {"version": "v2.0", "data": articles})


@pytest.fixture(scope="session")
def hotpotqa(tmp_path_factory) -> str:
    """Rows made for these tests, in the format of HotpotQA's file; no question of HotpotQA is among them."""

    def row(number: int) -> dict[str, Any]:
        town, sight = TOWNS[number % 4], SIGHTS[number]
        context = [[f"{town} {other}", [paragraph(town, other), " It rains."]] for other in (sight, *SIGHTS[:2])]
        context += [[f"{other} {sight}", [paragraph(other, sight)]] for other in TOWNS if other != town][:2]
        return {
            "_id": "",
            "question": f"What of {town} is known?",
            "answer": f"the {sight}",
            "context": context[number < 2 :],
        }

    return written(tmp_path_factory, "hotpot_dev_distractor_v1.json", [row(number) for number in range(10)])


@pytest.fixture(scope="session")
def real_hotpotqa(tmp_path_factory) -> str:
    """100 questions of HotpotQA with their ten paragraphs, put back into the official file's format."""
    folder = os.environ.get("HARNESS_TEST_DATA")
    if not folder:
        pytest.skip("HARNESS_TEST_DATA names no folder with longtext/hotpotqa_100.jsonl.gz")
    with gzip.open(Path(folder) / "longtext" / "hotpotqa_100.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line in lines]
    for row in rows:
        row["context"] = [[document["title"], document["sentences"]] for document in row["context"]]
    return written(tmp_path_factory, "hotpot_dev_distractor_v1.json", rows)


def written(factory, name: str, data: Any) -> str:
    path = factory.mktemp("files") / name
    path.write_text(json.dumps(data))
    return str(path)


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

    @staticmethod
    def tokenizer(text: str) -> SimpleNamespace:
        """Words and marks; 24 in a line of noise, which is what a language model's tokenizer makes of it."""
        return SimpleNamespace(input_ids=re.findall(r"\w+|[^\w\s]|\n", text))


@pytest.fixture(scope="session")
def lm_eval() -> LmEval:
    return LmEval()
