"""Chat templates: real ones pass as they are, endless ones are stopped wherever they begin."""

from __future__ import annotations

import sys
import threading

import pytest
from miniature import PLAIN, REFUSING, SWITCHED, byte_tokenizer, make_model

import recmas_core as rm
from recmas_core.templates import check_template, render

HELLO = [{"role": "user", "content": "Hello"}]
ENDLESS = (
    "{% if 'go' in messages[0].content %}{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    "{% endif %}{{ messages[0].content }}"
)
TAGGED = "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% break %}{% endfor %}"
INDENTED = "{% for m in messages %}{{ '  ' * loop.index }}{{ m.content }}{% endfor %}"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recmas_core.templates._SECONDS", 0.5)


@pytest.mark.parametrize("template", [PLAIN, REFUSING, SWITCHED, TAGGED, INDENTED, None])
def test_templates_of_models_pass(template: str | None) -> None:
    check_template(byte_tokenizer(template), "agent 'a'")


@pytest.mark.parametrize("template", [PLAIN, SWITCHED, INDENTED])
def test_what_is_written_is_what_transformers_writes(template: str) -> None:
    tokenizer = byte_tokenizer(template)
    plain = tokenizer.apply_chat_template(HELLO, tokenize=False, add_generation_prompt=True, enable_thinking=False)
    assert render(tokenizer, HELLO, "agent 'a'") == plain


def test_an_agent_is_stopped_by_a_template_that_waits_for_a_word() -> None:
    tokenizer = byte_tokenizer(ENDLESS)
    check_template(tokenizer, "agent 'one'")
    agent = rm.Agent("one", make_model("qwen3", {"head_dim": 8}, tokenizer, 0), tokenizer, rm.InnerLink(32))
    with pytest.raises(rm.UnsafeCheckpoint, match=r"agent 'one'.*takes longer"):
        agent.chat("go")


def test_a_debugger_that_traces_goes_on_tracing() -> None:
    before = sys.gettrace()
    render(byte_tokenizer(PLAIN), HELLO, "agent 'a'")
    assert sys.gettrace() is before


def test_a_template_is_stopped_in_any_thread() -> None:
    caught: list[BaseException] = []

    def run() -> None:
        try:
            render(byte_tokenizer(ENDLESS), [{"role": "user", "content": "go"}], "agent 'a'")
        except rm.UnsafeCheckpoint as error:
            caught.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(20)
    assert len(caught) == 1
