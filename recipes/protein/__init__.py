"""The recipe of the bundled model of miniproteins."""
