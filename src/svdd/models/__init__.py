"""Networks and pretrained models."""
