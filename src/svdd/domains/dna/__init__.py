"""DNA: a bundled enhancer model and its rewards."""
