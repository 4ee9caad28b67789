"""Builds the wheel and runs it from elsewhere: what was left out of the package shows here."""

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

root = Path(__file__).parent.parent
with tempfile.TemporaryDirectory() as folder:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, str(root)]
    subprocess.run(build, check=True)
    (wheel,) = Path(folder).glob("*.whl")
    place = Path(folder) / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    code = "import harness, sys; assert harness.__file__.startswith(sys.argv.pop(1)), harness.__file__; "
    code += "from harness.cli.main import main; main()"
    for words in (["ls", "methods"], ["verify", "xkv"], ["run", "+method=xkv", "task=ruler", "--help"]):
        subprocess.run(
            [sys.executable, "-S", "-c", "import site; site.main(); " + code, str(place), *words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(place)},
            check=True,
        )
print("the wheel works")
