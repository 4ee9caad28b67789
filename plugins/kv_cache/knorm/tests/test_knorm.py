import torch

from harness.testing import contract
from harness_plugins.kv_cache.knorm.algorithm import scores
from harness_plugins.kv_cache.knorm.plugin import KNorm

test_contract = contract(KNorm(), KNorm(compression_ratio=0.9))


def test_the_smallest_key_scores_highest():
    keys = torch.tensor([3.0, -1.0, 2.0]).reshape(1, 3, 1)

    assert scores(keys).tolist() == [[-3.0, -1.0, -2.0]]


def test_keeps_at_least_one_token_and_rounds_as_paper_and_pencil():
    assert KNorm(compression_ratio=0.9).kept(10) == 1
    assert KNorm(compression_ratio=0.9).kept(1000) == 100
    assert KNorm(compression_ratio=0.99).kept(3) == 1
