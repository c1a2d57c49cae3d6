"""The command line: python -m recmas_core {run,eval,compare,train,pretrain,bench}."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recmas_core.errors import RecmasError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status (2 for an error the user can mend)."""
    parser = argparse.ArgumentParser(prog="python -m recmas_core", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    _add_run(commands.add_parser("run", help="run one question and print every thought as it is made"))
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
