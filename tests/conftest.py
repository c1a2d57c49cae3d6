"""Fixtures for the engine's tests. Everything runs on the CPU, in float32, with one thread."""

from __future__ import annotations

import pytest
import torch
from tiny import MIXED, tiny_system
from transformers.utils import logging as transformers_logging

import recmas_core as rm

torch.set_num_threads(1)
transformers_logging.disable_progress_bar()


@pytest.fixture(scope="session")
def system() -> rm.System:
    """Qwen3, Mistral and Gemma3 together. Shared: a test that changes it makes its own."""
    return tiny_system(MIXED[0])


@pytest.fixture
def own_system() -> rm.System:
    """The same system, to be changed by one test."""
    return tiny_system(MIXED[0])
