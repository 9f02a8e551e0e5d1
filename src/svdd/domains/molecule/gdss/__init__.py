"""GDSS: checkpoints of a graph diffusion of molecules."""
