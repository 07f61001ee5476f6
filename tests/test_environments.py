"""What tox.ini runs is what README and CONTRIBUTING say of it."""

import configparser
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
TOX = configparser.ConfigParser(interpolation=None)
TOX.read(ROOT / "tox.ini", "utf-8")


def test_bounds_runs_what_the_readme_names():
    row = re.search(r"^\| No kernel reads or writes outside.*", README, re.M)[0]
    named = set(re.findall(r"test_\w+\.py", row))
    assert {"test_trust.py", "test_sequences.py"} <= named
    assert named <= set(re.findall(r"test_\w+\.py", TOX["testenv:bounds"]["commands"]))


def test_oldest_pins_every_lower_bound():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    pins = dict(line.split("==") for line in TOX["testenv:oldest"]["deps"].split())
    for bound in [*project["dependencies"], *extras["plot"], *extras["test"]]:
        lowest = Requirement(bound.replace(">=", "=="))
        assert pins[lowest.name] in lowest.specifier, f"not {lowest}"


def test_ci_runs_the_readme_s_test_command_and_no_other():
    """In a fresh virtual environment."""
    script = ROOT / ".ci/run"
    if not script.exists():
        pytest.skip("an sdist is without")
    [told] = re.findall(r"^Run all tests.*?```sh\n(.*?)\n```", README, re.M | re.DOTALL)
    lines = script.read_text("utf-8").splitlines()
    setting_up = r"#.*|set -|cd |venv=\$\(mktemp|trap |python3 -m venv |source "
    assert [line for line in lines if not re.match(setting_up, line)] == [told]
    assert told.endswith("python -m tox run-parallel -p 2 -o")  # as CONTRIBUTING has it
    assert "`python -m tox run-parallel -p 2 -o`" in (ROOT / "CONTRIBUTING.md").read_text("utf-8")
