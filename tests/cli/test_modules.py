from __future__ import annotations

import sys
from pathlib import Path

import pytest

from perdure.cli.modules import find_agent, find_agents
from perdure.errors import UserError

TWO = "from perdure import Agent\nfirst = Agent(name='First')\nsecond = Agent(name='Second')\nagain = first\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: modules are found there, and forgotten after the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", sys.modules.copy())
    return tmp_path


def test_every_module_level_agent_is_found_once(folder: Path) -> None:
    (folder / "kiosk_a.py").write_text(TWO)
    assert list(find_agents("kiosk_a").agents) == ["first", "second"]


def test_a_session_factory_is_found_and_must_be_a_function(folder: Path) -> None:
    (folder / "kiosk_s.py").write_text(TWO + "def session_factory(session_id):\n    return session_id\n")
    factory = find_agents("kiosk_s").session_factory
    assert factory is not None
    assert factory("chat") == "chat"
    (folder / "kiosk_t.py").write_text(TWO + "session_factory = 5\n")
    with pytest.raises(UserError, match="`session_factory` of module 'kiosk_t' is 5"):
        find_agents("kiosk_t")


def test_a_context_factory_is_found(folder: Path) -> None:
    (folder / "kiosk_b.py").write_text(TWO + "def context_factory(state):\n    return state\n")
    factory = find_agents("kiosk_b").context_factory
    assert factory is not None
    assert factory({"a": 1}) == {"a": 1}


def test_two_agents_of_one_name_are_an_error_that_names_both_variables(folder: Path) -> None:
    (folder / "kiosk_c.py").write_text("from perdure import Agent\na = Agent(name='X')\nb = Agent(name='X')\n")
    with pytest.raises(UserError, match=r"named 'X': `a` and `b`"):
        find_agents("kiosk_c")


def test_a_module_without_an_agent_is_an_error(folder: Path) -> None:
    (folder / "kiosk_d.py").write_text("")
    with pytest.raises(UserError, match="has no agent"):
        find_agents("kiosk_d")


def test_a_missing_module_is_an_error() -> None:
    with pytest.raises(UserError, match="There is no module 'kiosk_e"):
        find_agents("kiosk_e.agents")


def test_a_module_that_cannot_be_imported_says_why_and_where(folder: Path) -> None:
    (folder / "kiosk_f.py").write_text("import nowhere_to_be_found\n")
    with pytest.raises(UserError, match=r"No module named 'nowhere_to_be_found' \(at .*kiosk_f.py:1\)"):
        find_agents("kiosk_f")


def test_a_file_name_is_answered_with_the_modules_name() -> None:
    with pytest.raises(UserError, match=r"name the module.*'shop\.agents'"):
        find_agents("shop/agents.py")


def test_a_variable_of_a_module_is_its_agent(folder: Path) -> None:
    (folder / "kiosk_g.py").write_text(TWO)
    agent = find_agent("kiosk_g:second")
    assert not isinstance(agent, str)
    assert agent.name == "Second"


def test_a_variable_that_is_no_agent_is_an_error(folder: Path) -> None:
    (folder / "kiosk_h.py").write_text("x = 1\n")
    with pytest.raises(UserError, match="'x' of module 'kiosk_h' is int, not an `Agent`"):
        find_agent("kiosk_h:x")


def test_a_module_with_several_agents_needs_a_variable(folder: Path) -> None:
    (folder / "kiosk_i.py").write_text(TWO)
    with pytest.raises(UserError, match="kiosk_i:first, kiosk_i:second"):
        find_agent("kiosk_i")


@pytest.mark.parametrize("name", ["Support", "email", "Customer support", "shop.that.is.not"])
def test_what_is_no_module_of_the_user_is_an_agents_name(name: str) -> None:
    assert find_agent(name) == name
