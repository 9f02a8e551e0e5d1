"""Inverse folding: sequences for the backbone of a protein, by ProteinMPNN."""
