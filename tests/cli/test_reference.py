"""docs/cli.md says what the commands say of themselves."""

import re
from pathlib import Path

import click

import harness
from harness.cli.main import COMMANDS, cli
from harness.cli.reference import MARK, reference

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
CORE = Path(harness.__file__).parent


def test_the_page_has_every_commands_help_word_for_word():
    _, mark, written = PAGE.read_text().partition(MARK)

    assert mark + written == reference(), "docs/cli.md is behind: make docs writes it anew"


def test_every_command_is_explained_with_each_of_its_options():
    text = reference()

    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert f"\n## harness {name}\n" in text
        for one in command.params:
            if isinstance(one, click.Option) and not one.hidden:
                assert one.opts[0] in text


def test_every_variable_of_the_environment_is_on_the_page():
    source = "\n".join(path.read_text() for path in CORE.rglob("*.py"))
    variables = set(re.findall(r"\bHARNESS_[A-Z]+\b", source))

    assert variables >= {"HARNESS_STORE", "HARNESS_CACHE", "HARNESS_PLUGINS"}
    assert variables <= set(re.findall(r"`(HARNESS_[A-Z]+)`", PAGE.read_text()))
