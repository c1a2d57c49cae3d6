"""A run's link: short, read strictly, and the run that it opens is the same bit for bit."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import pytest
from test_run import assert_same

import recmas_core as rm
from recmas_core.runconfig import Decoding
from visualizers.panels.catalogue import Catalogue, Lineup, read_catalogue
from visualizers.panels.choices import Choices
from visualizers.panels.intervene_change import Change
from visualizers.panels.session import Job
from visualizers.panels.share_link import LONGEST, link_query, read_link

QUESTION = "start 7 s1 + 3 s2 * 7 s3 - 4"
USUAL = Decoding()


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return read_catalogue()


@pytest.fixture(scope="module")
def embedded() -> rm.System:
    return rm.load_system("sequential")


def made(embedded: rm.System, question: str = QUESTION, **changes: Any) -> Job:
    values = {"rounds": 2, "thoughts": 4, "seed": 11, "mode": "latent", "tools": True} | changes
    return Choices(question, *values.values()).job(embedded)


def opened(query: str, catalogue: Catalogue) -> Any:
    return read_link(parse_qsl(query), catalogue)


def assert_same_run(embedded: rm.System, one: rm.RunConfig, other: rm.RunConfig) -> None:
    assert_same(embedded.drain(rm.Trace(one, "sequential")), embedded.drain(rm.Trace(other, "sequential")))


def test_a_link_opens_the_same_run_bit_for_bit(catalogue: Catalogue, embedded: rm.System) -> None:
    job = made(embedded, question="7 + 3 * 7 - 4")  # read as a chain: the link keeps what was typed
    query = link_query(catalogue, catalogue.lineup("sequential"), job, USUAL)
    assert query == "system=sequential&question=7+%2B+3+%2A+7+-+4&rounds=2&thoughts=4&seed=11"
    linked = opened(query, catalogue)
    assert linked.lineup == catalogue.lineup("sequential")
    again = linked.job(rm.load_system("sequential"))
    assert again.same_as(job)
    assert_same_run(embedded, job.config, again.config)


def test_changes_of_what_is_sent_are_carried(catalogue: Catalogue, embedded: rm.System) -> None:
    edits = (
        rm.Edit(0, "zero", receiver="critic"),
        rm.Edit(1, "noise", positions=(0, 2), value=0.1),
        rm.Edit(2, "scale", value=-1.5e-7),
        rm.Edit(2, "noise"),
    )
    config = embedded.config(made(embedded).config.question, rounds=2, latent_steps=4, seed=3, edits=edits)
    query = link_query(catalogue, catalogue.lineup("sequential"), Job(config, None, QUESTION), USUAL)
    assert "edits=0:zero:to-critic,1:noise:0.1:at-0-2,2:scale:-1.5e-07,2:noise" in query
    again = opened(query, catalogue).job(embedded)
    assert_same_run(embedded, config, again.config)


@pytest.mark.parametrize(
    "change",
    [
        Change(0, "zero", positions=(0, 2), receiver="critic"), Change(1, "noise", amount=2.5),
        Change(2, "scale", amount=-1e-7), Change(3, "swap", text="start 2 s1 + 1"), Change(0, "cut"),
        Change(1, "set", positions=(1,), text="a: b, c & d"),
    ],
)  # fmt: skip
def test_a_change_made_afterwards_is_carried(change: Change, catalogue: Catalogue, embedded: rm.System) -> None:
    job = made(embedded)
    query = link_query(catalogue, catalogue.lineup("sequential"), job, USUAL, change)
    linked = opened(query, catalogue)
    assert linked.change == change
    assert linked.job(embedded).same_as(job)


def test_another_way_of_speaking_is_carried(catalogue: Catalogue, embedded: rm.System) -> None:
    config = embedded.config(QUESTION, rounds=1, latent_steps=3, temperature=0.7, top_p=0.9, max_new_tokens=5, seed=4)
    query = link_query(catalogue, catalogue.lineup("sequential"), Job(config, None, QUESTION), embedded.decoding)
    assert query.endswith("&temperature=0.7&top_p=0.9&tokens=5")
    again = opened(query, catalogue).job(embedded).config
    assert (again.temperature, again.top_p, again.max_new_tokens) == (0.7, 0.9, 5)


def test_other_agents_and_other_ways_are_carried(catalogue: Catalogue, embedded: rm.System) -> None:
    lineup = catalogue.lineup("sequential", {"critic": "embedded:planner"})
    query = link_query(catalogue, lineup, made(embedded, mode="text", tools=False), USUAL)
    assert "agents=critic:planner" in query
    linked = opened(query, catalogue)
    assert (linked.lineup, linked.mode, linked.tools) == (lineup, "text", False)


def test_a_loop_names_all_of_its_agents(catalogue: Catalogue, embedded: rm.System) -> None:
    lineup = catalogue.lineup("loop2")
    query = link_query(catalogue, lineup, made(embedded), USUAL)
    assert query.count(":") == 2
    assert opened(query, catalogue).lineup == lineup


def test_a_link_may_name_a_system_alone(catalogue: Catalogue) -> None:
    linked = opened("system=mixture&__theme=dark&utm_source=mail", catalogue)
    assert (linked.lineup.system, linked.asked) == ("mixture", None)
    assert opened("__theme=dark&fn_index=3&session_hash=x", catalogue) is None


@pytest.mark.parametrize(
    "query",
    [
        "system=chess", "system=", "system=../../etc", "agents=critic", "agents=critic:nobody", "agents=king:planner",
        "agents=critic:planner,critic:planner", "question=", "question=a%00b", "question=" + "x" * 20_001,
        "rounds=0", "rounds=7", "rounds=2.0", "rounds=+2", "rounds=%C2%B2", "rounds=", "rounds=1&rounds=2",
        "thoughts=81", "seed=-1", "seed=99999999999999999999", "mode=voice", "tools=maybe",
        "edits=zero", "edits=0:swap", "edits=0:set:1", "edits=0:scale:nan", "edits=0:zero:at-x", "edits=0:zero:at-99",
        "edits=0:zero:what", "edits=" + ",".join(["0:zero"] * 41), "temperature=inf", "tokens=0", "top_p=x",
        "change=0:zero", "question=x&change=zero", "question=x&change=0:cut:1", "question=x&change=0:noise",
        "question=x&change=0:noise:11", "question=x&change=0:set", "question=x&change=0:zero&put=words",
        "question=x&change=0:steal", "question=x&change=0:set&put=" + "x" * 2001,
    ],
)  # fmt: skip
def test_bad_and_foreign_values_are_refused_in_words(query: str, catalogue: Catalogue) -> None:
    with pytest.raises(rm.RecmasError) as refused:
        read_link(parse_qsl(query, keep_blank_values=True), catalogue)
    assert len(str(refused.value)) < 600


@pytest.mark.parametrize("query", ["edits=9:zero", "edits=0:zero:to-solver", "top_p=0", "temperature=11"])
def test_what_no_run_can_be_is_refused_before_it_begins(query: str, catalogue: Catalogue, embedded: rm.System) -> None:
    linked = read_link([("question", QUESTION), *parse_qsl(query)], catalogue)
    assert linked is not None
    with pytest.raises(rm.BadInput):
        linked.job(embedded)


def test_what_a_link_cannot_carry_is_said(catalogue: Catalogue, embedded: rm.System) -> None:
    own, job = catalogue.lineup("sequential"), made(embedded)

    def refused(lineup: Lineup, job: Job, why: str) -> None:
        with pytest.raises(rm.BadInput, match=why):
            link_query(catalogue, lineup, job, USUAL)

    refused(Lineup(own.system, own.agents, "trained here"), job, "trained here")
    refused(Lineup("upload-1", own.agents), job, "only you")
    refused(own, made(embedded, question="x " * LONGEST), "characters")
    put_in = embedded.config(QUESTION, edits=(rm.Edit(0, "set", value=[[0.0] * 96]),))  # type: ignore[arg-type]
    refused(own, Job(put_in, None, QUESTION), "put in")
    elsewhere = embedded.config(QUESTION, latent_steps=100)
    refused(own, Job(elsewhere, None, QUESTION), "thoughts")
