"""What `svdd doctor` says of docking: whether it works here, and which receptors are there."""

from typing import Any

from svdd.domains.molecule.docking.autodock import tried_out
from svdd.domains.molecule.docking.receptors import TARGETS, receptor_file, receptors_folder

_HOW = (
    "mk_prepare_receptor.py --read_pdb NAME.pdb -o NAME -p writes NAME.pdbqt from a structure with its hydrogens; name "
    "histidines HID, HIE or HIP (not HSD, HSE, HSP), and add --delete_bad_res to leave out residues that it does not know"
)


def checks() -> list[dict[str, Any]]:
    """Rows of `check`, `ok` and `says`."""
    folder = receptors_folder()
    here = [name for name in TARGETS if receptor_file(name, folder)]
    absent = [name for name in TARGETS if name not in here]
    found = f"in {folder}: {', '.join(here) or 'none'}" + (f"; not there: {', '.join(absent)}" if absent else "")
    return [
        _works(),
        {"check": "extra docking: receptors", "ok": not absent, "says": found},
        {"check": "extra docking: a receptor of your own", "ok": True, "says": _HOW},
    ]


def _works() -> dict[str, Any]:
    try:
        works, says = True, f"AutoDock Vina {tried_out()} docks"
    except (ImportError, RuntimeError, ValueError) as error:
        works, says = False, str(error)
    return {"check": "extra docking: works", "ok": works, "says": says}
