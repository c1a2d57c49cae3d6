"""Training the links of a system, agents frozen: stages as iterators of `TrainStep`, and courses of them."""

from recmas_core.training.config import TrainConfig
from recmas_core.training.course import Course, Lap
from recmas_core.training.fitting import align_outer, shared_words, train_inner
from recmas_core.training.forced import teacher_forced
from recmas_core.training.outer import train_outer
from recmas_core.training.recipes import RECIPES, Recipe, recipe
from recmas_core.training.stages import STAGES, StageInfo
from recmas_core.training.starts import damaged, fresh_links, private_copy
from recmas_core.training.teach import teach_outer

__all__ = [
    "RECIPES", "STAGES", "Course", "Lap", "Recipe", "StageInfo", "TrainConfig", "align_outer", "damaged", "fresh_links",
    "private_copy", "recipe", "shared_words", "teach_outer", "teacher_forced", "train_inner", "train_outer",
]  # fmt: skip
