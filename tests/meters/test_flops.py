import inspect

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

from harness.meters.flops import Flops, attention_backward_flops, formulas

HIDDEN, INNER, LAYERS, HEADS, KEY_HEADS, VOCABULARY = 64, 128, 2, 4, 2, 100
SIZE = HIDDEN // HEADS


def llama(attention):
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=HIDDEN,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KEY_HEADS,
        vocab_size=VOCABULARY,
        attn_implementation=attention,
    )
    return LlamaForCausalLM(config).eval()


def by_hand(tokens, keys):
    """FLOPs of one forward pass of `llama`: `tokens` new tokens attending to `keys` each, logits of the last."""
    projections = 2 * tokens * HIDDEN * SIZE * (2 * HEADS + 2 * KEY_HEADS)
    attention = 2 * 2 * tokens * keys * HEADS * SIZE
    gated = 3 * 2 * tokens * HIDDEN * INNER
    return LAYERS * (projections + attention + gated) + 2 * HIDDEN * VOCABULARY


@torch.inference_mode()
def generate(model, mark):
    """Prefills 128 tokens, decodes one."""
    word = "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"
    kept = {word: DynamicCache(config=model.config), "use_cache": True}
    prompt = torch.arange(128)[None] % VOCABULARY
    model(prompt, logits_to_keep=1, **kept)
    mark("prefill")
    model(prompt[:, :1], **kept)
    mark("decode")


def count(workload, measure, act):
    (reading,) = Flops().read(workload(act), measure())
    return reading


def phases(workload, measure, attention):
    model, work = llama(attention), workload(lambda: None)
    work.subject.act = lambda: generate(model, work.subject.mark)
    (reading,) = Flops().read(work, measure())
    assert reading.value == sum(reading.detail["phases"].values())
    return reading


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_a_llama_with_grouped_heads_is_counted_as_by_hand(workload, measure, attention):
    reading = phases(workload, measure, attention)

    # Some versions of transformers rotate with a product, half a head of frequencies times the positions.
    assert by_hand(128, 128) == 27_275_776
    assert reading.detail["phases"]["prefill"] in (by_hand(128, 128), by_hand(128, 128) + 128 * SIZE)
    assert reading.detail["phases"]["decode"] in (by_hand(1, 129), by_hand(1, 129) + SIZE)


def test_the_fused_kernel_counts_what_eager_attention_counts(workload, measure):
    fused, eager = phases(workload, measure, "sdpa"), phases(workload, measure, "eager")

    assert "aten._scaled_dot_product_flash_attention_for_cpu" in fused.detail["counted"]
    assert "aten.bmm" in eager.detail["counted"]
    assert fused.value == eager.value
    assert fused.detail["phases"] == eager.detail["phases"]


def test_operators_without_a_formula_are_listed_and_movement_is_not(workload, measure):
    fused, eager = phases(workload, measure, "sdpa"), phases(workload, measure, "eager")

    assert fused.detail["uncounted"] == {"aten.mean": 10}
    assert eager.detail["uncounted"] == {"aten.mean": 10, "aten._softmax": 4}


def test_a_product_costs_two_flops_for_each_multiplication(workload, measure):
    left, right = torch.ones(3, 5), torch.ones(5, 7)

    reading = count(workload, measure, lambda: left @ right)

    assert (reading.value, reading.unit) == (2.0 * 3 * 5 * 7, "FLOP")


@pytest.mark.parametrize("grouped", [False, True])
def test_grouped_heads_cost_what_as_many_whole_heads_cost(workload, measure, grouped):
    query = torch.ones(2, 8, 16, 32)
    key = torch.ones(2, 2 if grouped else 8, 24, 32)

    reading = count(workload, measure, lambda: scaled_dot_product_attention(query, key, key, enable_gqa=grouped))

    assert reading.value == 2 * 2 * (2 * 8 * 16 * 24 * 32)


def test_causal_attention_counts_the_full_square(workload, measure):
    query = torch.ones(1, 1, 64, 16)

    causal = count(workload, measure, lambda: scaled_dot_product_attention(query, query, query, is_causal=True))

    assert causal.value == 2 * 2 * 64 * 64 * 16


