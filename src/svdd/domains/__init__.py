"""Domains: what designs are, the bundled models, rewards, measures and pictures of each."""
