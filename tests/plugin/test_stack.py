import pytest

from harness.plugin.contracts import Stack
from harness_plugins.kv_cache.streaming_llm.plugin import StreamingLLM
from harness_plugins.kv_cache.xkv.plugin import XKV


def test_members_of_a_stack_ask_together_for_what_is_left_of_what_is_left():
    stack = Stack((StreamingLLM(compression_ratio=0.5), XKV(compression_ratio=0.75)))

    assert stack.nominal() == {"compression_ratio": pytest.approx(0.875)}


def test_a_lone_method_asks_for_its_own():
    assert Stack((XKV(compression_ratio=0.75),)).nominal() == {"compression_ratio": 0.75}
    assert Stack((XKV(rank_k=8, rank_v=9),)).nominal() == {"rank_k": 8, "rank_v": 9}
