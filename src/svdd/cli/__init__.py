"""The command line: `svdd run`, `resume`, `demo`, and lists of what there is."""
