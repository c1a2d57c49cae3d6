"""Questions to train on: from an embedded task, a file, a folder, or a data set on the hub."""

from recmas_core.data.columns import ALIASES, Row
from recmas_core.data.sources import read_examples, rows_as_examples
from recmas_core.data.splitting import split_held_out

__all__ = ["ALIASES", "Row", "read_examples", "rows_as_examples", "split_held_out"]
