"""Folding: how a sequence folds, and how sure a network is of it."""
