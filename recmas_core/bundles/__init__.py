"""One file up and down: a system's folder as a zip, and a stranger's zip, checked, as a system's folder."""

from recmas_core.bundles.packing import pack_system
from recmas_core.bundles.unpacking import LIMIT_MB, unpack_system
from recmas_core.bundles.whole import whole_folder

__all__ = ["LIMIT_MB", "pack_system", "unpack_system", "whole_folder"]
