"""The recipe of the bundled models of molecules."""
