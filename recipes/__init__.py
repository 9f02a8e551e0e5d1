"""Recipes that train the bundled models from public data."""
