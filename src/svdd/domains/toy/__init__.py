"""Toy processes whose exact answers are known."""
