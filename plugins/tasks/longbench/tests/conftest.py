import importlib.util
import json
import warnings
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from harness_plugins.tasks.longbench.datasets import DATASETS
from harness_plugins.tasks.longbench.records import Record, record

# What a record says beside its context: `input`, `answers`, `all_classes`.
MADE: dict[str, tuple[str, list[str], list[str] | None]] = {
    "narrativeqa": ("Who is the guard's brother?", ["Dr. Brown", "The doctor"], None),
    "qasper": ("Which corpus do they use {most}?", ["unanswerable"], None),
    "multifieldqa_en": ("When was the train late?", ["On Monday."], None),
    "multifieldqa_zh": ("火车什么时候晚点？", ["星期一，早上八点。"], None),
    "hotpotqa": ("Are both stations in Wales?", ["yes"], None),
    "2wikimqa": ("Where was the mother of the guard born?", ["Cardiff"], None),
    "musique": ("Who built the line that the late train ran on?", ["Great Western Railway"], None),
    "dureader": ("火车晚点怎么办", ["可以改签，也可以退票。", "等下一班火车"], None),
    "gov_report": ("", ["The agency reviewed trains. It found leaves on the line."], None),
    "qmsum": ("What did the team decide about leaves?", ["They will sweep them. Every morning."], None),
    "multi_news": ("", ["– The train was late again. Leaves were blamed."], None),
    "vcsum": ("", ["会议讨论了火车晚点的问题。大家同意每天清扫落叶。"], None),
    "trec": ("Question: What is a train ?\nType:", ["Definition of something"], ["Definition of something", "Time"]),
    "triviaqa": ("Passage:\nTrains.\nQuestion:\nWhat?\nAnswer:", ["A Train", "train"], None),
    "samsum": ("Dialogue: Ann: late?\nBob: yes\nSummary:", ["Bob is late."], None),
    "lsht": ("新闻内容：\n火车晚点\n类别：", ["交通"], ["交通", "体育", "交通事故"]),
    "passage_count": ("", ["7"], None),
    "passage_retrieval_en": ("It tells of a late train.", ["Paragraph 17"], None),
    "passage_retrieval_zh": ("它讲述晚点的火车。", ["段落3"], None),
    "lcc": ("", ["        return late"], None),
    "repobench-p": ("def late(train):\n", ["    return train.minutes > 5"], None),
}


def official(name: str, number: int = 0, words: int = 60, length: int = 3000) -> dict[str, Any]:
    """A record as LongBench's files have them."""
    asked, answers, classes = MADE[name]
    context = f"Passage {number} of {name} {{as it is}}:\n" + " ".join(f"word{place}" for place in range(words))
    return {
        "input": asked,
        "context": context,
        "answers": answers,
        "length": length,
        "dataset": name,
        "language": "zh" if not asked.isascii() else "en",
        "all_classes": classes,
        "_id": f"{name}-{number}",
    }


@pytest.fixture(scope="session")
def made():
    return official


@pytest.fixture(scope="session")
def parsed():
    def parse(name: str, **changed: Any) -> Record:
        return record(DATASETS[name], json.dumps(official(name, **changed)).encode(), name)

    return parse


@pytest.fixture
def folder(tmp_path) -> Path:
    """Five records of each of LongBench's files, and six of each of LongBench-E's, three of them long."""
    for name, dataset in DATASETS.items():
        write(tmp_path / f"{name}.jsonl", [official(name, number) for number in range(5)])
        if dataset.extended_rows:
            rows = [official(name, number, length=2000 + 2000 * number) for number in range(6)]
            write(tmp_path / f"{name}_e.jsonl", rows)
    return tmp_path


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


@pytest.fixture(scope="session")
def processor() -> SimpleNamespace:
    """A byte-level tokenizer as language models have them, learned from a few sentences."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|end|>", "<|user|>", "<|assistant|>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator([dataset.template for dataset in DATASETS.values()], trainer)
    return SimpleNamespace(
        encode=lambda text: tokenizer.encode(text, add_special_tokens=False).ids,
        decode=lambda ids: tokenizer.decode(ids, skip_special_tokens=True),
        chat=lambda text: f"<|user|>\n{text}<|end|>\n<|assistant|>\n",
        stop_ids=[tokenizer.token_to_id("<|end|>")],
    )


class LmEval:
    """lm-eval's LongBench, as it is installed."""

    folder = Path(find_spec("lm_eval").origin).parent / "tasks" / "longbench"

    def settings(self, name: str) -> dict[str, Any]:
        """A task's YAML file; a function stays the name it goes by."""

        class Loader(yaml.SafeLoader):
            pass

        Loader.add_constructor("!function", lambda loader, node: node.value)
        return yaml.load((self.folder / f"{name}.yaml").read_text(), Loader)

    def prompt(self, name: str, official: dict[str, Any]) -> str:
        """Rendered from a record whose `input` is called `question`, as in lm-eval's copy of the data."""
        from lm_eval.utils import apply_template

        fields = {"question" if field == "input" else field: value for field, value in official.items()}
        return apply_template(self.settings(name)["doc_to_text"], fields)

    def names(self) -> set[str]:
        return {path.stem for path in self.folder.glob("*.yaml") if not path.stem.startswith("_")}

    def metrics(self) -> ModuleType:
        spec = importlib.util.spec_from_file_location("lm_eval_longbench_metrics", self.folder / "metrics.py")
        module = importlib.util.module_from_spec(spec)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # fuzzywuzzy wishes for a library, jieba has old syntax
            spec.loader.exec_module(module)
        return module

    def score(self, name: str, official: dict[str, Any], answer: str) -> float:
        function = self.settings(name)["process_results"].removeprefix("metrics.")
        return getattr(self._metrics, function)(official, [answer])["score"]

    def __init__(self) -> None:
        self._metrics = self.metrics()


@pytest.fixture(scope="session")
def lm_eval() -> LmEval:
    return LmEval()
