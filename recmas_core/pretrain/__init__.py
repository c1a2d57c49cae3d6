"""How the embedded agents and their links are made from nothing, reproducibly."""

from recmas_core.pretrain.making import Made, Progress, pretrain, train_links
from recmas_core.pretrain.recipes import RECIPES, AgentRecipe, SystemRecipe
from recmas_core.pretrain.teaching import TeachStep

__all__ = ["RECIPES", "AgentRecipe", "Made", "Progress", "SystemRecipe", "TeachStep", "pretrain", "train_links"]
