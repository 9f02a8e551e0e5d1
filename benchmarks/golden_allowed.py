"""Golden cases that may differ from the reference, each with the reason: the fault that was mended."""

ALLOWED: dict[str, str] = {
    "failures": "the cost of a further score is counted where nothing is shared, too",
    "steer-stable-batches": "`samples` in the settings counts all designs that `return_all` returns",
}
