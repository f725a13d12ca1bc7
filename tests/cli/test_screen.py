from __future__ import annotations

import json

import pytest

from perdure.cli.screen import Line, Screen, columns


def test_a_table_cuts_nothing() -> None:
    long = "x" * 300
    assert [line.text for line in columns([[long, "running"]], ["RUN", "STATUS"])][1] == f"{long}  running"


def test_lines_are_neither_wrapped_nor_read_as_markup(capsys: pytest.CaptureFixture[str]) -> None:
    text = "[bold]word[/bold] :smile: " * 40
    Screen(as_json=False).show({}, [Line(text, "bold")])
    assert capsys.readouterr().out == text + "\n"


def test_with_json_an_answer_is_one_document_and_no_lines(capsys: pytest.CaptureFixture[str]) -> None:
    Screen(as_json=True).show({"text": "\x1b\u202e"}, [Line("for people")])
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"text": "\x1b\u202e"}
    assert printed.isascii()
    assert "\x1b" not in printed


def test_an_error_is_said_on_standard_error_and_with_json_as_a_document_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Screen(as_json=True).error("RunNotFound", "No run.", run_id="r")
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"error": {"type": "RunNotFound", "message": "No run."}, "run_id": "r"}
    assert printed.err == "error: No run.\n"
