"""A store made by real commands of the toy laboratory, and the application over it."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from harness.store.records import SampleRecord
from harness.store.writer import open_store
from harness_dashboards.app import make_app

HOSTILE = (
    "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>\x1b[31m\x00\u202e" + "A" * 50_000
)


@pytest.fixture(scope="module")
def lab(shared_lab):
    """Study 1: a baseline and three of different rightness. Study 2: a run that fails. Run 2 has a nasty answer too."""
    assert shared_lab.run("+method=shift", "method.shift.by=0,1,2", "tags=[mine]").code == 0
    assert shared_lab.run("+method=failing", "method.failing.how=raise").code == 1
    url = f"sqlite:///{shared_lab.store}"
    with open_store(url, create=True) as store:
        text = SampleRecord(99, "odd", "h" * 64, {}, HOSTILE, prompt=HOSTILE, target=HOSTILE, evidence={"<b>kept": 1.0})
        store.add_sample(2, text, [])
    return shared_lab


@pytest.fixture(scope="module")
def client(lab):
    with open_store(f"sqlite:///{lab.store}") as store:
        app = make_app(store)
        with TestClient(app, base_url="http://127.0.0.1:8765") as client:
            yield client
        app.state.site.comparisons.close()


@pytest.fixture(scope="module")
def get(client):
    """A page, once what it waits for is there."""
    from time import sleep

    def ask(path, status=200):
        for _ in range(200):
            answer = client.get(path)
            if "data-waiting" not in answer.text:
                break
            sleep(0.1)
        assert answer.status_code == status, answer.text[:2000]
        return answer.text

    return ask