def test_training_counts_five_products_backward_for_two_forward(workload, measure):
    query = torch.ones(1, 2, 64, 16, requires_grad=True)

    reading = count(workload, measure, lambda: scaled_dot_product_attention(query, query, query).sum().backward())

    forward = 2 * 2 * (2 * 64 * 64 * 16)
    assert reading.value == forward + 2.5 * forward
    assert attention_backward_flops(query.shape, query.shape, query.shape, query.shape) == 2.5 * forward


@pytest.mark.parametrize(
    ("act", "flops"),
    [
        (lambda: torch.ones(3, 5) @ torch.ones(5), 2 * 3 * 5),
        (lambda: torch.ones(5) @ torch.ones(5), 2 * 5),
        (lambda: torch.addmv(torch.ones(3), torch.ones(3, 5), torch.ones(5)), 2 * 3 * 5),
        (lambda: torch.addbmm(torch.ones(3, 7), torch.ones(2, 3, 5), torch.ones(2, 5, 7)), 2 * 2 * 3 * 5 * 7),
        (lambda: torch.ones(3, 7).addmm_(torch.ones(3, 5), torch.ones(5, 7)), 2 * 3 * 5 * 7),
        (lambda: torch._int_mm(torch.ones(32, 8).char(), torch.ones(8, 16).char()), 2 * 32 * 8 * 16),
        (
            lambda: torch.nn.functional.conv2d(torch.ones(1, 4, 8, 8), torch.ones(6, 2, 3, 3), groups=2),
            2 * 6 * 6 * 6 * 2 * 9,
        ),
    ],
    ids=["mv", "dot", "addmv", "addbmm", "addmm_", "int_mm", "grouped convolution"],
)
def test_products_that_torchs_counter_misses_are_counted(workload, measure, act, flops):
    reading = count(workload, measure, act)

    assert reading.value == flops
    assert reading.detail["uncounted"] == {}


def test_experts_cost_one_product_for_each_row(workload, measure):
    rows, weights = torch.ones(32, 16, dtype=torch.bfloat16), torch.ones(4, 16, 8, dtype=torch.bfloat16)
    ends = torch.tensor([8, 8, 24, 32], dtype=torch.int32)

    reading = count(workload, measure, lambda: torch._grouped_mm(rows, weights, offs=ends))

    assert reading.value == 2 * 32 * 16 * 8


def test_every_fused_attention_of_this_torch_has_a_formula():
    from torch.utils.flop_counter import flop_registry

    known = {str(operator) for operator in {**flop_registry, **formulas()}}
    schemas = {schema.name.replace("::", ".") for schema in torch._C._jit_get_all_schemas()}
    fused = {name for name in schemas if name.startswith("aten._scaled_dot_product_") and "_math" not in name}

    assert "aten._scaled_dot_product_flash_attention_for_cpu" in fused
    assert fused <= known


def test_a_decomposition_of_a_matrix_is_listed_by_name(workload, measure):
    square = torch.eye(8)

    reading = count(workload, measure, lambda: torch.linalg.eigh(square @ square))

    assert reading.detail["uncounted"] == {"aten._linalg_eigh": 1}


def test_work_after_the_last_mark_is_kept_apart(workload, measure):
    work = workload(lambda: torch.ones(2, 2) @ torch.ones(2, 2))
    respond = work.execute

    def respond_and_go_on(request):
        response = respond(request)
        torch.ones(3, 3) @ torch.ones(3, 3)
        return response

    work.execute = respond_and_go_on

    (reading,) = Flops().read(work, measure())

    assert reading.detail["phases"] == {"begin": 0, "end": 16, "rest": 54}


def test_a_compiled_model_is_counted_uncompiled(workload, measure):
    left = torch.ones(3, 5)
    compiled = torch.compile(lambda right: left @ right, backend="eager")
    compiled(torch.ones(5, 7))

    assert count(workload, measure, lambda: compiled(torch.ones(5, 7))).value == 2 * 3 * 5 * 7


def test_a_subject_that_uses_no_torch_has_no_count_rather_than_none(workload, measure):
    reading = count(workload, measure, lambda: sum(range(1000)))

    assert reading.value is None
    assert reading.reason == "no operator with a formula ran in torch"


def test_the_marker_is_put_back_after_an_exception(workload, measure):
    def fail():
        raise ZeroDivisionError

    work = workload(fail)
    marker = work.subject.marker = lambda phase: None

    with pytest.raises(ZeroDivisionError):
        Flops().read(work, measure())

    assert work.subject.marker is marker
