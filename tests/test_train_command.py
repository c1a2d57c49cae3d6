"""The train command: it trains, says how it goes, resumes bit for bit whatever stopped it, and refuses clearly."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from tiny import tiny_system

import recmas_core as rm
from recmas_core.__main__ import main
from recmas_core.engine import Settings
from recmas_core.evaluation import ANSWER_TOKENS, measure
from recmas_core.released import read_released_links
from recmas_core.training import damaged
from recmas_core.training.runfolder import RunFolder

ROOT = Path(__file__).resolve().parent.parent
STEPS = 6 + 2 + 3  # the inner loop makes 2 for each of three agents


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random system in a folder."""
    folder = tmp_path_factory.mktemp("system") / "tiny"
    tiny_system(("llama", "qwen3", "qwen2")).save(folder)
    return folder


@pytest.fixture(autouse=True)
def _a_process_of_its_own() -> Iterator[None]:
    """Accelerate keeps the precision of a process's first run."""
    yield
    AcceleratorState._reset_state(True)


def small(system: Path) -> list[str]:
    """A whole course in a second."""
    text = (
        f"--system {system} --limit 40 --held-out 4 --held-out-rounds 2 --answer-tokens 8 --stages inner teach outer "
        "--steps inner=2 teach=2 outer=3 --batch 8 --rounds 2 --every 6 --checkpoint-every 2"
    )
    return text.split()


def train(out: Path, *arguments: str) -> tuple[int, str]:
    """The exit status and what was printed."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        status = main(["train", "--out", str(out), *arguments])
    return status, printed.getvalue()


@pytest.fixture(scope="module")
def whole(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run that nothing stopped: its folder and what it printed."""
    out = tmp_path_factory.mktemp("whole") / "run"
    status, printed = train(out, *small(tiny))
    AcceleratorState._reset_state(True)
    assert status == 0
    return out, printed


def links(folder: Path) -> dict[str, torch.Tensor]:
    """Every number of every link of a system folder."""
    system = rm.load_system(str(folder))
    inner = {role: agent.inner for role, agent in system.agents.items()}
    outer = {"->".join(edge): link for edge, link in system.links.items()}
    every = {**inner, **outer}
    return {f"{key}.{name}": value for key, link in every.items() for name, value in link.state_dict().items()}


def same(a: Path, b: Path) -> bool:
    """Whether two systems have the same links, bit for bit."""
    ours, theirs = links(a), links(b)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


