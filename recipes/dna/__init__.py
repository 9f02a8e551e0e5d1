"""The recipe of the bundled models of regulatory DNA."""
