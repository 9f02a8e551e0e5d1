"""Rewards of molecules."""
