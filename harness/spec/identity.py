"""What makes two runs the same run: canonical hashing of plain data and of code."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from harness.spec.records import Plain


def canonical(plain: Plain) -> str:
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(plain: Plain) -> str:
    """SHA-256 of plain data, 64 hex digits; equal data give equal digests in any process."""
    return hashlib.sha256(canonical(plain).encode("utf-8", "surrogatepass")).hexdigest()


def code_digest(folder: Path) -> str:
    """SHA-256 over the `*.py` files below `folder`, tests left out."""
    hasher = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).parts
        if "tests" not in parts:
            hasher.update("/".join(parts).encode() + b"\0" + path.read_bytes() + b"\0")
    return hasher.hexdigest()


def file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
