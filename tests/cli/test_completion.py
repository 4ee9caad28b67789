"""What Tab offers, and how fast."""

import subprocess
import sys

import pytest

from harness.cli.completion import SCRIPTS, candidates


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("harness comp", ["compare", "completion"]),
        ("harness run +meth", ["+method=", "+method."]),
        ("harness run tas", ["task=", "task."]),
        ("harness run +method=shi", ["+method=shift"]),
        ("harness run +method=failing,shi", ["+method=failing,shift"]),
        ('harness run "+method=[failing,shi', ["+method=[failing,shift"]),
        ("harness run +method=shift method.shift.", ["method.shift.by="]),
        ("harness run +method=shift method.all.b", ["method.all.by="]),
        ("harness run task=counting task.sc", ["task.scoring="]),
        ("harness run task.scoring=o", ["task.scoring=once"]),
        ("harness run model.broken=", ["model.broken=true", "model.broken=false"]),
        ("harness run measure=s", ["measure=standard", "measure=strict"]),
        ("harness validate device=c", ["device=cpu", "device=cuda"]),
        ("harness run measure.war", ["measure.warmups="]),
        ("harness run --dr", ["--dry-run"]),
        ("harness export --format p", ["parquet"]),
        ("harness ls st", ["studies"]),
        ("harness run seed=0 see", []),
        ("harness show 9", []),
        ("harness nonsense x", []),
    ],
)
def test_a_line_is_continued(lab, line, offered):
    assert candidates(line) == offered


def test_runs_and_studies_are_offered_newest_first(lab):
    lab.run("+method=shift", "task.samples=1")

    assert candidates("harness show ") == ["2", "1"]
    assert candidates("harness compare ") == ["1"]
    assert candidates("harness compare 2 ") == ["2", "1"]


BASH = """
source <(echo "$SCRIPT")
harness() { "$PYTHON" -c "from harness.cli.main import main; main()" "$@"; }
compopt() { echo "compopt $*"; }
COMP_LINE="$LINE" COMP_POINT=${#LINE} COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'
_harness_completion
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("line", "replies"),
    [
        ("harness run +method=shi", ["shift"]),
        ("harness run +method=failing,shi", ["failing,shift"]),
        ("harness run task.sc", ["compopt -o nospace", "task.scoring="]),
        ("harness pare", ["pareto"]),
    ],
)
def test_bash_replaces_what_follows_its_last_word_break(lab, line, replies):
    env = {**lab.env, "LINE": line, "SCRIPT": lab.harness("completion", "bash").out, "PYTHON": sys.executable}
    done = subprocess.run(["bash", "-c", BASH], capture_output=True, text=True, env=env, cwd=lab.root)

    assert done.stdout.split("\n")[:-1] == replies, done.stderr


@pytest.mark.parametrize("shell", SCRIPTS)
def test_every_shell_has_a_script_that_asks_the_same(lab, shell):
    assert "harness completion --line" in lab.harness("completion", shell).out


def test_a_shell_there_is_not_is_refused(lab):
    assert lab.harness("completion", "tcsh").code == 2
    assert "name a shell: bash, zsh, fish" in lab.harness("completion").err


def test_nothing_heavy_is_imported_to_complete(lab):
    code = "import sys; from harness.cli.completion import candidates; candidates('harness run +method='); "
    code += "candidates('harness show '); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    heavy = {"torch", "transformers", "lm_eval", "numpy", "pandas", "scipy", "hydra", "omegaconf", "sqlalchemy", "rich"}
    assert not heavy & set(done.stdout.split())
