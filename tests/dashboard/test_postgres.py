"""The same results on PostgreSQL: every page says there what it says over SQLite."""

from __future__ import annotations

from time import sleep

import pytest
from sqlalchemy import insert, select
from starlette.testclient import TestClient

from harness.store.tables import metadata
from harness.store.writer import open_store
from harness_dashboards.app import make_app
from harness_dashboards.pages import PAGES

ASKED = {
    "/": ["/"],
    "/studies": ["/studies", "/studies?page=2"],
    "/studies/{study:int}": ["/studies/1", "/studies/2"],
    "/studies/{study:int}/self-check.{form}": [],  # there is none here
    "/studies/{study:int}/samples": ["/studies/1/samples", "/studies/1/samples?show=one&least=1"],
    "/studies/{study:int}/samples/{run:int}/{number:int}": ["/studies/1/samples/2/1"],
    "/studies/{study:int}/samples/{run:int}/{number:int}/answers.{form}": ["/studies/1/samples/2/1/answers.csv"],
    "/runs": [
        "/runs",
        "/runs?q=by&tag=mine&since=2020-01-01&until=2999-01-01&study=1",
        "/runs?method=shift&task=counting&model=counter&device=cpu&status=done",
        *(f"/runs?sort={one}" for one in ("method", "-task", "model", "device", "seed", "status", "-changed")),
    ],
    "/runs/{run:int}": ["/runs/2", "/runs/2?order=worst", "/runs/2?subtask=odd&q=1"],
    "/runs/{run:int}/{what}.{form}": ["/runs/2/samples.csv", "/runs/2/readings.csv"],
    "/runs/{before:int}/against/{run:int}": ["/runs/1/against/4"],
    "/runs/{before:int}/against/{run:int}/{what}.{form}": [
        "/runs/1/against/4/samples.csv",
        "/runs/1/against/4/settings.csv",
    ],
    "/compare": ["/compare?run=1&run=4"],
    "/compare/comparison.{form}": ["/compare/comparison.csv?run=1&run=4"],
    "/techniques": ["/techniques"],
    "/techniques/{name:path}": ["/techniques/shift"],
    "/techniques/{name:path}/{what}.{form}": ["/techniques/shift/results.csv", "/techniques/shift/claims.csv"],
}
ASKED |= {route: [route.replace("{form}", "csv").replace("{study:int}", "1")] for route in PAGES if route not in ASKED}


@pytest.fixture(scope="module")
def both(lab, shared_postgres_database):
    """The application over the store of the laboratory, and over its copy."""
    urls = (f"sqlite:///{lab.store}", shared_postgres_database)
    with open_store(urls[0]) as mine, open_store(urls[1], create=True) as theirs:
        with mine.read() as source, theirs.write() as target:
            for table in metadata.sorted_tables:
                if rows := [dict(row._mapping) for row in source.execute(select(table))]:
                    target.execute(insert(table), rows)
    with open_store(urls[0]) as mine, open_store(urls[1]) as theirs:
        apps = [make_app(store) for store in (mine, theirs)]
        yield {
            str(store.place): TestClient(app, base_url="http://localhost")
            for store, app in zip((mine, theirs), apps, strict=True)
        }
        for app in apps:
            app.state.site.comparisons.close()


def said(client, path, place):
    for _ in range(300):
        answer = client.get(path)
        if "data-waiting" not in answer.text:
            break
        sleep(0.1)
    return answer.status_code, answer.text.replace(place, "STORE")


@pytest.mark.parametrize("path", [path for paths in ASKED.values() for path in paths])
def test_a_page_says_the_same_of_both(both, path):
    mine, theirs = (said(client, path, place) for place, client in both.items())

    assert mine[0] == 200
    assert theirs == mine
