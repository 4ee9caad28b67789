"""The pages in a real browser: headless Chromium, where there is one.

Playwright's own is used, else the one that HARNESS_TEST_CHROMIUM names, else `chromium` of the system. Accessibility
is checked with axe-core 4.14.1 (axe.min.js, MPL-2.0), by its rules for WCAG 2.2 A and AA.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path

import pytest
import uvicorn

from harness.store.owners import owner
from harness.store.records import MemberRecord, RunRecord, SampleRecord
from harness.store.writer import open_store
from harness_dashboards.app import make_app

playwright_api = pytest.importorskip("playwright.sync_api")
AXE = (Path(__file__).parent / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PAGES = {
    "overview": "/",
    "studies": "/studies",
    "study": "/studies/1",
    "samples": "/studies/1/samples",
    "sample": "/studies/1/samples/1/1",
    "runs": "/runs",
    "run": "/runs/2",
    "against": "/runs/1/against/4",
    "compare": "/compare?run=1&run=4",
    "techniques": "/techniques",
    "technique": "/techniques/shift",
    "nothing": "/runs?q=nothing-is-called-this",
    "missing": "/runs/999",
}


@pytest.fixture(scope="module")
def browser():
    with playwright_api.sync_playwright() as playwright:
        yield launched(playwright)


def launched(playwright):
    named = os.environ.get("HARNESS_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    own = Path(playwright.chromium.executable_path)
    if not (own.exists() or named):
        pytest.skip("there is no browser: playwright install chromium, or apt install chromium")
    path = None if own.exists() and "HARNESS_TEST_CHROMIUM" not in os.environ else named
    return playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])


@pytest.fixture(scope="module")
def base(lab):
    """The address of a server over the lab's store."""
    with open_store(f"sqlite:///{lab.store}") as store:
        app = make_app(store)
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.05)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        server.should_exit = True
        thread.join()
        app.state.site.comparisons.close()


@pytest.fixture
def page(browser, base):
    """A page that fails its test when a script fails, is refused, or anything elsewhere is asked for."""
    context = browser.new_context(base_url=base, viewport={"width": 1280, "height": 900}, accept_downloads=True)
    opened, troubles = context.new_page(), []
    opened.set_default_timeout(60_000)
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
    opened.on("dialog", lambda dialog: troubles.append(f"a dialog: {dialog.message}"))
    opened.on("request", lambda one: None if one.url.startswith((base, "data:", "blob:")) else troubles.append(one.url))
    yield opened
    context.close()
    assert [one for one in troubles if "status of 404" not in one] == []


def opened(page, path):
    page.goto(path)
    playwright_api.expect(page.locator("[data-waiting]")).to_have_count(0, timeout=60_000)
    if page.locator("[data-plot]").count():
        page.locator("[data-plot] .main-svg").first.wait_for()


