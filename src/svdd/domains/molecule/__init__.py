"""Molecules: the bundled model, GDSS, docking, properties, files, pictures."""
