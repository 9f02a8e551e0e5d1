"""Golden cases that may differ from the reference, each with the reason: the fault that was mended."""

ALLOWED: dict[str, str] = {}
