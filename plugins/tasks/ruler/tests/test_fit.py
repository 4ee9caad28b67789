import pytest

from harness_plugins.tasks.ruler.fit import largest


@pytest.mark.parametrize("least", [1, 4])
@pytest.mark.parametrize("limit", [40, 41, 99, 1000, 100_000])
@pytest.mark.parametrize("cost", [1, 3, 30, 0.7])
def test_finds_the_last_size_within_the_limit(cost, limit, least):
    def tokens(units: int) -> int:
        return int(10 + cost * units)

    found = largest(tokens, limit, least)

    if tokens(least) > limit:
        assert found is None
    else:
        assert tokens(found) <= limit < tokens(found + 1)


def test_asks_few_sizes_where_costs_are_uneven():
    asked = []

    def tokens(units: int) -> int:
        asked.append(units)
        return 50 + units + sum(1 for unit in range(units) if unit * 7919 % 13 < 4)

    found = largest(tokens, 8192, 1)

    assert tokens(found) <= 8192 < tokens(found + 1)
    assert len(asked) <= 16


def test_never_passes_the_limit_where_counts_go_up_and_down():
    def tokens(units: int) -> int:
        return 5 * units + (units * 7919 % 17)

    found = largest(tokens, 700, 1)

    assert tokens(found) <= 700 < tokens(found + 1)


def test_finds_nothing_where_the_least_is_over():
    assert largest(lambda units: 10 * units, 30, 4) is None


def test_takes_all_there_is_where_all_of_it_fits():
    assert largest(lambda units: 10 * units, 1000, 4, most=37) == 37
    assert largest(lambda units: 10 * units, 1000, 4, most=4) == 4
    assert largest(lambda units: 10 * units, 300, 4, most=37) == 30


def test_never_asks_for_more_than_there_is():
    asked = []

    assert largest(lambda units: asked.append(units) or 10 * units, 1_000_000, 1, most=37) == 37
    assert max(asked) == 37
