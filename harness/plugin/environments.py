"""Named environments: a Python of its own for plugins whose packages don't fit beside the command's.

`conf/environment/<name>.yaml` declares one, here or in a plugin's own `conf`; `harness env create <name>`
makes it in the user's cache. It holds only what differs: the packages of the command's environment, torch
among them, stay visible behind its own. Workers of methods whose traits name it run there.
"""

from __future__ import annotations

import json
import shutil
import site
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from harness.plugin.discovery import everything, file_of, unknown
from harness.plugin.sources import cache_folder
from harness.spec.errors import HarnessError, MissingEnvironment, UsageError
from harness.spec.identity import digest
from harness.spec.records import Plain

CONF = "harness_conf"
RECORD, CATALOGUE = "environment.json", "catalogue.json"  # in an environment's folder; the record comes last


@dataclass(frozen=True)
class Environment:
    """One that is declared, whether it is there or not."""

    name: str
    help: str
    requirements: tuple[str, ...]
    catalogue: str | None = None  # a module that, run there, prints what plugins want to know of its packages

    @property
    def folder(self) -> Path:
        return folder_of(self.name)

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def trouble(self) -> str | None:
        """Why it can't be used, in a sentence that says what to do; None where it can."""
        remedy = f"make it with: harness env create {self.name}"
        record = read(self.folder / RECORD)
        if record is None or not self.python.exists():
            return f"environment {self.name} is not here; {remedy}"
        if record["requirements"] != list(self.requirements):
            was = ", ".join(record["requirements"])
            return f"environment {self.name} was made for other requirements ({was}); {remedy}"
        return None

    def version(self, distribution: str) -> str | None:
        """As its workers find it."""
        path = [*map(str, self._sites()), *sys.path]
        found = next(iter(metadata.distributions(name=distribution, path=path)), None)
        return found.version if found else None

    def own(self) -> dict[str, str]:
        """Versions of the packages it holds itself, in front of the command's."""
        found = metadata.distributions(path=list(map(str, self._sites())))
        return {one.name: one.version for one in sorted(found, key=lambda one: one.name.lower())}

    def _sites(self) -> list[Path]:
        return sorted(self.folder.glob("lib/python*/site-packages"))


def declared() -> dict[str, Environment]:
    """Every environment that the harness or a plugin declares, by name."""
    root = file_of(CONF)
    folders = [root.parent] if root else []
    folders += [found.presets for found in everything() if found.presets]
    paths = [path for folder in folders for path in sorted((folder / "environment").glob("*.yaml"))]
    return {path.stem: declaration(path) for path in reversed(paths)}  # the harness's own go first


def named(name: str) -> Environment:
    """
    Raises:
        UsageError: none of that name is declared.
    """
    known = declared()
    if name not in known:
        raise UsageError(unknown("environment", name, known))
    return known[name]


def usable(name: str) -> Environment:
    """
    Raises:
        MissingEnvironment: it is not here, or no longer fits what is declared.
    """
    one = named(name)
    if one.trouble:
        raise MissingEnvironment(one.trouble)
    return one


def catalogue(name: str) -> Plain:
    """What an environment's catalogue told when it was made.

    Raises:
        MissingEnvironment: the environment is not here.
    """
    found = read(folder_of(name) / CATALOGUE) if (folder_of(name) / RECORD).exists() else None
    if found is None:
        raise MissingEnvironment(f"environment {name} is not here; make it with: harness env create {name}")
    return found


def create(one: Environment, say: Callable[[str], None]) -> None:
    """Makes an environment, anew where it is there. One that was broken off is no environment.

    Raises:
        HarnessError: it can't be made.
    """
    from filelock import FileLock

    one.folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{one.folder}.lock"):
        shutil.rmtree(one.folder, ignore_errors=True)
        say(f"Making environment {one.name} in {one.folder}: {', '.join(one.requirements)} …")
        run(one, [sys.executable, "-m", "venv", "--without-pip", str(one.folder)])
        (home,) = one.folder.glob("lib/python*/site-packages")
        (home / "harness_behind.pth").write_text(behind())
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(one.python)]
        run(one, [*pip, "install", "--quiet", *one.requirements])
        if one.catalogue:
            told = json.loads(run(one, [str(one.python), "-m", one.catalogue]))
            (one.folder / CATALOGUE).write_text(json.dumps(told, indent=1))
        record = {"name": one.name, "behind": prefix(), "requirements": list(one.requirements)}
        (one.folder / RECORD).write_text(json.dumps(record, indent=1))


def remove(one: Environment) -> bool:
    """Whether there was one."""
    there = one.folder.exists()
    shutil.rmtree(one.folder, ignore_errors=True)
    Path(f"{one.folder}.lock").unlink(missing_ok=True)
    return there


def starts(one: Environment) -> str | None:
    """Why no worker starts there, or None. Imports nothing heavy."""
    if one.trouble:
        return one.trouble
    done = subprocess.run([one.python, "-c", "import harness.engine.worker"], capture_output=True, text=True)
    last = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
    return (
        None if done.returncode == 0 else f"a worker can't start there: {last[0]}; harness env create --anew {one.name}"
    )


def folder_of(name: str) -> Path:
    """One for each environment that a command may run in, since it relies on the packages of that."""
    place = digest([prefix(), sysconfig.get_python_version()])[:8]
    return cache_folder() / "environments" / f"{name}-{place}"


def prefix() -> str:
    """Of the command's own environment, in its workers too."""
    record = read(Path(sys.prefix) / RECORD)
    return str(record["behind"]) if record else sys.prefix


def behind() -> str:
    """Lines of a `.pth` file that put the packages of this environment behind another's."""
    folders = dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    if site.ENABLE_USER_SITE and Path(site.getusersitepackages()).is_dir():
        folders[site.getusersitepackages()] = None
    return "".join(f"import site; site.addsitedir({folder!r})\n" for folder in folders)


def run(one: Environment, command: Sequence[str]) -> str:
    """What a step of making one prints."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()
        lines = [line for line in said if line.startswith("ERROR")] or said[-1:]
        raise HarnessError(f"environment {one.name} can't be made: {lines[0]} ({' '.join(command[:4])} …)")
    return done.stdout


def declaration(path: Path) -> Environment:
    import yaml  # type: ignore[import-untyped]

    try:
        given = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise UsageError(f"{path} can't be read: {' '.join(str(error).split())}") from error
    wrong = set(given) - {"help", "requirements", "catalogue"} if isinstance(given, dict) else {"no mapping"}
    needs: Iterable[object] = given.get("requirements", ()) if isinstance(given, dict) else ()
    if wrong or isinstance(needs, str) or not needs or not all(isinstance(line, str) for line in needs):
        raise UsageError(
            f"{path} must have requirements: [...], and may have help and catalogue"
            + (f"; it has {', '.join(sorted(wrong))}" if wrong else "")
        )
    return Environment(path.stem, str(given.get("help", "")), tuple(map(str, needs)), given.get("catalogue"))


def read(path: Path) -> Plain:
    """A JSON file, or None where there is none."""
    return json.loads(path.read_text()) if path.is_file() else None
