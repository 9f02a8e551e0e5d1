"""Checkpoints of protein language models that were trained to fill in masks, read as masked diffusion."""
