"""Runs pytest for `bazel test`: what it writes goes where Bazel keeps it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest


def main(arguments: list[str]) -> int:
    """Returns pytest's exit code; a file whose tests are all deselected or skipped has passed."""
    temporary = Path(os.environ["TEST_TMPDIR"])
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(temporary / "hypothesis")
    report = f"--junitxml={os.environ['XML_OUTPUT_FILE']}"
    folder = f"--basetemp={temporary / 'pytest'}"
    code = pytest.main(["-p", "no:cacheprovider", report, folder, *arguments])
    return 0 if code == pytest.ExitCode.NO_TESTS_COLLECTED else int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
