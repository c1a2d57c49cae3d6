"""The KV cache of a reader. Imported when the first one is made: transformers' cache classes take a second to load."""

from __future__ import annotations

import copy

from torch import Tensor
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer, LinearAttentionLayer

_APPENDING = (DynamicLayer, DynamicSlidingWindowLayer)  # make new tensors as they grow, never write into the old


class _AssignedState(LinearAttentionLayer):
    """Keeps each new recurrent state as it comes. The original writes over the last one, which backward still needs."""

    def update_recurrent_state(self, recurrent_states: Tensor, state_idx: int = 0, **kwargs: object) -> Tensor:
        self.recurrent_states[state_idx] = recurrent_states
        self.is_recurrent_states_initialized[state_idx] = True
        return recurrent_states


def new_cache(model: PreTrainedModel) -> DynamicCache:
    """An empty cache with a layer of the right kind for each of the model's."""
    cache = DynamicCache(config=model.config)
    cache.layers = [_AssignedState() if type(layer) is LinearAttentionLayer else layer for layer in cache.layers]
    return cache


def fork_cache(cache: DynamicCache) -> DynamicCache:
    """A copy that goes on by itself. Layers that only ever append share what they hold; others are copied whole."""
    twin = copy.copy(cache)
    twin.layers = [copy.copy(each) if type(each) in _APPENDING else copy.deepcopy(each) for each in cache.layers]
    return twin
