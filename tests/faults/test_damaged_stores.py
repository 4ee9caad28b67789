"""A store damaged at random places: a command shows what can be read, or says in a sentence that it can't."""

import random
import shutil
import sqlite3
from contextlib import closing

import pytest

PAGE = 4096
READ = (
    ["ls", "runs"],
    ["ls", "studies"],
    ["show", "2", "--samples"],
    ["compare"],
    ["export", "--what", "samples", "--format", "json"],
)


@pytest.fixture(scope="module")
def whole(shared_lab):
    """The one file of a finished study."""
    assert shared_lab.run("+method=shift").code == 0
    with closing(sqlite3.connect(shared_lab.store)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return shared_lab.store


def garble(content, lot):
    """A page of noise, as a bad disk leaves it."""
    start = PAGE * lot.randrange(1, len(content) // PAGE)
    content[start : start + PAGE] = lot.randbytes(PAGE)


def blank(content, lot):
    """A page of zeros, as a crash of the whole machine leaves it."""
    start = PAGE * lot.randrange(1, len(content) // PAGE)
    content[start : start + PAGE] = bytes(PAGE)


def cut(content, lot):
    """The end is missing, as a copy broken off leaves it."""
    del content[lot.randrange(PAGE, len(content)) :]


@pytest.mark.parametrize("damage", [garble, blank, cut])
@pytest.mark.parametrize("seed", range(4))
def test_damage_is_told_in_a_sentence_and_never_made_worse(lab, whole, damage, seed):
    shutil.copy(whole, lab.store)
    content = bytearray(lab.store.read_bytes())
    damage(content, random.Random(f"{damage.__name__} {seed}"))
    lab.store.write_bytes(content)

    for args in READ:
        ended = lab.harness(*args)
        assert ended.code in (0, 1, 2), args
        if ended.code:
            assert ended.err.startswith("Error: "), ended.err
            assert ended.err.count("\n") == 1
        assert lab.store.read_bytes() == content
