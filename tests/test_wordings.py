"""Wordings: the shipped file gives the prompts as they were, and a user's file is laid over it or refused."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from miniature import byte_tokenizer, make_release
from shipping import ship
from test_prompts import agent
from tiny import tiny_model

import recmas_core as rm
from recmas_core.__main__ import main
from recmas_core.hub import Hub
from recmas_core.patterns import DISTILLATION, SEQUENTIAL
from recmas_core.prompts import WORDINGS, Retry, prompt_for
from recmas_core.released.opening import open_released
from recmas_core.tasks.plain import same_answer
from recmas_core.training.arguments import complete
from recmas_core.training.opening import Material, check_same, open_system, surety
from recmas_core.wordings import SHIPPED, read_wordings

Write = Callable[[str], Path]
PLAN = (
    "Question: {question}\n{slots}\nYou are the planner. Lay out the steps that lead to a solution. "
    "Do not carry them out."
)
SOLVE = (
    "Question: {question}\n{slots}\nWork the solution out, using what the others thought. "
    "Put the final answer in \\boxed{{}}."
)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a user's file."""

    def written(text: str) -> Path:
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return written


# -------------------------------------------------------------------------------------------------- what is shipped


def test_the_prompts_are_what_they_were() -> None:
    planner, toolcaller = (WORDINGS["general"].prompt(role) for role in ("planner", "toolcaller"))
    assert (planner.think, planner.decode) == (PLAN, SOLVE)
    assert planner.slot == "Latent thoughts of the {sender}: {slot}\n"
    assert WORDINGS["general"].prompt("solver").think == SOLVE
    assert toolcaller.decode == (
        "Question: {question}\n{slots}\nSolve it by acting on the reflector's plan. You may run a Python program: "
        "<python>print(6 * 7)</python>. You may look something up: <search>a few words</search>. What a call prints "
        "or finds is put behind it as <result> … </result>; then go on writing. Put the final answer in \\boxed{{}}."
    )
    assert WORDINGS["chain"].prompt("critic") == rm.prompts.RolePrompt(
        "{question} ;{slots} {role} :", "{question} ;{slots} answer :", " {sender} : {slot} ;"
    )


def test_the_registry_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        WORDINGS["general"] = WORDINGS["chain"]  # type: ignore[index]


def test_agents_who_are_asked_for_a_box_get_the_retry() -> None:
    for wording in WORDINGS.values():
        for role in (*wording.roles, "anyone"):
            prompt = wording.prompt(role)
            expected = Retry("\nFinal Answer: \\boxed{", 16) if "\\boxed{{}}" in prompt.decode else None
            assert prompt.retry == expected, (wording.name, role)


