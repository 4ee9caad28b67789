"""What `harness plugin new` writes works as it is, and `harness plugin check` finds what is then broken."""

import subprocess
import sys

import pytest

from harness.plugin.new import families

NAMES = {
    "exporter": "line-log",
    "kv-cache": "middle-out",
    "meter": "processor-time",
    "subject": "vector-search",
    "task": "code-recall",
}


@pytest.fixture
def write(lab, monkeypatch):
    """A project as the command writes it."""
    monkeypatch.delenv("HARNESS_PLUGINS")
    monkeypatch.chdir(lab.root)

    def write(family):
        ended = lab.harness("plugin", "new", NAMES[family], "--family", family)
        assert ended.code == 0, ended.err
        return lab.root / NAMES[family]

    return write


@pytest.fixture
def check(lab):
    """`harness plugin check` as a process of its own: what it imports is forgotten."""

    def check(place):
        started = lab.start("plugin", "check", str(place), HARNESS_PLUGINS="")
        out, err = started.communicate(timeout=200)
        return started.returncode, out, err

    return check


def test_every_family_is_tried_here():
    assert families() == sorted(NAMES)


@pytest.mark.parametrize("family", NAMES)
def test_a_new_package_passes_its_own_tests(write, family):
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=write(family), capture_output=True, text=True)

    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout


@pytest.mark.parametrize(("family", "promises"), [("exporter", 2), ("subject", 22)])
def test_a_new_package_keeps_every_promise(write, check, family, promises):
    code, out, err = check(write(family))

    assert code == 0, out + err
    assert out.splitlines()[-1] == f"{promises} of {promises} promises kept, 0 broken, 0 not applicable."


def test_the_names_follow_the_one_given(write):
    project = write("kv-cache")

    assert 'name = "middle-out"' in (project / "pyproject.toml").read_text()
    assert 'middle_out = "middle_out.plugin"' in (project / "pyproject.toml").read_text()
    assert "class MiddleOut(Evictor):" in (project / "middle_out/plugin.py").read_text()
    assert sorted(path.name for path in (project / "middle_out").iterdir()) == [
        "README.md",
        "__init__.py",
        "algorithm.py",
        "claims.yaml",
        "plugin.py",
        "tests",
    ]


def test_what_to_do_next_is_said(lab, write):
    ended = lab.harness("plugin", "new", "own-search", "--family", "subject")

    assert "wrote own-search/own_search/plugin.py" in ended.out
    assert "cd own-search && pip install -e ." in ended.out
    assert "harness run +method=own_search_truncation task=own_search_recall model=own_search" in ended.out


@pytest.mark.parametrize(
    ("name", "family", "message"),
    [
        ("thing", "kv-cahe", "no family 'kv-cahe'; did you mean kv-cache? (families: exporter, kv-cache, meter"),
        ("Thing", "task", "a name is lower-case words joined by - or _, such as middle-out; got 'Thing'"),
        ("../thing", "task", "a name is lower-case words joined by - or _, such as middle-out; got '../thing'"),
        ("class", "task", "'class' is a word of Python; choose another name"),
        ("json", "task", "there is a Python module json already; choose another name"),
        ("xkv", "kv-cache", "there is a plugin xkv already; `harness plugin ls` shows it; choose another name"),
        ("taken", "task", "exists; choose another name, or remove it"),
    ],
)
def test_what_can_not_be_written_is_refused(lab, write, name, family, message):
    (lab.root / "taken").mkdir()
    before = sorted(lab.root.rglob("*"))

    ended = lab.harness("plugin", "new", name, "--family", family)

    assert ended.code == 2
    assert message in ended.err
    assert sorted(lab.root.rglob("*")) == before


