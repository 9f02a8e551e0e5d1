"""Docking: AutoDock Vina as a reward."""
