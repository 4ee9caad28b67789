"""What pages show, asked without a browser."""

import re
from io import StringIO

import pandas as pd
import pytest

import harness


def test_the_overview_shows_studies_and_failures_with_reasons(get):
    page = get("/")

    assert 'href="/studies/1"' in page
    assert "No run has failed" not in page
    assert re.search(r"failed</span>.*boom|failed</span>", page)


def test_a_study_shows_what_the_terminal_shows(lab, get):
    page = get("/studies/1")
    terminal = lab.harness("compare", "1").out
    numbers = re.findall(r"\[[-+\d., ]+\]|\d+\.\d ± \d+\.\d", terminal)

    assert numbers
    assert all(number in page for number in numbers)
    assert page.index("identity (baseline)") < page.index(">shift<")


def test_means_in_lists_are_those_of_the_comparison(lab, get):
    page = get("/runs")
    comparison = harness.load_comparison(f"sqlite:///{lab.store}", study=1)
    by_run = dict(zip(comparison["runs"], comparison["right_percent"], strict=True))

    for run, value in by_run.items():
        row = next(line for line in re.findall(r"<tr>.*?</tr>", page, re.S) if f'href="/runs/{run}"' in line)
        assert f"{value:.1f} <small>%" in row


def test_filters_stand_in_the_address(get):
    assert 'href="/runs/2"' in get("/runs?method=shift&status=done&tag=mine&q=by")
    assert "No run is like that" in get("/runs?method=shift&status=failed")
    assert "a day is YYYY-MM-DD" in get("/runs?since=yesterday", 404)
    assert "page is a whole number" in get("/runs?page=-1", 404)


def test_runs_are_sorted_by_what_the_address_says(get):
    def ids(path):
        return [int(one) for one in re.findall(r'name="run" value="(\d+)"', get(path))]

    assert ids("/runs?sort=run") == sorted(ids("/runs"))
    assert ids("/runs?sort=-run") == sorted(ids("/runs"), reverse=True)


def test_a_run_shows_settings_versions_readings_and_samples(get):
    page = get("/runs/2")

    for told in ("method shift", "python", "latency_s", "peak_rss_bytes", "kept 7", "perf_counter_ns"):
        assert told in page


def test_one_sample_shows_every_answer_to_it(get):
    page = get("/studies/1/samples/1/1")

    assert page.count('<tr class="method">') == 3
    assert '<tr class="baseline">' in page


@pytest.mark.parametrize("path", ["/runs/2", "/studies/1/samples/2/99", "/runs?q=%3Cscript%3E", "/runs/%3Cscript%3E"])
def test_what_models_and_addresses_say_is_shown_and_never_obeyed(client, path):
    page = client.get(path).text

    assert "<script>document" not in page
    assert "<img" not in page
    assert '<script>"' not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert len(page) < 300_000


def test_hostile_text_is_there_to_be_read(get):
    page = get("/studies/1/samples/2/99")

    assert "&lt;/script&gt;&lt;script&gt;document.title" in page
    assert r"␛[31m\0⟨U+202E⟩" in page  # the store keeps no NUL
    assert "characters more" in page


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", ""])
def test_other_names_for_this_machine_are_refused(client, host):
    assert client.get("/", headers={"host": host}).status_code == 421


def test_nothing_can_be_written(client):
    for method in ("post", "put", "delete", "patch"):
        assert getattr(client, method)("/runs/1").status_code == 405


@pytest.mark.parametrize("name", ["..%2fapp.py", "../app.py", "%2e%2e/app.py", "app.py", "/etc/passwd", "x"])
def test_no_path_reaches_the_file_system(client, name):
    assert client.get(f"/static/{name}").status_code == 404


def test_a_browser_may_run_our_scripts_alone(client):
    policy = client.get("/").headers["content-security-policy"]

    assert "script-src 'self'" in policy
    assert "unsafe-eval" not in policy
    assert client.get("/static/app.js").headers["x-content-type-options"] == "nosniff"


def test_a_token_is_asked_for_where_one_is_set(lab):
    from starlette.testclient import TestClient

    from harness.store.writer import open_store
    from harness_dashboards.app import make_app

    with open_store(f"sqlite:///{lab.store}") as store:
        with TestClient(make_app(store, token="secret"), base_url="http://10.0.0.1", follow_redirects=False) as client:
            assert client.get("/").status_code == 401
            assert client.get("/?token=wrong").status_code == 401
            entered = client.get("/runs?token=secret&method=shift")
            assert entered.headers["location"].endswith("/runs?method=shift")
            assert "secret" not in entered.headers["location"]
            assert "HttpOnly" in entered.headers["set-cookie"]
            assert client.get("/").status_code == 200


def test_an_empty_store_says_what_to_type(tmp_path):
    from starlette.testclient import TestClient

    from harness.store.writer import open_store
    from harness_dashboards.app import make_app

    url = f"sqlite:///{tmp_path / 'empty.sqlite'}"
    open_store(url, create=True).close()
    with open_store(url) as store, TestClient(make_app(store), base_url="http://localhost") as client:
        for path in ("/", "/studies", "/runs"):
            assert "harness run +method=" in client.get(path).text


def test_pages_keep_answering_while_the_store_is_written(lab, client):
    """A reader neither waits for a writer in the midst of a transaction, nor makes it wait."""
    import time

    from harness.store.writer import open_store

    with open_store(f"sqlite:///{lab.store}", create=True) as store, store.write() as connection:
        connection.exec_driver_sql("UPDATE run SET updated = updated + 0.001")
        started = time.perf_counter()
        assert client.get("/runs").status_code == 200
        assert time.perf_counter() - started < 5


