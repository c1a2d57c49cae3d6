"""python -m visualizers maps: fit the maps that are shipped with an embedded system."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 0, or 1 after a message if it could not be done."""
    parser = argparse.ArgumentParser(prog="python -m visualizers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    maps = commands.add_parser("maps", help="fit and write the maps of a system's agents")
    maps.add_argument("--system", default="sequential", help="name or folder of the system")
    maps.add_argument("--out", type=Path, default=None, help="folder to write to (default: maps/ in the system's own)")
    maps.add_argument("--thoughts", type=int, default=1000, help="reference vectors per map")
    maps.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    return _maps(chosen.system, chosen.out, chosen.thoughts, chosen.seed)


def _maps(name: str, out: Path | None, thoughts: int, seed: int) -> int:
    import torch

    import recmas_core as rm
    from visualizers.maps import make_maps

    torch.set_num_threads(1)  # tiny models: more threads only wait for one another
    try:
        system = rm.load_system(name)
        folder = out if out is not None else Path(system.folder or name) / "maps"
        make_maps(system, folder, thoughts=thoughts, seed=seed, say=lambda line: print(line, flush=True))
    except rm.RecmasError as error:
        print(f"Cannot make the maps: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