def steps(folder: Path) -> list[dict[str, object]]:
    """The steps of a run, without the time they took."""
    rows = [json.loads(line) for line in (folder / "steps.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def test_every_link_is_trained_and_the_given_system_is_not_touched(whole: tuple[Path, str], tiny: Path) -> None:
    before, after = links(tiny), links(whole[0])
    moved = {key.split(".")[0] for key in before if not torch.equal(before[key], after[key])}
    assert moved == {key.split(".")[0] for key in before}
    assert same(tiny, tiny)
    assert not (tiny / "run.json").exists()


def test_every_step_is_written_down(whole: tuple[Path, str]) -> None:
    rows = steps(whole[0])
    assert [row["done"] for row in rows] == list(range(1, STEPS + 1))
    assert [row["stage"] for row in rows] == ["inner"] * 6 + ["teach"] * 2 + ["outer"] * 3
    assert {tuple(norm[1:3]) for norm in rows[6]["grad_norms"]} == set(rm.load_system(str(whole[0])).links)
    assert [len(row["held_out"]) for row in rows] == [0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1]


def test_a_line_says_how_it_goes(whole: tuple[Path, str]) -> None:
    said = [line for line in whole[1].splitlines() if re.match(r"(inner|teach|outer) +\d", line)]
    assert len(said) == 3
    number = r"\d\.\d+(?:e[-+]\d+)?"
    wilson = rf"{number} \({number} to {number}\)"
    form = rf"outer 3/3  window 2  loss {number}  right {number}  rate {number}  held out: 2r {wilson}  "
    assert re.match(form, said[-1])
    assert said[-1].endswith("at most 0:00 left in this stage")


def test_the_table_holds_what_the_systems_really_answer(tmp_path: Path) -> None:
    """With damaged links before and after two steps, where some answers are right and some wrong."""
    asked = "--stages outer --steps 2 --no-windows --batch 4 --limit 20 --damage 0.5 --held-out 30 --held-out-rounds 2"
    status, printed = train(tmp_path / "run", *asked.split())
    assert status == 0
    cells = [cell.strip() for cell in printed.partition("| rounds |")[2].splitlines()[2].split("|")[1:-1]]
    questions = rm.TASKS["chain"].sample(30, seed=0, split="test")
    for column, system in (
        (1, damaged(rm.load_system("sequential"), sigma=0.5, seed=0)),
        (3, rm.load_system(str(tmp_path / "run"))),
    ):
        settings = Settings(2, system.latent_steps, "latent", ANSWER_TOKENS)
        assert cells[column] == f"{measure(system, questions, settings, name='').accuracy:.3f}"
    assert cells[0] == "2"
    assert 0 < float(cells[1]) < 1


KILLED = """
import os, signal, sys
from recmas_core.__main__ import main
from recmas_core.training.runfolder import RunFolder

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def write_line(folder, step, real=RunFolder.append_step):
    real(folder, step)
    if step["done"] == 7:
        die()

syncs = []
def sync(number, real=os.fsync):  # in the middle of the third checkpoint
    syncs.append(number)
    die() if len(syncs) == 3 else real(number)

if sys.argv[1] == "between steps":
    RunFolder.append_step = write_line
else:
    os.fsync = sync
main(["train", *sys.argv[2:]])
"""


@pytest.mark.parametrize("moment", ["between steps", "while a checkpoint is written"])
def test_a_killed_run_goes_on_bit_for_bit(moment: str, whole: tuple[Path, str], tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-c", KILLED, moment, "--out", str(out), *small(tiny)]
    killed = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert killed.returncode == -signal.SIGKILL
    assert not (out / "system.json").exists()
    status, printed = train(out, "--resume")
    assert status == 0
    assert "did not end by itself" in printed
    assert same(out, whole[0])
    assert steps(out) == steps(whole[0])
    assert not list(out.glob(".*.half"))


def test_ctrl_c_keeps_the_step_it_came_in(
    whole: tuple[Path, str], tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"

    def interrupted(folder: RunFolder, step: dict[str, object], real: object = RunFolder.append_step) -> None:
        real(folder, step)
        if step["done"] == 9:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(RunFolder, "append_step", interrupted)
    status, printed = train(out, *small(tiny))
    assert status == 130
    assert "Stopped behind step 9" in printed
    monkeypatch.undo()
    status, printed = train(out, "--resume")
    assert "Going on behind step 9" in printed
    assert same(out, whole[0])


def test_a_finished_run_that_is_resumed_stays_as_it_is(whole: tuple[Path, str], tmp_path: Path) -> None:
    out = Path(shutil.copytree(whole[0], tmp_path / "run"))
    assert train(out, "--resume")[0] == 0
    assert same(out, whole[0])
    assert steps(out) == steps(whole[0])


CHANGES = {
    "--lr": ["--lr", "0.5"],
    "--steps": ["--steps", "inner=2", "teach=2", "outer=4"],
    "--system": ["--system", "sequential"],
    "--windows": ["--no-windows"],
    "--seed": ["--seed", "1"],
}


@pytest.mark.parametrize("flag", CHANGES)
def test_resuming_with_other_settings_is_refused(
    flag: str, whole: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(whole[0], "--resume", *CHANGES[flag])[0] == 2
    assert f"error: {flag} is " in capsys.readouterr().err


def test_resuming_with_the_same_settings_is_not(whole: tuple[Path, str], tiny: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(whole[0], tmp_path / "run"))
    assert train(out, "--resume", *small(tiny))[0] == 0


def rows(path: Path, n: int = 12) -> Path:
    """A file of questions with answers alone."""
    examples = rm.TASKS["chain"].sample(n, seed=3, split="train")
    text = "".join(json.dumps({"question": e.question, "answer": e.answer}) + "\n" for e in examples)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_of_questions_and_answers(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Some are held out; and the run notices when it is resumed with another file under the name."""
    data, out = rows(tmp_path / "mine.jsonl"), tmp_path / "run"
    asked = f"--system {tiny} --data {data} --stages outer --steps 1 --rounds 1 --batch 2 --no-windows --held-out 4"
    status, printed = train(out, *asked.split())
    assert status == 0
    assert "8 examples, 4 held out" in printed
    rows(data, 13)
    assert train(out, "--resume")[0] == 2
    assert "error: data, examples is 9 now, but was 8" in capsys.readouterr().err


def test_a_system_without_a_world_of_its_own(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It needs data, and its answers are graded as any text's are."""
    system = rm.load_system(str(tiny))
    system.task = None
    system.save(tmp_path / "wide")
    asked = f"--system {tmp_path / 'wide'} --stages outer --steps 1 --rounds 1 --batch 2 --no-windows --held-out 4"
    assert train(tmp_path / "run", *asked.split())[0] == 2
    assert "--data was not given" in capsys.readouterr().err
    asked += f" --data {rows(tmp_path / 'mine.jsonl')} --held-out-rounds 1 --answer-tokens 2"
    status, printed = train(tmp_path / "run", *asked.split())
    assert status == 0
    assert printed.partition("| rounds |")[2].splitlines()[2].split("|")[-2].strip() == "4"


def test_an_earlier_run_is_not_overwritten(
    whole: tuple[Path, str], tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(whole[0], *small(tiny))[0] == 2
    assert "holds an earlier run" in capsys.readouterr().err


REFUSED = {
    "an unknown system": (["--system", "nowhere"], "nowhere"),
    "no such data": (["--data", "nowhere.jsonl"], "nowhere.jsonl"),
    "a word for a number": (["--lr", "fast"], "--lr is 'fast'"),
    "out of range": (["--lr", "-1"], "lr is -1"),
    "a stage that is not in the course": (["--recipe", "repair", "--steps", "inner=3"], "--steps has 'inner=3'"),
    "stages and a recipe": (["--recipe", "repair", "--stages", "outer"], "--stages"),
    "a form for links that are not new": (["--variant", "paper"], "--variant"),
    "columns without names": (["--columns", "problem"], "--columns has 'problem'"),
    "less than no questions": (["--held-out", "-1"], "--held-out"),
    "no steps between checkpoints": (["--checkpoint-every", "0"], "--checkpoint-every"),
    "nothing to resume": (["--resume"], "run.json"),
    "agents in 16 bits and nothing else": (["--dtype", "bfloat16", "--precision", "no"], "--dtype"),
    "half precision": (["--precision", "fp16", "--stages", "outer"], "fp16"),
    "links of a form the release does not have": (["--released", "--fresh", "--variant", "paper"], "--released"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_done_is_one_line_and_status_2(
    case: str, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, word = REFUSED[case]
    asked = ["--system", str(tiny), "--limit", "8", "--held-out", "0", *arguments]
    assert train(tmp_path / "run", *(arguments if "--resume" in arguments else asked))[0] == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("error: ")
    assert word in said


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(tmp_path / "run", "--device", "cuda")[0] == 2
    assert "no GPU" in capsys.readouterr().err


def test_a_run_that_diverges_leaves_the_last_good_links(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Links of weights so great that their sums are not finite stand in for a rate that is too high."""
    broken = rm.load_system(str(tiny))
    broken.links["critic", "solver"].proj1.weight.data.fill_(3e38)
    broken.save(tmp_path / "broken")
    asked = f"--system {tmp_path / 'broken'} --limit 8 --held-out 0 --stages inner outer --steps 1 --batch 2 --rounds 1"
    assert train(tmp_path / "run", *asked.split())[0] == 2
    assert "last good ones. A system with those is in" in capsys.readouterr().err
    after, before = links(tmp_path / "run"), links(tiny)
    assert not torch.equal(after["planner.proj1.weight"], before["planner.proj1.weight"])
    assert torch.equal(after["planner->critic.proj1.weight"], before["planner->critic.proj1.weight"])


def test_new_links_of_another_form(tiny: Path, tmp_path: Path) -> None:
    """Untrained edges stay marked as such until they are trained."""
    out = tmp_path / "run"
    asked = f"--system {tiny} --fresh outer --variant one_layer --limit 8 --held-out 0 --steps 1 --batch 2 --rounds 1"
    assert train(out, *asked.split(), "--stages", "outer", "--no-windows")[0] == 0
    system = rm.load_system(str(out))
    assert {link.variant for link in system.links.values()} == {rm.LINK_VARIANTS["one_layer"]}
    assert torch.equal(links(out)["planner.proj1.weight"], links(tiny)["planner.proj1.weight"])
    assert system.untrained == {("solver", "planner")}  # one round has no feedback


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_mixed_precision_keeps_links_in_full(dtype: str, tiny: Path, tmp_path: Path) -> None:
    asked = (
        f"--system {tiny} --limit 8 --held-out 2 --held-out-rounds 1 --answer-tokens 2 --steps 1 --batch 2 --rounds 2"
    )
    how = ["--stages", "inner", "outer", "--precision", "bf16", "--dtype", dtype]
    assert train(tmp_path / "run", *asked.split(), *how)[0] == 0
    values = links(tmp_path / "run").values()
    assert any(not torch.equal(value, value.bfloat16().float()) for value in values)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["precision"] == "bf16"


def test_the_released_layout_and_the_hub(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is pushed is the system alone: no checkpoints, no record of the run."""
    pushed: list[str] = []
    monkeypatch.setattr(
        "recmas_core.released.push_folder",
        lambda folder, repository: pushed.extend([repository, *sorted(path.name for path in folder.iterdir())]),
    )
    asked = f"--system {tiny} --limit 8 --held-out 0 --steps 1 --batch 2 --rounds 1 --stages outer --released"
    assert train(tmp_path / "run", *asked.split(), "--push-to-hub", "me/mine")[0] == 0
    assert pushed == ["me/mine", "critic", "links", "planner", "solver", "system.json"]
    pattern = rm.PATTERNS["sequential"]
    inner, outer = read_released_links(tmp_path / "run-released", pattern, "math")
    assert set(outer) == {edge.key for edge in pattern.edges}
    assert set(inner) == {"planner", "critic", "solver"}


def test_two_processes_make_the_steps_of_one(
    whole: tuple[Path, str], tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the CPU by torchrun, over gloo: each takes half of every batch; one of them prints and writes."""
    out = tmp_path / "run"
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "0"]
    command += ["--rdzv_backend", "c10d", "--rdzv_endpoint", "localhost:0", "-m", "recmas_core", "train"]
    done = subprocess.run(
        [*command, "--out", str(out), *small(tiny), "--device", "cpu"], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2 processes" in done.stdout
    assert done.stdout.count("inner 6/6") == 1
    ours, alone = steps(out), steps(whole[0])
    assert [row["done"] for row in ours] == [row["done"] for row in alone]
    for row, other in zip(ours[:7], alone[:7], strict=True):  # the first step that is taught draws as one does
        assert row["loss"] == pytest.approx(other["loss"], rel=1e-4)
        assert row["grad_norms"][0][3] == pytest.approx(other["grad_norms"][0][3], rel=1e-3)
    assert train(out, "--resume")[0] == 2
    assert "error: processes is 1 now, but was 2" in capsys.readouterr().err
