"""Images: the bundled pipeline, diffusers' pipelines and checkpoints, rewards, measures, files."""
