"""Golden cases, and parts of all cases, that may differ from the reference, each with the reason: the fault that was mended."""

import yaml

ALLOWED: dict[str, str] = {
    "run-value": "the card of a value names its reward, which was the name of a function inside",
    "failures": "the cost of a further score is counted where nothing is shared, too",
    "steer-stable-batches": "`samples` in the settings counts all designs that `return_all` returns",
    "graphs": "the record of a GDSS model names its weights",
    "model-options": "a precision that is slower than float32 on this processor is said in a warning",
}
BOUNDS = ("_low", "_high")
"""Ends of columns that no case has any more: there is no interval below 8 chains."""
FEW = ("notes", "fcd", "fcd_floor", "image_distance", "image_distance_floor")
"""What else cases of few designs lack, or say: there is no Fréchet distance below 500 designs, and a note gives the reason."""
SETTINGS = ("reward", "value", "length", "block_length")
"""Settings of a result that have another name now, or that decodings from Python had not: the reward, the value, and the steps
of a block."""
NUMBERS = ("schema", "streams", "pool")
"""What files of runs and comparisons hold now: how they were written, and how large a comparison's pool is."""
JOB = "job.yaml"
"""Its settings have another order now."""
DECODED = "decode"
"""In a bill: equal rows are decoded once now, in every case of tokens."""
MARK = ".svdd"
"""What a folder of a run holds now: the mark that tells which files are ours."""


def without_what_may_differ(data):
    """Plain data without the parts that may differ in any case."""
    if isinstance(data, dict):
        kept = {
            name: one for name, one in data.items() if name not in (*FEW, *NUMBERS) and not str(name).endswith(BOUNDS)
        }
        if isinstance(kept.get("model"), dict):  # a model whose designs no domain measures names none now
            kept["model"] = {name: one for name, one in kept["model"].items() if name != "domain"}
        if isinstance(kept.get(JOB), str):
            kept[JOB] = {name: one for name, one in yaml.safe_load(kept[JOB]).items() if name not in NUMBERS}
        if isinstance(kept.get("settings"), dict):
            kept["settings"] = {name: one for name, one in kept["settings"].items() if name not in SETTINGS}
        if isinstance(kept.get("usage"), dict):
            kept["usage"] = {name: one for name, one in kept["usage"].items() if name != DECODED}
        return {name: without_what_may_differ(one) for name, one in kept.items()}
    if isinstance(data, list):
        return [without_what_may_differ(one) for one in data if not (isinstance(one, str) and one == MARK)]
    return data
