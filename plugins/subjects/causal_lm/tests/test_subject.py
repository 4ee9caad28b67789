from contextlib import contextmanager

import pytest
import torch
from transformers import DynamicCache

from harness.plugin.contracts import Stack
from harness_plugins.subjects.causal_lm.plugin import LastQueries
from harness_plugins.subjects.causal_lm.subject import LoadedCausalLM
from harness_plugins.subjects.causal_lm.toy import make, model
from harness_plugins.subjects.causal_lm.weights import attention_weights


def bare(reference, request):
    """Greedy decoding by transformers alone: context, question, then token by token."""
    cache, tokens = DynamicCache(), []
    with torch.inference_mode():
        output = reference(input_ids=torch.tensor([request["context"]]), **word(reference, cache))
        if request["question"]:
            output = reference(input_ids=torch.tensor([request["question"]]), **word(reference, cache))
        for _ in range(request["new_tokens"]):
            tokens.append(int(output.logits[0, -1].argmax()))
            output = reference(input_ids=torch.tensor([tokens[-1:]]), **word(reference, cache))
    return tokens


def word(reference, cache):
    import inspect

    name = "cache" if "cache" in inspect.signature(reference.forward).parameters else "past_key_values"
    return {name: cache, "use_cache": True, "logits_to_keep": 1}


class Arm:
    def __init__(self, act=None):
        self.stack, self.act, self.failed, self.error = Stack(()), act, False, None

    @contextmanager
    def apply(self, subject):
        try:
            if self.act is None:
                yield
            else:
                with subject.at("after_prefill", self.act):
                    yield
        except RuntimeError as error:
            self.failed, self.error = True, error


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("question", [0, 1, 5])
def test_answers_what_transformers_answers_on_its_own(attention, question):
    toy = make(question=question)
    subject = LoadedCausalLM(model(), attention)
    reference = model()
    reference.set_attn_implementation(attention)

    assert subject.respond(toy.request, frozenset()).output["tokens"] == bare(reference.eval(), toy.request)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_logits_equal_those_of_transformers_bit_for_bit(attention):
    toy = make()
    subject, reference = LoadedCausalLM(model(), attention), model().eval()
    reference.set_attn_implementation(attention)
    cache = DynamicCache()
    with torch.inference_mode():
        expected = reference(input_ids=torch.tensor([toy.request["context"]]), **word(reference, cache)).logits[0, -1]
        second = reference(input_ids=torch.tensor([toy.request["question"]]), **word(reference, cache)).logits[0, -1]

        branch = subject.prefill(toy.request, frozenset())
        assert torch.equal(branch.logits, expected)
        assert torch.equal(subject.feed([branch.cache], [toy.request["question"]])[0], second)


def test_arms_that_share_a_prefill_answer_as_they_do_alone():
    toy = make()
    alone = toy.subject.respond(toy.request, frozenset())

    together = [response for _, response in toy.subject.answer(toy.request, [Arm() for _ in range(5)])]

    assert [response.output for response in together] == [alone.output] * 5


def test_an_arm_does_not_see_what_another_did_to_its_cache():
    toy = make()
    alone = toy.subject.respond(toy.request, frozenset()).output

    def wipe(cache):
        for layer in cache.layers:
            layer.keep(torch.tensor([0, 1]))

    first, wiped, last = Arm(), Arm(wipe), Arm()
    answers = dict(toy.subject.answer(toy.request, [first, wiped, last]))

    assert answers[first].output == answers[last].output == alone
    assert answers[wiped].observed["kept"] == 2
    assert answers[wiped].output != alone


def test_an_arm_that_raises_fails_alone():
    toy = make()

    def explode(cache):
        raise RuntimeError("planted")

    good, bad = Arm(), Arm(explode)
    answers = dict(toy.subject.answer(toy.request, [bad, good]))

    assert list(answers) == [good]
    assert bad.failed


def test_an_arm_whose_storage_raises_while_decoding_fails_alone():
    toy = make()

    class Broken:
        length, positions = 3, None

        def reserve(self, tokens): ...
        def make_room(self, tokens): ...
        def attended(self, queries): ...
        def append(self, keys, values, positions):
            raise RuntimeError("planted")

        def read(self):
            raise RuntimeError("planted")

        def tensors(self):
            return []

    def sabotage(cache):
        cache.layers[0].storage = Broken()

    good, bad = Arm(), Arm(sabotage)
    answers = dict(toy.subject.answer(toy.request, [bad, good]))

    assert list(answers) == [good]
    assert str(bad.error) == "planted"


def test_resident_bytes_are_those_of_the_model_s_own_cache():
    toy = make(context=96)
    observed = toy.subject.respond(toy.request, frozenset()).observed

    # 4 layers, keys and values, 2 heads, 96 tokens, 8 numbers of 4 bytes
    assert observed["full_bytes"] == observed["resident_bytes"] == 4 * 2 * 2 * 96 * 8 * 4
    # and room for 5 tokens of the question and 6 new ones
    assert observed["end_resident_bytes"] == 4 * 2 * 2 * (96 + 5 + 6) * 8 * 4


