from __future__ import annotations

import pytest

from harness.spec.errors import StoreError
from harness.store.connect import Place, connect, store_url


def test_a_store_lies_in_results_by_default(monkeypatch):
    monkeypatch.delenv("HARNESS_STORE", raising=False)

    assert store_url(None) == "sqlite:///results/harness.sqlite"


def test_a_setting_comes_before_the_environment_variable(monkeypatch):
    monkeypatch.setenv("HARNESS_STORE", "/there/store.sqlite")

    assert store_url("here.sqlite") == "sqlite:///here.sqlite"
    assert store_url(None) == "sqlite:////there/store.sqlite"


def test_an_empty_environment_variable_says_nothing(monkeypatch):
    monkeypatch.setenv("HARNESS_STORE", "")

    assert store_url(None) == "sqlite:///results/harness.sqlite"


def test_a_home_folder_is_expanded(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")

    assert store_url("~/store.sqlite") == "sqlite:////home/ada/store.sqlite"


def test_a_url_stays_as_given():
    assert store_url("postgresql://ada@server/harness") == "postgresql://ada@server/harness"


def test_a_relative_path_is_resolved_once(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    assert Place.parse("sqlite:///results/harness.sqlite").path == tmp_path / "results" / "harness.sqlite"


@pytest.mark.parametrize(
    "url",
    ["harness.sqlite", "mysql://server/x", "sqlite://", "sqlite:///:memory:", "sqlite://results/x", "sqlite:///file:x"],
)
def test_what_is_no_store_is_refused_with_what_would_be(url):
    with pytest.raises(StoreError, match="sqlite:///path/to/file"):
        Place.parse(url)


def test_a_password_is_never_shown():
    assert "secret" not in str(Place.parse("postgresql://ada:secret@server/harness"))


def test_a_missing_driver_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pg8000", None)

    with pytest.raises(StoreError, match="pip install pg8000"):
        connect(Place.parse("postgresql+pg8000://ada@server/harness"), "rw")


def test_an_unknown_driver_is_refused():
    with pytest.raises(StoreError, match=r"correct store\.url"):
        connect(Place.parse("postgresql+nonesuch://ada@server/harness"), "rw")
