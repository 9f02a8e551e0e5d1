"""Fixtures of every test: nothing may touch global random state, and Ctrl-C is heard.

Python's own generator is left to test_imports.py: beartype, which checks signatures during the tests, draws from it.
"""

import os
import signal

import numpy as np
import pytest
import torch

from support.allowed_skips import ALLOWED
from support.skips import OnlyAllowedSkips

pytest.register_assert_rewrite("exact")  # before any test that calls its checks is imported


def pytest_configure(config):
    """Any skip that is not allowed fails where SVDD_STRICT_SKIPS=1, as in CI.

    A shell's background jobs, and all that they start, ignore Ctrl-C, which some tests press.
    """
    if os.environ.get("SVDD_STRICT_SKIPS") == "1":
        config.pluginmanager.register(OnlyAllowedSkips(ALLOWED))
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def global_random_state_is_untouched():
    before = torch.get_rng_state().clone(), np.random.get_state()[1].copy()
    yield
    assert torch.equal(before[0], torch.get_rng_state()), "torch's global generator was used"
    assert np.array_equal(before[1], np.random.get_state()[1]), "numpy's global generator was used"
