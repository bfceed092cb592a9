"""The gallery of wrong gradients: the checker finds each case and passes its repair.

`test_readme.py` runs the page and compares what it prints.
"""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parent.parent / "tutorials" / "wrong_gradients.md"
TEXT = PAGE.read_text(encoding="utf-8")
CASES = re.findall(r"^## (\d+)\. .+?\n(.*?)(?=^## )", TEXT, re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
SOURCE = re.compile(r"`[\w-]+/[\w-]+`, (?:issue|pull request) \d+ \((?:19|20)\d\d\)")
each_case = pytest.mark.parametrize("case", [case for _, case in CASES], ids=[n for n, _ in CASES])


def outputs(part):
    return [text for language, text in BLOCK.findall(part) if language == "text"]


def test_the_cases_have_numbers_in_order():
    assert [int(number) for number, _ in CASES] == list(range(8, 8 + len(CASES)))
    assert len(CASES) >= 3


@each_case
def test_the_reader_sees_a_check_before_the_answer(case):
    question, answer = case.split("<details><summary><b>Answer</b></summary>\n\n")
    assert re.search(r"check_(layer|loss)\(", question)
    assert outputs(question) == []
    assert answer.rstrip().endswith("</details>")


@each_case
def test_the_checker_finds_the_fault_and_passes_the_repair(case):
    *found, repaired = outputs(case)
    assert "FAILED: " in found[-1]
    assert "WRONG" in found[-1]
    assert "passed: " in repaired
    assert "FAILED" not in repaired


@each_case
def test_a_case_has_a_source_with_its_year_and_a_lesson(case):
    (source,) = re.findall(r"^Source: (.*?)\n\n", case, re.DOTALL | re.MULTILINE)
    assert SOURCE.search(source.replace("\n", " "))
    assert re.search(r"\*\*Check [^*]+\.\*\*", case)
