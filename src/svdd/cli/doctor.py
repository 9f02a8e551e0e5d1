"""What this machine has: versions and extras, as packages' own metadata say, without an import of them.

A deep look imports them, loads whatever is bundled, and runs the checks of the domains.
"""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from svdd.cli.extras import PURPOSES, missing_packages
from svdd.cli.sentences import sentence
from svdd.messages import check

PACKAGES = ("svdd", "torch", "numpy", "pandas", "pyarrow", "safetensors", "typer", "rich", "pydantic")
_ENTRY = dict[str, Any]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _versions() -> list[_ENTRY]:
    rows = [{"check": "python", "ok": True, "says": platform.python_version()}]
    found = {package: _version(package) for package in PACKAGES}
    return rows + [{"check": k, "ok": v is not None, "says": v or "not installed"} for k, v in found.items()]


def _extras() -> list[_ENTRY]:
    rows = []
    for extra, purpose in PURPOSES.items():
        missing = missing_packages(extra)
        remedy = f'missing {", ".join(missing)}: pip install "svdd[{extra}]"' if missing else "present"
        rows.append({"check": f"extra {extra}", "ok": not missing, "says": f"{remedy} ({purpose})"})
    return rows


def _cores() -> list[_ENTRY]:
    says = f"{os.cpu_count()} cores; --deep looks for devices, loads every model and reward and tries what else is here"
    return [{"check": "compute", "ok": True, "says": says}]


def _devices() -> list[_ENTRY]:
    import torch

    devices = ["cpu", *(f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count()))]
    threads = f"{torch.get_num_threads()} threads of torch on {os.cpu_count()} cores"
    return [{"check": "compute", "ok": True, "says": f"{threads}; devices: {', '.join(devices)}"}]


def _bundled() -> list[_ENTRY]:
    from svdd.registry import MODELS, REWARDS, load, load_reward, needed

    def tried(kind: str, name: str) -> _ENTRY:
        try:
            if kind == "reward" and (options := needed(name)):
                return {"check": f"reward {name}", "ok": True, "says": f"needs {', '.join(options)}"}
            (load if kind == "model" else load_reward)(name)
        except ImportError as error:  # an extra is missing, which not everybody needs
            return {"check": f"extra of {kind} {name}", "ok": False, "says": sentence(error)}
        except Exception as error:  # whatever is wrong with one of them is what this command is asked for
            return {"check": f"{kind} {name}", "ok": False, "says": sentence(error)}
        return {"check": f"{kind} {name}", "ok": True, "says": "loads"}

    return [tried("model", name) for name in MODELS] + [tried("reward", name) for name in REWARDS]


def _of_domains() -> list[_ENTRY]:
    from svdd.registry import domains, resolve

    return [row for one in domains() if one.checks for row in resolve(one.checks)()]


def examine_reward(reward: str | None, model: str | None, options: Sequence[str]) -> list[_ENTRY]:
    """What can be said of a reward on designs of a model, one row a check.

    Raises:
        ValueError: where one of the two is missing, and for what is unknown or does not fit together.
    """
    from svdd.cli.flags import settings
    from svdd.runs.job import Job, make_job
    from svdd.runs.rehearsal import rehearsed_reward

    check(reward and model, "a reward is tried on designs of a model: give both --reward and --model")
    given = {"reward": reward, "model": model, "reward_option": list(options)}
    return rehearsed_reward(make_job(settings(Job, given, {})))


def examine(deep: bool) -> list[_ENTRY]:
    """One row a check: its name, whether it is well, and what there is to say.

    Args:
        deep: whether packages are imported and weights loaded.
    """
    looked = [*_versions(), *_extras()]
    return [*looked, *_devices(), *_bundled(), *_of_domains()] if deep else [*looked, *_cores()]
