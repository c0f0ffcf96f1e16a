"""Every example runs, and says what it says it does."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def run(example: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, str(example)], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_and_prints(example: Path) -> None:
    assert len(run(example)) > 1


def test_by_hand_and_by_library_print_the_same() -> None:
    by_hand, by_library = run(EXAMPLES[0]), run(EXAMPLES[1])
    assert by_hand == by_library
    assert len(by_hand) == 74
    assert by_hand[-1] == "after 72 steps the weight is 498.75"


def test_the_first_example_is_about_twenty_lines_and_uses_no_library() -> None:
    lines = EXAMPLES[0].read_text().split('"""')[2].strip().splitlines()
    assert len(lines) <= 20
    assert not any("import" in line for line in lines)


def test_rows_moments_and_closed_form_agree() -> None:
    rows, moments, closed, _ = (line.split("[")[1] for line in run(EXAMPLES[4]))
    assert rows == moments == closed
