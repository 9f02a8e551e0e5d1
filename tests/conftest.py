"""Fixtures of every test: nothing may touch global random state.

Python's own generator is left to test_imports.py: beartype, which checks signatures during the tests, draws from it.
"""

import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True)
def global_random_state_is_untouched():
    before = torch.get_rng_state().clone(), np.random.get_state()[1].copy()
    yield
    assert torch.equal(before[0], torch.get_rng_state()), "torch's global generator was used"
    assert np.array_equal(before[1], np.random.get_state()[1]), "numpy's global generator was used"