def test_stops_at_a_stop_token_and_leaves_it_out():
    toy = make()
    free = toy.subject.respond(toy.request, frozenset()).output["tokens"]
    stopped = toy.subject.respond(toy.request | {"stop": [free[2]]}, frozenset()).output["tokens"]

    assert stopped == free[: free.index(free[2])]


def test_halts_at_a_token_that_it_keeps():
    toy = make()
    free = toy.subject.respond(toy.request, frozenset()).output["tokens"]
    halted = toy.subject.respond(toy.request | {"halt": [free[2]]}, frozenset()).output["tokens"]

    assert halted == free[: free.index(free[2]) + 1]


def test_keys_are_unrotated_to_what_the_projection_gave():
    toy = make()
    seen = []
    projection = toy.subject.attentions[0].k_proj
    hook = projection.register_forward_hook(lambda module, given, output: seen.append(output))
    with torch.inference_mode():
        branch = toy.subject.prefill(toy.request, frozenset())
    hook.remove()
    expected = seen[0][0].view(96, 2, 8).transpose(0, 1)

    assert torch.allclose(branch.cache.layers[0].unrotated_keys(), expected, atol=1e-5)


def test_what_is_needed_is_taken_of_each_layer_once_and_forgotten_before_decoding():
    toy, seen = make(), []
    asked = [LastQueries(3), LastQueries(8)]

    def look(cache):
        seen.extend((layer.queries(3), layer.queries(8)) for layer in cache.layers)
        seen.append(cache)

    with toy.subject.at("after_prefill", look):
        toy.subject.respond(toy.request, frozenset(asked))
    *layers, cache = seen

    assert [(few.shape, many.shape) for few, many in layers] == [((4, 3, 8), (4, 8, 8))] * 4
    assert all(torch.equal(few, many[:, -3:]) for few, many in layers)
    with pytest.raises(KeyError):
        cache.layers[0].queries(3)


def test_weights_computed_again_are_those_of_eager_attention():
    toy, reference = make(), model().eval()
    reference.set_attn_implementation("eager")
    with torch.inference_mode():
        ids = torch.tensor([toy.request["context"]])
        expected = reference(input_ids=ids, output_attentions=True).attentions
        branch = toy.subject.prefill(toy.request, frozenset({LastQueries(96)}))
        for layer, whole in zip(branch.cache.layers, expected, strict=True):
            found = attention_weights(layer.queries(96)[:, -20:], layer.keys, layer.scaling)
            assert torch.allclose(found.flatten(0, 1), whole[0, :, -20:], atol=1e-6)


def test_an_average_rotation_is_the_mean_of_rotations():
    rotation = make().subject.rotation
    rows = torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(0))
    one_by_one = [rotation.do(rows, torch.full((3,), position)) for position in range(90, 130)]

    assert torch.allclose(rotation.average(rows, range(90, 130)), torch.stack(one_by_one).mean(0), atol=1e-5)


def test_evicting_rows_equals_masking_them():
    toy = make(question=1, new_tokens=1)
    rows = torch.tensor([0, 3, 4, 50, 90, 95])
    with torch.inference_mode():
        branch = toy.subject.prefill(toy.request, frozenset())
        for layer in branch.cache.layers:
            layer.keep(rows)
        evicted = toy.subject.feed([branch.cache], [toy.request["question"]])[0]

        reference = model().eval()
        cache = DynamicCache()
        reference(input_ids=torch.tensor([toy.request["context"]]), **word(reference, cache))
        mask = torch.full((1, 1, 1, 97), torch.finfo(torch.float32).min)
        mask[..., [*rows.tolist(), 96]] = 0
        masked = reference(
            input_ids=torch.tensor([toy.request["question"]]),
            position_ids=torch.tensor([[96]]),
            attention_mask=mask,
            **word(reference, cache),
        ).logits[0, -1]

    assert torch.allclose(evicted, masked, atol=1e-5)


def test_durations_follow_the_definitions_of_ttft_and_tpot():
    toy = make()
    marks = [("prefill", 1_000), ("compress", 1_500), ("token", 3_000), ("token", 4_000), ("token", 6_000)]
    readings = {one.metric: one.value for one in toy.subject.durations(0, marks, 7_000)}

    assert readings == pytest.approx(
        {"latency_s": 7e-6, "ttft_s": 3e-6, "prefill_s": 1e-6, "compress_s": 5e-7, "tpot_s": 1.5e-6}
    )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_answers_on_a_gpu_what_transformers_answers_there():
    toy = make()
    subject, reference = LoadedCausalLM(model().cuda(), "sdpa"), model().cuda().eval()
    cache = DynamicCache()
    with torch.inference_mode():
        ids = torch.tensor([toy.request["context"]], device="cuda")
        expected = reference(input_ids=ids, **word(reference, cache)).logits[0, -1]
        assert torch.equal(subject.prefill(toy.request, frozenset()).logits, expected)
