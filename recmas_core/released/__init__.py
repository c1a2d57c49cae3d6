"""The layout of the public release: links as its loader reads them, read back, and folders pushed to the hub."""

from recmas_core.released.layouts import RELEASED, ReleasedLayout, released_layout
from recmas_core.released.pushing import PushFailed, push_folder
from recmas_core.released.reading import read_inner_link, read_outer_links, read_released_links
from recmas_core.released.writing import save_released

__all__ = [
    "RELEASED", "PushFailed", "ReleasedLayout", "push_folder", "read_inner_link",
    "read_outer_links", "read_released_links", "released_layout", "save_released",
]  # fmt: skip
