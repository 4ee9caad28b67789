"""Server time of every page of the dashboard over 10,000 runs and 1,000,000 samples: `make bench` prints them."""

from __future__ import annotations

import os
import statistics
import time
from itertools import cycle
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(3600)
HERE = Path(__file__).parent
AIM_MS = 200
ROUNDS = 20
PAGES = {
    "overview": ["/"],
    "studies": ["/studies", "/studies?page=2"],
    "study of 100 runs": ["/studies/{study}"] * 10,
    "study of 10,000 runs": ["/studies/1"],
    "runs": ["/runs", "/runs?page=100", "/runs?sort=method", "/runs?sort=-changed&page=37"],
    "runs, filtered": [
        "/runs?method=shift&status=done",
        "/runs?task=counting&page=7",
        "/runs?q=shift",
        "/runs?study=3",
    ],
    "run": [f"/runs/{one}" for one in range(5, 9000, 999)],
    "run, worst samples first": [f"/runs/{one}?order=worst&page=2" for one in range(5, 9000, 999)],
    "sample": ["/studies/{study}/samples/{run}/17"] * 5,
    "sample of 10,000 runs": ["/studies/1/samples/1/17"],
    "two runs side by side": [f"/runs/{one}/against/{one + 3}" for one in range(1, 9000, 999)],
    "samples explorer": ["/studies/{study}/samples", "/studies/{study}/samples?show=one"],
    "samples explorer of 10,000 runs": ["/studies/1/samples"],
    "two runs compared": ["/compare?run=1&run=2"],
    "techniques": ["/techniques"],
    "technique": ["/techniques/shift"],
}


@pytest.fixture(scope="module")
def store_url(tmp_path_factory):
    """One study of 10,000 runs, and one for each seed; what twenty of them came to is kept, as when they ended."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        patch.syspath_prepend(str(HERE.parent / "engine" / "toys"))
        patch.setenv("HARNESS_PLUGINS", "toy_lab,identity")
        given = os.environ.get("HARNESS_BENCH_STORE")  # made by scale.py --studies, to be used again
        if given:
            yield f"sqlite:///{given}"
            return
        import scale

        url = f"sqlite:///{tmp_path_factory.mktemp('pages') / 'large.sqlite'}"
        scale.fill(url, scale.Size(99, 100, 100))
        scale.add_studies(url, kept=20)
        yield url


@pytest.fixture(scope="module")
def client(store_url):
    from starlette.testclient import TestClient

    from harness.store.writer import open_store
    from harness_dashboards.app import make_app

    with open_store(store_url) as store:
        app = make_app(store)
        app.state.site.warm()  # as a second after the start
        with TestClient(app, base_url="http://localhost") as client:
            yield client


@pytest.fixture(scope="module")
def kept(store_url):
    """Studies whose comparison is kept, each with its baseline."""
    from sqlalchemy import select

    from harness.store.tables import comparison, member
    from harness.store.writer import open_store

    with open_store(store_url) as store, store.read() as connection:
        query = select(member.c.study_id, member.c.run_id).where(member.c.position == 0)
        query = query.where(member.c.study_id.in_(select(comparison.c.study_id))).order_by(member.c.study_id)
        return [tuple(row) for row in connection.execute(query)]


@pytest.mark.parametrize("name", PAGES)
def test_server_time_of_a_page(benchmark, client, kept, name):
    """From request to answer, in this process: first requests apart, those included that say what is computed."""
    addresses = [page.format(study=study, run=run) for page, (study, run) in zip(PAGES[name], cycle(kept))]
    first = [passed for address in dict.fromkeys(addresses) for passed in until_there(client, address)]
    times, busy = [], []

    def ask():
        for address in addresses:
            started, worked = time.perf_counter(), time.process_time()
            answer = client.get(address)
            times.append(1000 * (time.perf_counter() - started))
            busy.append(1000 * (time.process_time() - worked))
            assert answer.status_code == 200
            assert "data-waiting" not in answer.text

    benchmark.pedantic(ask, rounds=max(3, ROUNDS // len(addresses)))
    middle, high = statistics.median(times), statistics.quantiles(times, n=20)[-1]
    print(
        f"\n{name}: median {middle:.0f} ms, p95 {high:.0f} ms of {len(times)} (aim {AIM_MS}); "
        f"median {statistics.median(busy):.0f} ms of processor time; "
        f"first requests: worst {max(first):.0f} ms of {len(first)}"
    )


def until_there(client, address):
    """How long each request for a page took until it was complete, in ms."""
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        started = time.perf_counter()
        text = client.get(address).text
        yield 1000 * (time.perf_counter() - started)
        if "data-waiting" not in text:
            return
        time.sleep(0.5)
    raise AssertionError(f"{address} is never there")