def test_a_click_sorts_a_table_and_the_baseline_stays_first(page):
    opened(page, "/studies/1")
    head = page.locator("table.wide th", has_text="score")
    head.get_by_role("button").click()

    def column():
        return page.locator("table.wide tbody tr").evaluate_all(
            "rows => rows.map(row => [row.className, row.querySelector('[data-col=\"1.0\"]').dataset.key])"
        )

    rising = column()
    head.get_by_role("button").press("Enter")
    falling = column()

    assert rising[0] == falling[0]
    assert "baseline" in rising[0][0]
    values = [float(value) for _, value in rising[1:]]
    assert values == sorted(values)
    assert [float(value) for _, value in falling[1:]] == sorted(values, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"


def test_chosen_columns_stand_in_the_address(page):
    opened(page, "/studies/1")
    page.get_by_text("Columns", exact=True).click()
    page.get_by_label("Quality: right ↑: MDE").check()

    assert page.locator("table.wide th", has_text="MDE").is_visible()
    page.goto(page.url)
    assert page.locator("table.wide th", has_text="MDE").is_visible()


def test_plots_are_drawn_chosen_and_saved(page):
    opened(page, "/studies/1")
    plot = page.locator('[data-plot="plot-0-pareto"]')
    select = plot.locator("select")
    before = plot.locator(".xtitle").text_content()
    select.select_option(index=1)
    playwright_api.expect(plot.locator(".xtitle")).not_to_have_text(before)
    for form, begins in {"SVG": b"<svg", "PNG": b"\x89PNG"}.items():
        with page.expect_download() as download:
            plot.get_by_role("button", name=form).click()
        assert Path(download.value.path()).read_bytes().startswith(begins)


def test_runs_are_filtered_picked_and_compared(page):
    opened(page, "/runs")
    page.get_by_label("method").select_option("shift")
    page.get_by_label("status").select_option("done")
    page.get_by_role("button", name="Filter").click()
    assert "method=shift" in page.url
    assert page.get_by_label("method").input_value() == "shift"
    button = page.get_by_role("button", name="Compare selected")
    assert button.is_disabled()
    page.get_by_label("Select run 2", exact=True).check()
    page.get_by_label("Select run 4", exact=True).check()
    button.click()
    page.wait_for_url("**/compare?run=2&run=4")
    page.wait_for_selector("table.wide")

    page.get_by_role("link", name="run 4 against run 2").click()
    assert page.locator("tr.flipped").count()


def test_a_table_is_downloaded(page):
    opened(page, "/studies/1")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").first.click()
    assert Path(download.value.path()).read_text().startswith("task,model,")


@pytest.mark.parametrize("path", ["/runs/2", "/studies/1/samples/2/99"])
def test_hostile_text_is_shown_and_does_nothing(page, path):
    opened(page, path)

    assert "owned" not in page.title()
    assert page.locator("main img, main script:not([type='application/json'])").count() == 0
    assert "</script><script>document.title='owned'" in page.locator("main").inner_text()


def test_a_run_is_followed_while_it_runs(page, lab):
    """Progress moves by itself; at the end the page says that it is done."""
    with open_store(f"sqlite:///{lab.store}", create=True) as store:
        spec = {"stack": [], "task": {"name": "slow", "knobs": {}}, "model": {"name": "m", "knobs": {}}, "device": {}}
        run = store.ensure_run(RunRecord("live", 1, "patience", "slow", "m", "cpu", 0, spec, {}, {}, planned=4))
        study = store.open_study("harness run +method=patience", "none", [MemberRecord(run, "method")])
        store.claim(run, owner())
        store.add_sample(run, SampleRecord(0, "all", "a" * 64, {}, "one"), [])
        opened(page, "/")
        page.get_by_text("1 of 4").wait_for()
        store.add_sample(run, SampleRecord(1, "all", "b" * 64, {}, "two"), [])
        page.get_by_text("2 of 4").wait_for()
        store.release(run, "done")
        store.close_study(study, "done")
        page.get_by_text("Nothing runs at the moment.").wait_for()


def test_the_keyboard_reaches_the_content_and_the_theme(page):
    opened(page, "/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Light or dark").press("Enter")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_accessible_light_and_dark_and_fit_a_phone(page, name):
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        opened(page, PAGES[name])
        page.evaluate(AXE)
        found = page.evaluate("rules => axe.run(document, { runOnly: rules })", RULES)
        told = [
            (one["id"], node["target"], node["failureSummary"]) for one in found["violations"] for node in one["nodes"]
        ]
        assert told == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_static_site_opens_from_disk(browser, lab, tmp_path):
    command = lab.start("dashboard", "--export", str(tmp_path / "site"), "--study", "1")
    command.communicate()
    assert command.returncode == 0
    page = browser.new_page()
    failed = []
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.goto(f"file://{tmp_path}/site/index.html")
    page.wait_for_selector("[data-plot] .main-svg")
    page.get_by_role("link", name="Samples: where do all fail").click()
    page.get_by_role("link", name="1", exact=True).click()
    assert "Sample 1" in page.locator("h1").inner_text()
    assert failed == []
    page.close()
