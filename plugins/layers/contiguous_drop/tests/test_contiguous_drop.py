from harness.testing import contract
from harness_plugins.layers.contiguous_drop.plugin import ContiguousDrop

test_contract = contract(ContiguousDrop(), ContiguousDrop(where="top", skip_prefill=True))


def dropped(blocks, **settings):
    return sorted(set(range(blocks)) - ContiguousDrop(**settings).kept(blocks, None))


def test_neighbours_are_dropped_in_the_middle_or_up_to_the_last():
    assert dropped(30, target_speedup=2) == list(range(7, 22))
    assert dropped(30, target_speedup=2, where="top") == list(range(14, 29))
    assert dropped(30, target_speedup=15) == list(range(1, 29))
    assert dropped(30, target_speedup=1) == []
