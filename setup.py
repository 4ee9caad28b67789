"""`plugins`, `conf` and `dashboards` install as `harness_plugins`, `harness_conf` and `harness_dashboards`."""

from setuptools import find_namespace_packages, setup

ROOTS = {"harness": "harness", "harness_plugins": "plugins", "harness_conf": "conf", "harness_dashboards": "dashboards"}


def packages(name: str, folder: str) -> list[str]:
    left_out = ["*.tests", "*.tests.*", "tests", "*__pycache__*", "plugin.templates*"]
    inner = find_namespace_packages(folder, exclude=left_out)
    return [name, *(f"{name}.{package}" for package in inner)]


setup(
    packages=[package for name, folder in ROOTS.items() for package in packages(name, folder)],
    package_dir=ROOTS,
    package_data={
        "": ["*.yaml", "*.md", "*.json", "*.mako", "*.html", "*.css", "*.js"],
        "harness.plugin": ["templates/**/*"],
    },
)
