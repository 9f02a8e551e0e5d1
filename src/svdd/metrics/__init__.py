"""Measures of decoded samples."""