def test_the_file_is_packaged() -> None:
    setup = tomllib.loads((SHIPPED.parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    assert any(SHIPPED in SHIPPED.parent.glob(pattern) for pattern in setup["package-data"]["recmas_core"])


# ------------------------------------------------------------------------------------------------------ laid over it


def test_one_text_of_one_role_is_enough(write: Write) -> None:
    found = read_wordings(write('general.roles.planner.think = "{question}{slots} Plan."'))
    old = WORDINGS["general"].prompt("planner")
    assert found["general"].prompt("planner") == replace(old, think="{question}{slots} Plan.")


def test_the_rest_is_as_shipped(write: Write) -> None:
    found = read_wordings(write('general.roles.planner.think = "{question}{slots} Plan."'))
    roles = {role: prompt for role, prompt in found["general"].roles.items() if role != "planner"}
    assert roles == {role: prompt for role, prompt in WORDINGS["general"].roles.items() if role != "planner"}
    assert {name: found[name] for name in ("chain", "little")} == {n: WORDINGS[n] for n in ("chain", "little")}


def test_what_stands_in_a_wording_holds_for_every_role_that_has_nothing_else(write: Write) -> None:
    found = read_wordings(write('[general]\ndecode = "{question}{slots} Go."\nsystem = "Be brief {so}."'))["general"]
    assert found.prompt("planner").decode == found.prompt("anyone").decode == "{question}{slots} Go."
    assert found.prompt("toolcaller").decode == WORDINGS["general"].prompt("toolcaller").decode
    assert {prompt.system for prompt in found.roles.values()} == {"Be brief {so}."}


@pytest.mark.parametrize(
    ("text", "retry"),
    [
        ("general.retry = false", None),
        ("general.retry.tokens = 3", Retry("\nFinal Answer: \\boxed{", 3)),
        ('general.roles.planner.retry.text = "So \\\\boxed{"', Retry("So \\boxed{", 16)),
        ("general.roles.planner.retry = false", None),
    ],
    ids=["off", "tokens", "text of a role", "off for a role"],
)
def test_the_retry_can_be_changed_or_switched_off(write: Write, text: str, retry: Retry | None) -> None:
    assert read_wordings(write(text))["general"].prompt("planner").retry == retry


def test_a_wording_of_ones_own(write: Write) -> None:
    found = read_wordings(write('[mine]\nthink = "{question}{slots}"\ndecode = "{question}{slots}"\nslot = "{slot}"'))
    agents = dict.fromkeys(("expert", "learner"), agent(wording="mine"))
    assert prompt_for("expert", agents, DISTILLATION, found).think == "{question}{slots}"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("general = 3", "wording 'general' is 3"),
        ("[general]\nthinks = ''", "wording 'general' has the unknown key 'thinks'"),
        ("[general.roles]\nplanner = 'Plan.'", "wording 'general', role 'planner' is 'Plan.'"),
        ("[general.roles.planner]\nany_role = true", "role 'planner' has the unknown key 'any_role'"),
        ("[general.retry]\nmark = 'x'", "wording 'general', retry has the unknown key 'mark'"),
        ("[general.retry]\ntext = 'no box'", "wording 'general', retry has the text 'no box'"),
        ("[general.retry]\ntokens = 'many'", "wording 'general', retry has 'many' tokens"),
        ("[general]\nretry = true", "wording 'general', retry is True"),
        ("[general]\nthink = 3", "wording 'general' has think = 3"),
        ("[general]\nany_role = 'yes'", "wording 'general' has any_role = 'yes'"),
        ("[general]\nsystem = ['a']", "wording 'general' has system"),
        ("[general.words]\nmath = 3", "wording 'general', words has math = 3"),
        ("[general]\nbase = 'latin'", "wording 'general' has the base 'latin'"),
        ("[general]\nbase = ['chain']", "wording 'general' has the base"),
        ("[general]\nbase = 'general'", "wording 'general' has the base 'general'"),
        ("[mine]\nthink = '{question}{slots}'\nslot = '{slot}'", "wording 'mine' has no 'decode'"),
        ("[general]\nthink = '{slots}'", "wording 'general' has {question} 0 times in 'think'"),
        ("[general]\ndecode = '{question}{question}{slots}'", "wording 'general' has {question} 2 times in 'decode'"),
        ("[general.roles.critic]\nthink = '{question}'", "role 'critic' has {slots} 0 times in 'think'"),
        ("[general]\nslot = '{sender}'", "wording 'general' has {slot} 0 times in 'slot'"),
        ("[general]\nslot = '{slot}{role}'", "wording 'general' has the unknown field {role} in 'slot'"),
        (r"[general]" "\n" r"decode = '{question}{slots}\boxed{}'", "has the unknown field {} in 'decode'"),
        ("[general]\nthink = '{question!r}{slots}'", "has the unknown field {question} in 'think'"),
        ("[general]\nthink = '{question.x}{slots}'", "has the unknown field {question.x} in 'think'"),
        ("[general]\nthink = '{question:>9}{slots}'", "has the unknown field {question} in 'think'"),
        ("[general]\nthink = '{question}{slots} \\frac{1'", "has braces in 'think' that do not match"),
        ("[general]\nthink = '{question}{slots} }'", "has braces in 'think' that do not match"),
    ],
    ids=lambda value: value if value.startswith(("wording", "role", "has")) else "",
)  # fmt: skip
def test_what_is_no_wording_is_refused_by_name(write: Write, text: str, where: str) -> None:
    with pytest.raises(rm.BadInput) as raised:
        read_wordings(write(text))
    assert where in str(raised.value)


