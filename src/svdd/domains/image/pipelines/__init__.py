"""Pipelines: diffusers pipelines, run unmodified and steered towards a reward."""
