import hashlib
import json
import zipfile

import pytest

from harness.api import SourceError
from harness_plugins.tasks.longbench import records
from harness_plugins.tasks.longbench.datasets import DATASETS
from harness_plugins.tasks.longbench.records import hub_archive, read, record


@pytest.fixture(autouse=True)
def forgotten():
    yield
    read.cache_clear()
    hub_archive.cache_clear()


def test_a_folder_of_official_files_is_read(folder):
    file = read(str(folder), "hotpotqa", extended=False)

    assert file.name == "hotpotqa"
    assert [one.id for one in file.records] == [f"hotpotqa-{number}" for number in range(5)]
    assert file.records[0].question == "Are both stations in Wales?"
    assert file.sha256 == hashlib.sha256((folder / "hotpotqa.jsonl").read_bytes()).hexdigest()


def test_longbench_e_has_files_of_its_own(folder):
    file = read(str(folder), "hotpotqa", extended=True)

    assert file.name == "hotpotqa_e"
    assert [one.bucket for one in file.records] == ["0-4k", "4-8k", "4-8k", "8k+", "8k+", "8k+"]


def test_a_source_says_how_much_of_the_official_file_it_is(folder):
    source = read(str(folder), "multi_news", extended=False).source()

    assert (source.name, source.count, source.split) == ("LongBench multi_news", 5, "test")
    assert source.note == "5 of 200 rows; multi_news.jsonl"


def test_line_separators_within_a_text_part_no_lines(tmp_path, made):
    row = made("lcc") | {"context": "a\u2028b\x85c"}
    (tmp_path / "lcc.jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\n")

    assert [one.context for one in read(str(tmp_path), "lcc", False).records] == ["a\u2028b\x85c"]


@pytest.fixture
def archive(tmp_path, folder, monkeypatch):
    """The hub's archive, already in its cache."""
    path = tmp_path / "snapshots" / "5e628be" / "data.zip"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as opened:
        for file in folder.glob("*.jsonl"):
            opened.write(file, f"data/{file.name}")
    asked = []

    def download(*args, **kwargs):
        asked.append((args, kwargs))
        return str(path)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    return asked


def test_the_hubs_archive_holds_the_same_files(archive, folder):
    fetched, local = read("hub", "trec", False), read(str(folder), "trec", False)

    assert fetched.records == local.records
    assert fetched.source().sha256 == local.source().sha256
    assert fetched.source().name == local.source().name
    assert fetched.source().note == "5 of 200 rows; data.zip of THUDM/LongBench, commit 5e628be"


def test_the_archive_is_fetched_once(archive):
    for name in DATASETS:
        read("hub", name, False)

    assert archive == [(("THUDM/LongBench", "data.zip"), {"repo_type": "dataset"})]


def test_without_a_hub_says_what_to_do(monkeypatch):
    def download(*args, **kwargs):
        raise ConnectionError("no route to host\nmore")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)

    with pytest.raises(SourceError, match=r"fetched from the hub \(no route to host\); set task.path to a folder"):
        read("hub", "trec", False)


@pytest.mark.parametrize(
    ("name", "extended", "message"),
    [
        ("hotpotqa", False, r"has no hotpotqa.jsonl; it holds trec; set task.path to a folder"),
        ("hotpotqa", True, r"has no hotpotqa_e.jsonl"),
    ],
)
def test_a_folder_without_the_file_says_what_it_holds(name, extended, message, tmp_path):
    (tmp_path / "trec.jsonl").write_text("")

    with pytest.raises(SourceError, match=message):
        read(str(tmp_path), name, extended)


def test_a_path_that_is_no_folder_is_refused(tmp_path):
    with pytest.raises(SourceError, match="is no folder"):
        read(str(tmp_path / "nowhere"), "trec", False)


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "trec.jsonl").write_text("\n")

    with pytest.raises(SourceError, match=r"trec.jsonl is empty"):
        read(str(tmp_path), "trec", False)


@pytest.mark.parametrize(
    ("name", "changed", "message"),
    [
        ("hotpotqa", {"input": ""}, "'input' must be text, got ''"),
        ("hotpotqa", {"context": None}, "'context' must be text, got None"),
        ("hotpotqa", {"answers": []}, "'answers' must be a list of texts"),
        ("hotpotqa", {"answers": "yes"}, "'answers' must be a list of texts"),
        ("hotpotqa", {"length": "long"}, "'length' must be a whole number"),
        ("trec", {"all_classes": None}, "'all_classes' must be a list of texts"),
        ("passage_retrieval_en", {"answers": ["17"]}, r"answer '17' does not hold 'Paragraph"),
    ],
)
def test_a_record_that_can_not_be_asked_or_scored_is_refused(name, changed, message, made):
    line = json.dumps(made(name) | changed).encode()

    with pytest.raises(SourceError, match=f"line 1: {message}"):
        record(DATASETS[name], line, "line 1")


def test_a_renamed_field_is_named(made):
    row = made("qmsum")
    row["question"] = row.pop("input")

    with pytest.raises(SourceError, match=r"has no 'input'; it has context, .*question: not LongBench's own format"):
        record(DATASETS["qmsum"], json.dumps(row).encode(), "line 1")


@pytest.mark.parametrize(("line", "message"), [(b"{", "is no JSON"), (b"[1]", "is no JSON object")])
def test_a_line_that_is_no_record_is_refused(line, message):
    with pytest.raises(SourceError, match=f"trec.jsonl, line 2 {message}"):
        record(DATASETS["trec"], line, "trec.jsonl, line 2")


def test_buckets_are_longbench_es():
    def bucket(length: int) -> str:
        return records.Record("", "", "", (), (), length).bucket

    assert [bucket(length) for length in (0, 3999, 4000, 7999, 8000)] == ["0-4k", "0-4k", "4-8k", "4-8k", "8k+"]
