"""Rewards: callables from decoded samples to one number each."""
