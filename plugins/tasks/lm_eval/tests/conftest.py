import json
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from harness_plugins.models.hf.tokenizer import Tokenizer as Processor

ANIMALS = ("cat", "dog", "red fox", "grey goose", "owl", "old horse", "ant", "bee")
DOCUMENTS = [
    {
        "question": f"Number {number}: which of these is the {ANIMALS[number % 8]}? It lives near number {7 * number}.",
        "choices": [ANIMALS[(number + step) % 8] for step in (0, 1, 3)],
        "gold": number % 3,
        "answer": f"the {ANIMALS[number % 8]}",
        "text": " ".join(
            f"The {ANIMALS[(number * step) % 8]} saw {step} of them." for step in range(1, 4 + 9 * number)
        ),
    }
    for number in range(6)
]
COMMON = """
dataset_path: json
dataset_kwargs:
  data_files:
    test: {folder}/test.jsonl
    train: {folder}/train.jsonl
test_split: test
fewshot_split: train
metadata:
  version: 2.0
"""
TASKS = {
    "toy_choice": """
task: toy_choice
output_type: multiple_choice
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_choice: "{{choices}}"
doc_to_target: gold
metric_list:
  - metric: acc
  - metric: acc_norm
  - metric: acc_mutual_info
  - metric: brier_score
""",
    "toy_likelihood": """
task: toy_likelihood
output_type: loglikelihood
doc_to_text: "{{question}}"
doc_to_target: " {{answer}}"
""",
    "toy_rolling": """
task: toy_rolling
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{text}}"
""",
    "toy_answer": """
task: toy_answer
output_type: generate_until
doc_to_text: "{{question}}\\n"
doc_to_target: "{{answer}}"
generation_kwargs:
  until: ["e", "?"]
  max_gen_toks: 12
metric_list:
  - metric: exact_match
    ignore_case: true
  - metric: bleu
filter_list:
  - name: first-word
    filter:
      - function: regex
        regex_pattern: "(\\\\w+)"
      - function: take_first
  - name: whole
    filter:
      - function: take_first
""",
    "toy_drawn": """
task: toy_drawn
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
generation_kwargs:
  until: ["."]
  do_sample: true
  temperature: 0.7
""",
    "toy_remote": """
task: toy_remote
dataset_path: nobody/such-a-dataset
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
""",
}


@pytest.fixture(scope="session")
def tasks(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("tasks")
    for split, documents in (("test", DOCUMENTS), ("train", [one | {"gold": 1} for one in DOCUMENTS[::-1]])):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in documents))
    for name, text in TASKS.items():
        common = "" if "dataset_path" in text else COMMON.replace("{folder}", str(folder))
        (folder / f"{name}.yaml").write_text(text + common)
    return str(folder)


@pytest.fixture(scope="session", params=["begun", "plain"])
def model(request, tmp_path_factory) -> Path:
    """A folder with a tiny Llama of random weights. Its tokenizer puts a beginning before a text, or does not."""
    folder = tmp_path_factory.mktemp("model")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<s>", "</s>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator([one["text"] + one["question"] for one in DOCUMENTS], trainer)
    named = {"eos_token": "</s>", "model_max_length": 10**30}
    if request.param == "begun":
        named["bos_token"] = "<s>"
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    save_tokenizer(tokenizer, named, folder)
    save_weights(tokenizer.get_vocab_size(), folder)
    return folder


def save_tokenizer(tokenizer, named, folder):
    from transformers import PreTrainedTokenizerFast

    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named).save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tokenizer_class": "PreTrainedTokenizerFast"}))


def save_weights(vocabulary, folder):
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=96,
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(folder)


@pytest.fixture
def processor(model) -> Processor:
    return Processor(str(model))
