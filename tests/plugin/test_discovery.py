import hashlib
import subprocess
import sys

import pytest

from harness.plugin.discovery import found, load
from harness.spec.errors import UsageError
from harness.version import __version__


def names(plugins):
    return [one.name for one in plugins]


def test_lists_built_in_plugins_by_folder_without_importing_them(folder):
    path = folder.built_in("kv_cache/xkv", "raise RuntimeError('imported')")

    (one,) = found([folder.package])

    assert (one.name, one.origin, one.version, one.family) == ("xkv", "built-in", __version__, "kv_cache")
    assert (one.module, one.path) == ("toys_below.kv_cache.xkv.plugin", path)


def test_lists_installed_plugins_without_importing_even_their_package(folder):
    path = folder.installed("far", "toy_far.inner.plugin", "raise RuntimeError('imported')")
    (folder.root / "toy_far/__init__.py").write_text("raise RuntimeError('imported')")

    (one,) = found([])

    assert (one.name, one.origin, one.version, one.module) == ("far", "toy-far", "1.2", "toy_far.inner.plugin")
    assert one.path == path
    assert one.folder == path.parent


def test_leaves_test_folders_out(folder, method):
    folder.built_in("kv_cache/xkv", method("xkv"))
    folder.built_in("kv_cache/xkv/tests/toy", method("toy"))

    assert names(found([folder.package])) == ["xkv"]


def test_the_cores_own_meters_are_found_beside_the_plugins():
    (meters,) = (one for one in found() if one.name == "meters")

    assert (meters.module, meters.origin, meters.family) == ("harness.meters.plugin", "built-in", "")


def test_loads_built_in_and_installed_plugins_alike(folder, method):
    folder.built_in("kv_cache/xkv", method("xkv"))
    folder.built_in("near", method("near"))
    folder.installed("far", "toy_far", method("far"))

    registry = load([folder.package])

    assert registry.names("method") == ["far", "near", "xkv"]
    assert registry.method("xkv")(ratio=0.25).ratio == 0.25
    assert registry.origin_of(registry.method("far")).origin == "toy-far"
    assert registry.failures == []


def test_a_broken_import_is_named_with_its_reason_and_place_and_nothing_else_breaks(folder, method):
    path = folder.built_in("kv_cache/broken", "import this_is_not_there\n")
    folder.built_in("kv_cache/xkv", method("xkv"))

    registry = load([folder.package])

    (failure,) = registry.failures
    assert failure.found.name == "broken"
    assert failure.reason == f"ModuleNotFoundError: No module named 'this_is_not_there' ({path}:1)"
    assert registry.names("method") == ["xkv"]


def test_the_place_of_a_failure_is_in_the_plugin_not_in_the_library_it_calls(folder):
    path = folder.built_in("broken", "import json\n\nvalue = json.loads('{')\n")

    (failure,) = load([folder.package]).failures

    assert failure.reason.startswith("JSONDecodeError: Expecting property name enclosed in double quotes")
    assert failure.reason.endswith(f"({path}:3)")


def test_a_syntax_error_is_named_with_its_line(folder):
    path = folder.built_in("broken", "x = 1\ndef f(:\n")

    (failure,) = load([folder.package]).failures

    assert failure.reason == f"SyntaxError: invalid syntax ({path}:2)"


def test_a_plugin_that_exits_on_import_stops_nothing(folder, method):
    folder.built_in("broken", "raise SystemExit(3)")
    folder.built_in("near", method("near"))

    registry = load([folder.package])

    assert names(failure.found for failure in registry.failures) == ["broken"]
    assert registry.names("method") == ["near"]


def test_an_entry_point_to_nothing_is_a_failure(folder):
    folder.installed("far", "toy_far.plugin", "").unlink()

    (failure,) = load([]).failures

    assert failure.reason == "ModuleNotFoundError: No module named 'toy_far.plugin' (toy_far.plugin)"


def test_a_hook_that_raises_is_a_failure(folder):
    path = folder.built_in(
        "broken",
        "from harness.api import hookimpl\n@hookimpl\ndef harness_tasks():\n    raise ValueError('no tasks today')\n",
    )

    (failure,) = load([folder.package]).failures

    assert failure.reason == f"ValueError: no tasks today ({path}:4)"


def test_a_name_offered_twice_fails_the_second_plugin_naming_both(folder, method):
    folder.built_in("first", method("xkv"))
    folder.built_in("second", method("xkv"))

    registry = load([folder.package])

    (failure,) = registry.failures
    assert failure.found.name == "second"
    assert "method 'xkv' is already offered by first (toys_below.first.plugin); rename one" in failure.reason
    assert registry.origin_of(registry.method("xkv")).name == "first"


