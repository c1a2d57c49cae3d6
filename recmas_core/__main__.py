"""The command line: python -m recmas_core {run,intervene,influence,eval,compare,train,pretrain,bench}."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recmas_core.errors import RecmasError

_PLAIN = argparse.RawDescriptionHelpFormatter
_INTERVENE = """\
Run one question, change what one turn sends, run on from there, and print both branches turn by turn: what each
thought says, and the answers. Turns and positions count from 0; the turns of a run stand in the order in which its
agents speak, so with planner, critic and solver turn 4 is the critic's second.

  intervene "start 7 s1 + 5 s2 * 7 s3 - 1" --turn 1 --zero --positions 2
  intervene "start 7 s1 + 5 s2 * 7 s3 - 1" --turn 0 --set "s1 = 4"
  intervene "start 7 s1 + 5 s2 * 7 s3 - 1" --turn 0 --swap "start 5 s1 + 6 s2 + 1"
  intervene "start 7 s1 + 5 s2 * 7 s3 - 1" --turn 0 --cut "planner>critic"
"""
_INFLUENCE = """\
Run one question, and print for each thought how much of the answer's log-probability is lost when that thought alone
is set to zero for all its receivers and everything behind it is computed anew; and the same for each whole turn.
Log-probabilities are in nats, summed over the answer's tokens, each read behind the true ones before it; the end token
is not counted. Where the run called tools, its calls are scored with the answer, and their results are only read.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status (2 for an error the user can mend)."""
    parser = argparse.ArgumentParser(prog="python -m recmas_core", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    _add_run(commands.add_parser("run", help="run one question and print every thought as it is made"))
    about = "run one question, change what a turn sends, run on from there, and print both branches"
    _add_intervene(commands.add_parser("intervene", help=about, description=_INTERVENE, formatter_class=_PLAIN))
    about = "print what each thought of a run was worth to the answer"
    _add_influence(commands.add_parser("influence", help=about, description=_INFLUENCE, formatter_class=_PLAIN))
    _add_eval(commands.add_parser("eval", help="measure a system on fresh held-out questions"))
    _add_compare(
        commands.add_parser("compare", help="a single agent, text and latents side by side, with intervals")
    )
    _add_train(commands.add_parser("train", help="train the links of a system: on a CPU, a GPU, or several"))
    _add_pretrain(commands.add_parser("pretrain", help="make an embedded system from nothing"))
    _add_bench(commands.add_parser("bench", help="time this engine against the alternatives, side by side"))
    options = parser.parse_args(argv)
    from recmas_core import commands as run_commands

    try:
        run_commands.prepare(options.threads)
        options.run(run_commands, options)
    except RecmasError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=int, default=1, help="torch threads (1 is fastest for the tiny agents)")


def _which(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--system", default="sequential",
        help="an embedded system, a folder or repository of one, or released:<style> (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, or auto: each agent over all GPUs")
    about = "float32, bfloat16 or float16 (default: bfloat16 for released systems, else float32)"
    parser.add_argument("--dtype", default=None, help=about)
    parser.add_argument("--bits", type=int, choices=(4, 8), default=None, help="quantise by bitsandbytes")
    parser.add_argument("--task", choices=("math", "code"), default="math", help="which links of a released system")
    about = "a TOML file of prompts for the agents of a released system (see recmas_core/wordings.toml)"
    parser.add_argument("--wordings", type=Path, metavar="FILE", help=about)


def _asked(commands: Any, options: argparse.Namespace) -> Any:
    return commands.Which(
        options.system, device=options.device, dtype=options.dtype, bits=options.bits, task=options.task,
        wordings=options.wordings,
    )  # fmt: skip


def _add_run(parser: argparse.ArgumentParser) -> None:
    _common(parser)
    _which(parser)
    parser.add_argument("question")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--thoughts", type=int, default=None, help="latent thoughts per turn")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--temperature", type=float, default=None, help="0 for the likeliest token; the system's own")
    parser.add_argument("--max-new-tokens", type=int, default=None, help="of one decode; the system's own by default")
    parser.add_argument("--mode", choices=("latent", "text"), default="latent")
    parser.add_argument("--no-tools", action="store_true", help="switch the tools off")
    parser.add_argument("--save", type=Path, help="also write the trace to this npz file")
    parser.set_defaults(
        run=lambda c, o: c.run_question(
            _asked(c, o), o.question, rounds=o.rounds, thoughts=o.thoughts, seed=o.seed, temperature=o.temperature,
            max_new_tokens=o.max_new_tokens, mode=o.mode, tools=not o.no_tools, save=o.save,
        )
    )  # fmt: skip


def _how(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("question")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--thoughts", type=int, default=None, help="latent thoughts per turn")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-tools", action="store_true", help="switch the tools off")


def _how_asked(options: argparse.Namespace) -> dict[str, Any]:
    thoughts = {} if options.thoughts is None else {"latent_steps": options.thoughts}
    return {"rounds": options.rounds, "seed": options.seed, "tools": not options.no_tools, **thoughts}


def _add_intervene(parser: argparse.ArgumentParser) -> None:
    _common(parser)
    _which(parser)
    _how(parser)
    parser.add_argument("--turn", type=int, default=0, help="turn that is changed, from 0; of --cut the first one")
    change = parser.add_mutually_exclusive_group(required=True)
    change.add_argument("--zero", action="store_true", help="remove its thoughts")
    change.add_argument("--noise", type=float, metavar="SIZE", help="add noise of so many times their size")
    change.add_argument("--scale", type=float, metavar="FACTOR", help="multiply them")
    change.add_argument("--swap", metavar="QUESTION", help="take the same turn's thoughts from another question's run")
    about = "put these words in their place, as the receiver embeds them, one for each thought: "
    about += "a longer text is cut, a shorter one begins again"
    change.add_argument("--set", dest="text", metavar="TEXT", help=about)
    change.add_argument("--cut", metavar="SENDER>RECEIVER", help="cut a link: zero in every turn from --turn on")
    parser.add_argument("--positions", type=int, nargs="+", metavar="N", help="only these of its thoughts, from 0")
    parser.add_argument("--receiver", help="only what this role gets")
    parser.set_defaults(run=_intervene)


def _intervene(commands: Any, options: argparse.Namespace) -> None:
    from recmas_core.intervening import Wish, intervene

    wish = Wish(
        options.turn, options.zero, options.noise, options.scale, options.swap, options.text, options.cut,
        None if options.positions is None else tuple(options.positions), options.receiver,
    )  # fmt: skip
    intervene(_asked(commands, options).load(), options.question, wish, **_how_asked(options))


def _add_influence(parser: argparse.ArgumentParser) -> None:
    _common(parser)
    _which(parser)
    _how(parser)
    about = "text whose log-probability is looked at (default: the true answer where it is known, else the run's own)"
    parser.add_argument("--answer", help=about)
    parser.set_defaults(run=_influence)


def _influence(commands: Any, options: argparse.Namespace) -> None:
    from recmas_core.intervening import tell_influence

    tell_influence(_asked(commands, options).load(), options.question, options.answer, **_how_asked(options))


def _add_eval(parser: argparse.ArgumentParser) -> None:
    _common(parser)
    _which(parser)
    parser.add_argument("--n", type=int, default=1000, help="held-out questions")
    parser.add_argument("--seed", type=int, default=2026, help="seed of the sample")
    parser.add_argument("--rounds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--timed", type=int, default=60, help="questions to time one by one")
    parser.set_defaults(
        run=lambda c, o: c.evaluate_system(
            _asked(c, o), n=o.n, seed=o.seed, rounds=tuple(o.rounds), timed=o.timed
        )
    )


def _add_compare(parser: argparse.ArgumentParser) -> None:
    _common(parser)
    parser.add_argument("system", nargs="?", default="sequential", help="an embedded system, or a folder of one")
    parser.add_argument("--n", type=int, default=200, help="held-out questions")
    parser.add_argument("--seed", type=int, default=2026, help="seed of the sample")
    parser.add_argument("--rounds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--timed", type=int, default=20, help="questions to time one by one, the ways in turn")
    parser.set_defaults(run=_compare)


def _compare(commands: Any, options: argparse.Namespace) -> None:
    from recmas_core.comparing_command import compare

    compare(
        commands.Which(options.system), n=options.n, timed=options.timed, seed=options.seed, rounds=options.rounds
    )


def _add_train(parser: argparse.ArgumentParser) -> None:
    from recmas_core.training.arguments import add_arguments

    _common(parser)
    add_arguments(parser)
    parser.set_defaults(run=_train)


def _train(_: object, options: argparse.Namespace) -> None:
    from recmas_core.training.command import train

    train(options)


def _add_pretrain(parser: argparse.ArgumentParser) -> None:
    _common(parser)
    parser.add_argument("pattern", help="sequential, mixture, distillation or deliberation")
    parser.add_argument("--out", type=Path, default=None, help="folder to write to (default: assets/<pattern>)")
    parser.add_argument("--work", type=Path, default=None, help="checkpoints (default: build/pretrain/<pattern>)")
    parser.set_defaults(run=lambda c, o: c.make_system(o.pattern, out=o.out, work=o.work))


def _add_bench(parser: argparse.ArgumentParser) -> None:
    _common(parser)
    parser.add_argument("--repeats", type=int, default=5)
    parts = ("embedded", "large", "stages", "training", "startup", "courses")
    parser.add_argument("--only", choices=parts, nargs="+", default=None, help="courses: only if named, an hour")
    parser.add_argument("--system", default="sequential", help="whose courses are run")
    parser.add_argument("--device", default="cpu", help="cuda: what a latent step takes there, and nothing else")
    parser.set_defaults(
        run=lambda c, o: c.run_bench(repeats=o.repeats, only=o.only, system=o.system, device=o.device)
    )


if __name__ == "__main__":
    sys.exit(main())
