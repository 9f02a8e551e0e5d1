"""The checks that `tests/test_mutants.py` proves able to fail, where no other exact test says the same at more length."""

import pytest

from exact import checks


@pytest.mark.slow
def test_svdd_has_its_exact_law():
    checks.svdd_has_its_exact_law(chains=20_000)


@pytest.mark.slow
def test_resampling_always_is_unbiased_and_keeps_the_level():
    for resampler in checks.RESAMPLERS:
        checks.weighted_methods_are_unbiased(selector=getattr(checks.selectors, resampler), chains=500)