@pytest.mark.parametrize("content", [b"[general", b"a = 1\na = 2", b"\xff\xfe", b"a = " + b"[" * 5000])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(rm.UnsafeCheckpoint, match=r"mine\.toml.*is no TOML"):
        read_wordings(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(rm.SystemNotFound, match=r"none\.toml"):
        read_wordings(tmp_path / "none.toml")


# ---------------------------------------------------------------------------------------------------- where it is read

MINE = 'general.roles.planner.think = "{question}{slots} Mine."'


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_release("sequential_light", tmp_path_factory.mktemp("release"))


def test_a_released_system_reads_them(write: Write, release: dict[str, Path]) -> None:
    system = open_released("sequential_light", hub=Hub.of(release.__getitem__), wordings=write(MINE))
    assert system.prompts["planner"].think == "{question}{slots} Mine."
    assert system.prompts["critic"] == WORDINGS["general"].prompt("critic")


@pytest.mark.parametrize(("name", "own"), [("sequential_light", True), ("sequential_scaled", False)])
def test_a_wording_with_a_systems_name_is_for_it_alone(
    write: Write, release: dict[str, Path], name: str, own: bool
) -> None:
    path = write(f'["released:{name}"]\nbase = "general"\nroles.planner.think = "{{question}}{{slots}} Mine."')
    system = open_released("sequential_light", hub=Hub.of(release.__getitem__), wordings=path)
    assert system.prompts["planner"].think == ("{question}{slots} Mine." if own else PLAN)
    assert system.agents["planner"].wording == "general"


def test_a_misspelt_name_of_a_system_is_refused(write: Write, release: dict[str, Path]) -> None:
    path = write('["released:sequential_dark"]\nbase = "general"')
    with pytest.raises(rm.SystemNotFound, match="sequential_dark"):
        open_released("sequential_light", hub=Hub.of(release.__getitem__), wordings=path)


def test_load_system_hands_them_on(write: Write, release: dict[str, Path]) -> None:
    hub = Hub.of(release.__getitem__)
    system = rm.load_system("released:sequential_light", wordings=write(MINE), hub=hub)
    assert system.prompts["planner"].think.endswith("Mine.")


def wide() -> rm.Agent:
    """An agent that follows instructions."""
    tokenizer = byte_tokenizer(None)
    model = tiny_model("llama", tokenizer, seed=0)
    return rm.Agent("wide", model, tokenizer, rm.InnerLink(model.config.hidden_size))


def test_agents_of_ones_choice_read_them(write: Write) -> None:
    agents = dict.fromkeys(("planner", "critic", "solver"), wide())
    system = rm.build_system("sequential", agents, wordings=write(MINE))
    assert system.prompts["planner"].think == "{question}{slots} Mine."
    trace = system.solve("2 + 2", rounds=1, latent_steps=2, max_new_tokens=3)
    assert trace.turns[0].prompt[-1].text == "2 + 2 Mine.\n"
    assert trace.turns[-1].prompted[0][1] == "\nFinal Answer: \\boxed{"


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ship(tmp_path_factory.mktemp("assets"))


def test_beside_an_agent_that_was_taught_its_prompts_which_stay(write: Write, assets: Path) -> None:
    system = rm.build_system("sequential", {"planner": wide()}, assets=assets, wordings=write(MINE))
    assert system.prompts["planner"].think == "{question}{slots} Mine."
    assert system.prompts["critic"] == prompt_for("critic", system.agents, SEQUENTIAL)


@pytest.mark.parametrize(
    ("own", "text", "what"),
    [
        (False, MINE, "all of these agents keep the prompts"),
        (True, 'chain.decode = "{question}{slots}"', "change 'chain'"),
    ],
)
def test_prompts_that_were_taught_cannot_be_changed(
    write: Write, assets: Path, own: bool, text: str, what: str
) -> None:
    with pytest.raises(rm.BadInput, match=what):
        rm.build_system("sequential", {"planner": wide()} if own else {}, assets=assets, wordings=write(text))


def test_a_system_with_prompts_of_its_own_takes_none(write: Write, assets: Path) -> None:
    for name in ("sequential", str(assets / "another")):
        with pytest.raises(rm.BadInput, match=r"system\.json, and were taught with them"):
            rm.load_system(name, assets=assets, wordings=write(MINE))


# ------------------------------------------------------------------------------------------------------ command line


@pytest.mark.parametrize("command", [["run", "start 7 s1 + 3"], ["eval"]], ids=["run", "eval"])
def test_the_command_line_hands_them_on(command: list[str], write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--wordings", str(write(MINE))]) == 2
    assert "error: wordings were given for 'sequential'" in capsys.readouterr().err


def test_training_hands_them_on(write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = main(["train", "--device", "cpu", "--out", str(tmp_path / "out"), "--wordings", str(write(MINE))])
    assert done == 2
    assert "error: wordings were given for 'sequential'" in capsys.readouterr().err


class Alone:
    """What `accelerate` says of one process on a CPU."""

    device, mixed_precision, num_processes = "cpu", "no", 1


def test_a_run_goes_on_only_with_the_same_words(write: Write) -> None:
    def sure(path: Path | None) -> dict[str, object]:
        return surety((), Material((), (), same_answer), Alone(), path and str(path))  # type: ignore[arg-type]

    before, plain = sure(write(MINE)), sure(None)
    check_same(sure(write(MINE)), before)
    check_same(sure(None), plain)
    with pytest.raises(rm.BadInput, match="wordings is"):
        check_same(sure(write(MINE.replace("Mine", "Other"))), before)


def test_training_builds_with_them(write: Write, tmp_path: Path) -> None:
    agent = wide()
    agent.model.save_pretrained(tmp_path / "wide")
    agent.tokenizer.save_pretrained(tmp_path / "wide")
    asked = {"agents": [f"{role}={tmp_path / 'wide'}" for role in ("planner", "critic", "solver")]}
    settings = {**complete(asked), "seed": 0, "wordings": str(write(MINE))}
    assert open_system(settings, Alone()).prompts["planner"].think.endswith("Mine.")  # type: ignore[arg-type]