BROKEN = {
    "plugin.py": {
        "            evidence.record(dimensions=dimensions)\n": (
            "",
            "leaves every sample with its evidence: its traits declare dimensions, which it did not record",
        ),
        "record(dimensions=dimensions)": (
            "record(dimensions=dimensions + 1)",
            "leaves every sample with its evidence: dimensions: 5, subject saw 4",
        ),
        "            self.actions.remove(action)": (
            "            pass",
            "takes back what acts at a seam: the subject's state differs afterwards",
        ),
        'neutral = {"kept": 1.0}': (
            'neutral = {"kept": 0.1}',
            "changes nothing at its neutral setting: at {'kept': 0.1} it changes the answer",
        ),
        'return {"vectors": self.vectors,': (
            'return {"vectors": self,',
            "loads a subject of its kind: facts() gave no plain data",
        ),
        'return {"neighbours": str(self.k),': (
            'return {"neighbours": self,',
            "describes itself in plain data: describe()",
        ),
        '[Score("recall", ': ('[Score("recal", ', "scores as it declares: scored ['recal'], declared ['recall']"),
        "from contextlib import": (
            "import numpy\nfrom contextlib import",
            "imports nothing heavy: importing it imports numpy",
        ),
        "@hookimpl\ndef harness_models": ("def harness_models", "loads: harness_models is not marked @hookimpl"),
    },
    "samples.py": {
        "default_rng([self.seed, number])": (
            "default_rng([self.seed, self.count, number])",
            "makes the same samples when more are asked for: with samples=200 in place of 100, which is not hashed",
        ),
        "[float(one) for one in query]": (
            "query",
            "asks in plain data: request of sample 0 is not what JSON gives back",
        ),
        "np.random.default_rng([self.seed, number])": (
            "np.random.default_rng()",
            "makes a sample from seed and number alone: sample 2 came out otherwise a second time",
        ),
    },
}
CASES = [(file, old, new, why) for file, edits in BROKEN.items() for old, (new, why) in edits.items()]


@pytest.mark.parametrize(("file", "old", "new", "why"), CASES, ids=[case[3].partition(":")[0] for case in CASES])
def test_a_promise_that_is_broken_is_found_and_explained(write, check, file, old, new, why):
    project = write("subject")
    path = project / "vector_search" / file
    source = path.read_text()
    assert old in source
    path.write_text(source.replace(old, new))

    code, out, err = check(project)

    assert code == 1
    assert f"  FAIL  {why}" in out
    assert "Traceback" not in out + err
    assert err.splitlines()[-1].startswith(f"Error: {project} breaks ")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("empty", 'is no plugin: pyproject.toml there must have [project.entry-points."harness.plugins"]'),
        ("no/where", "no folder at no/where"),
        ("shfit", "unknown plugin 'shfit'"),
    ],
)
def test_what_is_no_plugin_is_a_mistake_of_usage(lab, monkeypatch, place, message):
    monkeypatch.chdir(lab.root)
    (lab.root / "empty").mkdir()

    ended = lab.harness("plugin", "check", place)

    assert ended.code == 2
    assert message in ended.err


def test_a_plugin_that_fails_to_load_is_listed_with_where_from_and_why(lab, monkeypatch):
    place = lab.root / "site/toy_broken-3.1.dist-info"
    place.mkdir(parents=True)
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-broken\nVersion: 3.1\n")
    (place / "entry_points.txt").write_text("[harness.plugins]\nbroken = toy_broken\n")
    (lab.root / "site/toy_broken.py").write_text("import nowhere_to_be_found\n")
    monkeypatch.syspath_prepend(str(lab.root / "site"))
    monkeypatch.setenv("HARNESS_PLUGINS", "identity,broken")

    ended = lab.harness("plugin", "ls")

    assert ended.code == 0
    listed, _, failed = ended.out.partition("Failed to load:")
    assert "identity" in listed
    assert "built-in" in listed
    (line,) = [line for line in failed.splitlines() if line.startswith("broken")]
    assert "entry point of toy-broken" in line
    assert "3.1" in line
    assert "ModuleNotFoundError: No module named 'nowhere_to_be_found'" in line
    assert "Left out by HARNESS_PLUGINS=identity,broken: " in failed
    assert "xkv" in failed.rpartition("Left out")[2]
