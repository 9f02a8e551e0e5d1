"""The recipe of the bundled models of 5'UTRs."""
