"""Measures of molecules."""