def test_a_plugin_counts_whole_or_not_at_all(folder, method):
    folder.built_in("first", method("xkv"))
    other = "\nclass Other(Toy):\n    name = 'other'\n\n@hookimpl\ndef harness_methods():\n    return [Other, Toy]\n"
    folder.built_in("second", method("xkv") + other)

    assert load([folder.package]).names("method") == ["xkv"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("def harness_methods():\n    return []", "harness_methods is not marked @hookimpl"),
        ("@hookimpl\ndef harness_methods():\n    return []", "it offers nothing: no hook of it returns a class"),
        (
            "@hookimpl\ndef harness_methods():\n    pass",
            "harness_methods must return a list of classes, it returned None",
        ),
        (
            "@hookimpl\ndef harness_method():\n    return []",
            "there is no hook harness_method; did you mean harness_methods?",
        ),
        ("@hookimpl(wrapper=True)\ndef harness_methods():\n    yield", "harness_methods can't be a wrapper"),
        ("def harness_run_finished(run):\n    pass", "harness_run_finished is not marked @hookimpl"),
        (
            "@hookimpl\ndef harness_run_finishd(run):\n    pass",
            "there is no hook harness_run_finishd; did you mean harness_run_finished?",
        ),
    ],
)
def test_hooks_written_wrongly_say_so(folder, body, reason):
    folder.built_in("broken", f"from harness.api import hookimpl\n\n{body}\n")

    (failure,) = load([folder.package]).failures

    assert failure.reason.startswith(reason)


def test_an_unknown_name_says_what_is_near_and_what_there_is(folder, method):
    folder.built_in("xkv", method("xkv"))
    folder.built_in("identity", method("identity"))

    registry = load([folder.package])

    with pytest.raises(UsageError) as near:
        registry.method("xvk")
    with pytest.raises(UsageError) as far:
        registry.task("ruler")
    assert str(near.value) == "unknown method 'xvk'; did you mean xkv? Methods: identity, xkv"
    assert str(far.value) == "unknown task 'ruler'. Tasks: none"


def test_asking_for_a_failed_plugin_says_why_it_failed(folder, method):
    path = folder.built_in("kvpress", "import kvpress_is_not_there\n")
    folder.built_in("xkv", method("xkv"))

    registry = load([folder.package])

    reason = f"ModuleNotFoundError: No module named 'kvpress_is_not_there' ({path}:1)"
    with pytest.raises(UsageError) as asked:
        registry.method("kvpress/snapkv")
    with pytest.raises(UsageError) as other:
        registry.method("xvk")
    assert str(asked.value) == f"method 'kvpress/snapkv' can't be used, its plugin failed to load: {reason}"
    assert str(other.value).endswith("Methods: xkv (failed to load: kvpress; `harness ls plugins` says why)")


def test_an_environment_variable_restricts_plugins_by_name(folder, method, monkeypatch):
    for name in ("first", "second", "third"):
        folder.built_in(name, method(name))
    monkeypatch.setenv("HARNESS_PLUGINS", "third, first")

    assert names(found([folder.package])) == ["first", "third"]


def test_a_minus_leaves_a_plugin_out(folder, method, monkeypatch):
    for name in ("first", "second", "third"):
        folder.built_in(name, method(name))

    monkeypatch.setenv("HARNESS_PLUGINS", "-second")
    assert names(found([folder.package])) == ["first", "third"]

    monkeypatch.setenv("HARNESS_PLUGINS", "first,second,-second")
    assert names(found([folder.package])) == ["first"]


def test_the_cores_own_meters_stay_when_plugins_are_restricted(folder, method, monkeypatch):
    folder.built_in("first", method("first"))
    folder.built_in("second", method("second"))
    monkeypatch.setenv("HARNESS_PLUGINS", "first")

    assert names(found([folder.package, "harness.meters"])) == ["first", "meters"]


@pytest.mark.parametrize("word", ["frist", "-frist", "first,-frist"])
def test_restricting_to_a_plugin_that_is_not_there_is_refused(folder, method, monkeypatch, word):
    folder.built_in("first", method("first"))
    monkeypatch.setenv("HARNESS_PLUGINS", word)

    with pytest.raises(UsageError) as error:
        found([folder.package])
    assert str(error.value) == "HARNESS_PLUGINS: unknown plugin 'frist'; did you mean first? Plugins: first"


def test_the_cores_own_meters_can_not_be_left_out(folder, monkeypatch):
    monkeypatch.setenv("HARNESS_PLUGINS", "-meters")

    with pytest.raises(UsageError) as error:
        found([folder.package, "harness.meters"])
    assert str(error.value) == "HARNESS_PLUGINS: meters is the core's own and always stays; remove -meters"


def test_the_code_of_a_plugin_is_its_folder_without_tests(folder, method):
    path = folder.built_in("xkv", "")
    path.write_text(method("xkv"))
    registry = load([folder.package])
    (path.parent / "tests").mkdir()
    (path.parent / "tests/test_plugin.py").write_text("assert True")

    expected = hashlib.sha256(b"plugin.py\0" + path.read_bytes() + b"\0").hexdigest()
    assert registry.code_of(registry.method("xkv")) == expected


def test_the_code_of_a_plugin_of_one_file_is_that_file(folder, method):
    path = folder.installed("far", "toy_far", method("far"))
    registry = load([])

    assert registry.origin_of(registry.method("far")).folder is None
    assert registry.code_of(registry.method("far")) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_plugin_may_ship_presets(folder, method):
    path = folder.built_in("xkv", method("xkv"))
    (path.parent / "conf").mkdir()

    (one,) = found([folder.package])

    assert one.presets == path.parent / "conf"


def test_finding_and_loading_need_only_the_standard_library_and_pluggy():
    code = (
        "import sys; from harness.plugin.discovery import found; found()\n"
        "given = {name.split('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)\n"
        "print(sorted(name for name in given if not name.startswith(('_', 'harness'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "['pluggy']"
