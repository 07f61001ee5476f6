"""What tox.ini runs is what README and CONTRIBUTING say of it."""

import configparser
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
TOX = configparser.ConfigParser(interpolation=None)
TOX.read(ROOT / "tox.ini", "utf-8")


def test_bounds_runs_what_the_readme_names():
    row = re.search(r"^\| No kernel reads or writes outside.*", README, re.M)[0]
    named = set(re.findall(r"test_\w+\.py", row))
    assert {"test_trust.py", "test_sequences.py"} <= named
    assert named <= set(re.findall(r"test_\w+\.py", TOX["testenv:bounds"]["commands"]))