def test_frames_and_pages_tell_the_same_samples(lab, get):
    frame = harness.load_samples(f"sqlite:///{lab.store}", runs=[3])
    page = get("/runs/3")

    assert isinstance(frame, pd.DataFrame)
    assert f"{len(frame)} samples" in page


def test_two_runs_are_shown_sample_by_sample_with_the_flipped_first(get):
    page = get("/runs/1/against/4")
    rows = re.findall(r'<tr class="(flipped[ a-z]*|)">', page)

    assert any(rows)
    assert rows == sorted(rows, reverse=True)
    assert "method.shift.by" in page


def test_the_explorer_counts_what_each_sample_came_to(lab, get):
    frame = harness.load_samples(f"sqlite:///{lab.store}", study=1)
    frame = frame[frame["score.right"].notna()]
    right = frame.groupby("number")["score.right"].sum()
    page = get("/studies/1/samples")

    assert f"only one run right <small>{(right == 1).sum()}</small>" in page
    assert f"all runs right <small>{(right == 4).sum()}</small>" in page
    assert get("/studies/1/samples?show=all").count(" of 4</td>") == (right == 4).sum()
    assert "least is a number" in get("/studies/1/samples?least=x", 404)


def test_runs_picked_by_hand_are_compared_with_the_first(get):
    page = get("/compare?run=1&run=3")

    assert "Run 3 against run 1" in page
    assert page.count('<th scope="row" data-col') == 2
    assert "there is no run 99" in get("/compare?run=1&run=99", 503)
    assert "runs are numbers" in get("/compare?run=1&run=x", 404)


@pytest.mark.parametrize(
    "path",
    [
        "/failures",
        "/studies",
        "/studies/1/comparison",
        "/studies/1/samples",
        "/studies/1/samples/2/1/answers",
        "/runs",
        "/runs/2/samples",
        "/runs/2/settings",
        "/runs/2/readings",
        "/runs/1/against/4/samples",
        "/runs/1/against/4/settings",
        "/techniques",
        "/techniques/shift/results",
        "/techniques/shift/claims",
    ],
)
def test_tables_are_exported(client, path):
    begins = {"csv": "", "md": "##", "tex": "% needs"}
    for form, begin in begins.items():
        answer = client.get(f"{path}.{form}")
        assert answer.status_code == 200
        assert answer.text.startswith(begin)
        assert answer.headers["content-disposition"].endswith(f'.{form}"')
    assert client.get(f"{path}.xls").status_code == 404


def test_exports_hold_what_their_pages_do(client, get):
    flipped = pd.read_csv(StringIO(get("/runs/1/against/4/samples.csv")))
    results = pd.read_csv(StringIO(get("/techniques/shift/results.csv")))
    answers = pd.read_csv(StringIO(get("/studies/1/samples/1/1/answers.csv")))

    assert flipped["change"].abs().tolist() == sorted(flipped["change"].abs(), reverse=True)
    assert len(flipped) == int(re.search(r"of (\d+) rose", get("/runs/1/against/4"))[1])
    assert set(results["study"]) == {1}
    assert results["right_percent"].notna().all()
    assert answers["run"].tolist() == [1, 2, 3, 4]


def test_every_table_of_a_page_can_be_exported(get):
    for path in ("/", "/studies", "/studies/1/samples", "/studies/1/samples/1/1", "/runs", "/runs/1/against/4"):
        page = get(path)
        linked = set(re.findall(r'href="(/[^"]*\.csv[^"]*)" download', page))
        assert len(linked) == page.count("<table")
    for path in ("/techniques", "/techniques/shift"):
        assert re.search(r'href="/techniques[^"]*\.csv" download', get(path))


def test_an_export_is_the_commands(lab, client):
    assert client.get("/studies/1/comparison.csv").text.strip() == lab.harness("export", "1").out.strip()


def test_a_technique_shows_what_it_is_and_what_it_did(get):
    page = get("/techniques/shift")

    assert "method.shift.by" in page
    assert 'href="/studies/1"' in page
    assert "unknown method" in get("/techniques/nothing", 404)


def test_a_readme_brings_no_html_of_its_own_and_no_links_into_the_disk():
    from harness_dashboards.techniques import rendered

    text = rendered(
        "# a\n<script>x</script> [b](../../pyproject.toml) [e](javascript:x) [c](https://c.org) ![d](https://d.org/d.png)"
    )

    assert "<script>" not in text
    assert "pyproject" not in text
    assert '"javascript' not in text
    assert 'href="https://c.org"' in text
    assert "<img" not in text


@pytest.mark.parametrize("words", [[], ["--study", "1"]])
def test_the_static_site_leads_from_page_to_page(lab, tmp_path, words):
    folder = tmp_path / "site"
    assert lab.harness("dashboard", "--export", str(folder), *words).code == 0
    pages = list(folder.rglob("*.html"))
    links = [(page, one) for page in pages for one in re.findall(r' (?:href|src)="([^"#]+)"', page.read_text())]

    assert (folder / "index.html").exists()
    assert len(pages) > 10
    assert all((page.parent / one).exists() for page, one in links if not one.startswith(("http", "data:")))
    assert "form class" not in (folder / "studies" / "1.html").read_text()


def test_a_static_site_needs_a_new_folder(lab, tmp_path):
    (tmp_path / "mine").write_text("keep")

    ended = lab.harness("dashboard", "--export", str(tmp_path))
    assert ended.code == 2
    assert "not empty" in ended.err
    assert (tmp_path / "mine").read_text() == "keep"
