"""Stages and courses of training, on tiny random agents."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny import tiny_pattern_system, tiny_system
from torch import nn

import recmas_core as rm
from recmas_core.engine import Settings
from recmas_core.training import STAGES, Course, Lap, TrainConfig, damaged, fresh_links, private_copy
from recmas_core.training.course import KEPT
from recmas_core.training.outer import stage_starts, suffix_windows
from recmas_core.training.rounds import all_links
from recmas_core.training.stalling import WAIT, Lookout
from recmas_core.training.teach import hops

CHAIN = rm.TASKS["chain"]
EXAMPLES = CHAIN.sample(16, seed=1, split="train")
# the last one reads three slots in a mixture, and so must see further back than these models' sliding windows
FAR_SIGHTED = ("qwen3", "gemma3_text", "qwen3_5_text", "llama")
SHORT = TrainConfig(steps=3, batch=4, rounds=2, lr=1e-3, warmup=0)


def weights(system: rm.System) -> dict[tuple[str, str], dict[str, torch.Tensor]]:
    links = all_links(system)
    return {key: {name: value.clone() for name, value in link.state_dict().items()} for key, link in links.items()}


def same(a: dict, b: dict) -> bool:
    return all(torch.equal(value, b[key][name]) for key, state in a.items() for name, value in state.items())


def course(system: rm.System, *stages: str, held_out: int = 0, every: int = 2, **changes: object) -> Course:
    laps = [Lap(stage, replace(SHORT, **changes)) for stage in stages]
    return Course(system, laps, EXAMPLES, held_out=CHAIN.sample(held_out, split="test"), every=every, rounds=(1, 2))


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_a_stage_moves_its_links_and_nothing_of_the_system_it_was_given(stage: str) -> None:
    system = tiny_system()
    before, models = weights(system), [p.clone() for a in system.agents.values() for p in a.model.parameters()]
    run = course(system, stage)
    steps = list(run)
    assert same(before, weights(system))
    assert not same(before, weights(run.system))
    after = [p for a in run.system.agents.values() for p in a.model.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(models, after, strict=True))
    assert {step.stage for step in steps} == {stage}
    assert [step.step for step in steps] == list(range(1, steps[-1].steps + 1))
    assert all(step.grad_norms and all(norm >= 0 for norm in step.grad_norms.values()) for step in steps)
    moved = {key for key, far in run.distance().items() if far > 0}
    inner = {key for key in moved if key[0] == key[1]}
    assert inner == (set(moved) if stage == "inner" else set())


@pytest.mark.parametrize("pattern", ["mixture", "distillation", "deliberation", "loop4"])
def test_teaching_and_the_papers_loss_reach_every_outer_link_of_every_pattern(pattern: str) -> None:
    shape = rm.PATTERNS[pattern]
    system = tiny_pattern_system(shape, FAR_SIGHTED)
    turns = {role.name: tuple(f"s{i} = {i}" for i in range(1, 5)) for role in shape.roles}
    examples = [rm.Example(f"start {i} s1 + 3", str(i), turns) for i in range(4)]
    for stage in ("teach", "outer"):
        run = Course(system, [Lap(stage, replace(SHORT, steps=1, windows=False))], examples)
        (step,) = run
        told = {key for (_, key), norm in step.grad_norms.items() if norm > 0}
        assert told == set(system.links), stage
        assert all(run.distance()[edge] > 0 for edge in system.links), stage


def test_the_papers_loss_tells_rounds_apart() -> None:
    (step,) = course(tiny_system(), "outer", steps=1, windows=False, rounds=3)
    assert {at for at in step.grad_norms if at[1] == ("planner", "critic")} == {
        (1, ("planner", "critic")), (2, ("planner", "critic")), (3, ("planner", "critic")),
    }  # fmt: skip
    assert (3, ("solver", "planner")) not in step.grad_norms  # the last answer feeds nothing back


def test_inner_links_are_trained_by_the_papers_loss_when_asked() -> None:
    run = course(tiny_system(), "outer", windows=False, inner=True)
    list(run)
    assert all(far > 0 for far in run.distance().values())


def test_windows_lengthen_to_the_whole_loop() -> None:
    assert suffix_windows(8, 3) == (5, 6, 8)
    assert suffix_windows(5, 2) == (3, 4, 5)
    assert suffix_windows(5, 3) == (3, 4, 5)
    assert suffix_windows(2, 3) == (2,)
    schedule = rm.PATTERNS["mixture"].schedule(2)
    assert stage_starts(schedule) == [0, 3, 4, 7]
    run = course(tiny_system(), "outer", steps=60, batch=1)
    windows = [step.window for step in run]
    assert windows == sorted(windows)
    assert set(windows) == {3, 4, 5}  # two rounds of three agents: five stages before the answer


def test_every_hop_is_taught_in_each_form_of_its_prompts() -> None:
    told = hops(rm.PATTERNS["sequential"], 3)
    assert set(told) == {("planner", "critic"), ("critic", "solver"), ("solver", "planner")}
    forms = [[(hop.sender.round, hop.receiver.round, hop.receiver.decodes) for hop in form]
             for form in told["critic", "solver"]]  # fmt: skip
    assert forms == [[(1, 1, False), (2, 2, False), (3, 3, False)], [(1, 1, True), (2, 2, True), (3, 3, True)]]
    forms = [[hop.sender.round for hop in form] for form in told["planner", "critic"]]
    assert forms == [[1], [2, 3]]  # from the second round on the planner's prompt has a slot


def test_where_links_are_trained_one_by_one_the_loop_is_asked_at_the_end_only() -> None:
    made = list(course(tiny_system(), "align", held_out=5, steps=4))
    assert [bool(step.held_out) for step in made] == [False] * 11 + [True]
    assert [bool(step.distance) for step in made] == [False, True] * 6


def test_a_course_measures_held_out_questions_and_distance() -> None:
    run = course(tiny_system(), "outer", held_out=5, steps=4, windows=False)
    steps = list(run)
    assert [len(step.held_out) for step in steps] == [0, 2, 0, 2]
    assert [(h.rounds, h.n) for h in steps[1].held_out] == [(1, 5), (2, 5)]
    assert run.measure() == steps[-1].held_out
    assert set(steps[1].distance) == set(all_links(run.system))


def test_undo_goes_back_link_by_link_to_where_the_course_began() -> None:
    run = course(tiny_system(), "outer", steps=5, windows=False)
    began = weights(run.system)
    marks = [weights(run.system) for step in run if step.step % 2 == 0]
    assert run.undo()
    assert same(weights(run.system), marks[1])
    assert run.undo()
    assert same(weights(run.system), marks[0])
    assert run.undo()
    assert same(weights(run.system), began)
    assert not run.undo()


def test_after_undo_training_goes_on_from_there() -> None:
    run = course(tiny_system(), "outer", steps=5, windows=False)
    for _ in range(3):
        next(run)
    assert run.undo()
    back = weights(run.system)
    step = next(run)
    assert step.step == 1  # the stage begins anew
    assert not same(back, weights(run.system))


def test_kept_links_are_bounded_and_the_first_stay() -> None:
    run = course(tiny_system(), "outer", steps=KEPT + 5, every=1, windows=False, batch=1)
    began = weights(run.system)
    list(run)
    while run.undo():
        pass
    assert same(weights(run.system), began)


def test_a_course_that_diverges_says_so_and_puts_the_last_good_links_back() -> None:
    run = course(tiny_system(), "outer", steps=20, every=1, windows=False)
    next(run)
    good = weights(run.system)
    with torch.no_grad():
        for link in run.system.links.values():
            for parameter in link.parameters():
                parameter.fill_(float("nan"))
    with pytest.raises(rm.Diverged, match="step 2"):
        next(run)
    assert same(weights(run.system), good)
    assert next(run, None) is None
    assert not any(p.requires_grad for link in all_links(run.system).values() for p in link.parameters())


def test_an_overflow_is_noticed_before_it_reaches_the_links() -> None:
    run = course(tiny_system(), "outer", steps=50, windows=False, every=1)
    next(run)
    with torch.no_grad():
        next(iter(run.system.links.values())).proj1.weight.mul_(1e38)
    with pytest.raises(rm.Diverged):
        next(run)
    assert all(torch.isfinite(v).all() for state in weights(run.system).values() for v in state.values())


@pytest.mark.parametrize("stages", [("outer",), ("teach", "outer"), ("inner", "align")])
def test_a_course_resumes_exactly_where_it_was_kept(stages: tuple[str, ...]) -> None:
    whole = course(tiny_system(), *stages, steps=4)
    last = [step.loss for step in whole]
    for stop in range(1, len(last)):
        first = course(tiny_system(), *stages, steps=4)
        for _ in range(stop):
            next(first)
        state = first.state_dict()
        again = course(tiny_system(seed=0), *stages, steps=4)
        again.load_state_dict(state)
        assert [step.loss for step in again] == last[stop:], stop
        assert same(weights(again.system), weights(whole.system))


def test_a_checkpoint_of_other_agents_is_refused() -> None:
    state = course(tiny_system(), "outer").state_dict()
    other = course(tiny_pattern_system(rm.PATTERNS["deliberation"]), "outer")
    with pytest.raises(rm.BadInput, match="does not fit"):
        other.load_state_dict(state)


def test_accumulated_batches_count_as_one_step() -> None:
    run = course(tiny_system(), "outer", steps=2, accumulate=3, windows=False)
    steps = list(run)
    assert len(steps) == 2
    alone = course(tiny_system(), "outer", steps=2, windows=False)
    assert steps[0].loss != next(alone).loss  # the mean of three batches, not the first one's


def test_two_courses_over_one_system_do_not_touch_each_other() -> None:
    system = tiny_system()
    alone = [step.loss for step in course(system, "outer", steps=3, windows=False)]
    first, second = (course(system, "outer", steps=3, windows=False, seed=seed) for seed in (0, 9))
    losses = []
    for _ in range(3):
        losses.append(next(first).loss)
        next(second)
    assert losses == alone


def test_fresh_links_differ_by_seed_and_have_the_size_of_embeddings() -> None:
    system = tiny_system()
    a, b, again = (fresh_links(system, seed=seed) for seed in (0, 1, 0))
    assert same(weights(a), weights(again))
    assert not same(weights(a), weights(b))
    for (_, receiver), link in a.links.items():
        size = system.agents[receiver].embed_all().square().mean().sqrt()
        torch.testing.assert_close(link.ln_target.weight, torch.full_like(link.ln_target.weight, size.item()))


@pytest.mark.parametrize("variant", sorted(rm.LINK_VARIANTS))
def test_every_variant_of_link_can_be_trained(variant: str) -> None:
    start = fresh_links(tiny_system(), variant=rm.LINK_VARIANTS[variant])
    run = course(start, "outer", steps=1, windows=False)
    next(run)
    assert all(run.distance()[edge] > 0 for edge in start.links)
    assert {link.variant for link in all_links(run.system).values()} == {rm.LINK_VARIANTS[variant]}


def test_damage_is_as_large_as_asked_and_leaves_the_original_alone() -> None:
    system = tiny_system()
    before = weights(system)
    ill = damaged(system, sigma=1.0, seed=3)
    assert same(before, weights(system))
    for edge, link in ill.links.items():
        name, weight = next((n, p) for n, p in link.named_parameters() if n == "proj1.weight")
        noise = weight - before[edge][name]
        assert float(noise.std() / before[edge][name].std()) == pytest.approx(1.0, rel=0.1)
    assert same(weights(damaged(system, sigma=0.0)), before)
    with pytest.raises(rm.BadInput, match="sigma"):
        damaged(system, sigma=-1.0)


def test_a_private_copy_shares_models_and_no_link() -> None:
    system = tiny_system()
    twin = private_copy(system)
    for role in system.roles:
        assert twin.agents[role].model is system.agents[role].model
        assert twin.agents[role].inner is not system.agents[role].inner
    assert twin.solve("start 7 s1 + 3", rounds=1).answer == system.solve("start 7 s1 + 3", rounds=1).answer
    with torch.no_grad():
        twin.agents["planner"].inner.proj1.weight.zero_()
    assert system.agents["planner"].inner.proj1.weight.abs().max() > 0


def test_a_stall_is_noticed_once_and_a_solved_run_is_none() -> None:
    watch = Lookout()
    said = [watch.see(0.4, share_left=0.5) for _ in range(2 * WAIT)]
    assert [i for i, note in enumerate(said) if note] == [WAIT]
    assert "gold text" in said[WAIT]
    watch = Lookout()
    assert not any(watch.see(0.99, share_left=0.5) for _ in range(2 * WAIT))
    watch = Lookout()
    assert not any(watch.see(0.1 + 0.005 * i, share_left=0.5) for i in range(100))


@pytest.mark.parametrize(
    ("change", "name"),
    [({"steps": 0}, "steps"), ({"lr": 0.0}, "lr"), ({"lr": float("nan")}, "lr"), ({"batch": 2.5}, "batch"),
     ({"supervise": "some"}, "supervise"), ({"weights": (1.0,)}, "weights"), ({"target": 2.0}, "target"),
     ({"handover": -0.1}, "handover"), ({"turns": 0}, "turns")],
)  # fmt: skip
def test_settings_out_of_range_are_refused_by_name(change: dict, name: str) -> None:
    with pytest.raises(rm.BadInput, match=name):
        replace(SHORT, **change)


def test_examples_without_right_turns_are_enough_for_the_papers_loss_alone() -> None:
    bare = [rm.Example(e.question, e.answer, {}) for e in EXAMPLES]
    (step,) = Course(tiny_system(), [Lap("outer", replace(SHORT, steps=1, windows=False))], bare)
    assert step.loss > 0
    for lap in (Lap("outer", SHORT), Lap("teach", SHORT), Lap("inner", SHORT)):
        with pytest.raises(rm.BadInput, match="right turn"):
            next(Course(tiny_system(), [lap], bare))


def test_the_stage_is_over_at_its_target() -> None:
    steps = list(course(tiny_system(), "outer", steps=40, target=0.0, windows=False))
    assert len(steps) == 10
    assert steps[-1].steps == 40


def test_teaching_hands_over_once_the_loop_answers_by_itself() -> None:
    settings = {"target": None, "rounds": 1, "batch": 2}
    assert len(list(course(tiny_system(), "teach", steps=13, handover=0.0, **settings))) == 10
    assert len(list(course(tiny_system(), "teach", steps=13, handover=1.0, **settings))) == 13


def test_a_link_of_ones_own_form_trains_through_the_engine() -> None:
    """The engine takes any module for a link; so does training."""

    class Scale(nn.Module):
        def __init__(self, width: int, out: int) -> None:
            super().__init__()
            self.in_dim, self.out_dim = width, out
            self.map = nn.Linear(width, out)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.map(x)

    system = tiny_system()
    own = {edge: Scale(link.in_dim, link.out_dim) for edge, link in system.links.items()}
    run = course(system.with_links(own), "outer", steps=1, windows=False)
    next(run)
    assert all(run.distance()[edge] > 0 for edge in own)


def test_the_trained_copy_runs_as_the_course_left_it() -> None:
    run = course(tiny_system(), "outer", windows=False)
    list(run)
    trace = run.system.solve(EXAMPLES[0].question, rounds=2, latent_steps=3)
    assert trace.answer is not None
    assert Settings(2, 3).carry is None


def test_of_links_that_were_kept_the_first_and_the_newest_stay() -> None:
    system = tiny_system()
    laps = (Lap("outer", TrainConfig(steps=3, batch=1, rounds=1, latent_steps=2, windows=False, lr=1e-2)),)
    course = Course(system, laps, system.task.sample(2, seed=0, split="train"), every=1, kept=2)
    assert len(list(course)) == 3
    assert course.undo()
    assert not any(course.distance().values())
