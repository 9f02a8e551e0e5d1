"""Checks of identities: what changes the numbers of a reward makes another reward of it in score files."""

import importlib.metadata
from unittest.mock import patch

from svdd.registry import origin
from svdd.scoring.identity import reward_identity


def an_upgrade_makes_another_identity():
    """Another release of RDKit is another QED, and the same hepg2."""
    identities = {}
    for release in ("2024.3", "2025.9"):
        with patch.object(importlib.metadata, "version", lambda package, release=release: release):
            identities[release] = [reward_identity(origin(name, {})) for name in ("qed", "hepg2")]
    (old_qed, old_hepg2), (new_qed, new_hepg2) = identities.values()
    assert old_qed != new_qed
    assert old_hepg2 == new_hepg2
