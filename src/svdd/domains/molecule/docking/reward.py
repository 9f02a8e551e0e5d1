"""Docking: how well a molecule binds a protein, by AutoDock Vina in worker processes."""

import math
import multiprocessing
import tempfile
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from svdd.domains.molecule.docking.autodock import Docker, Request, Search, check_installed
from svdd.domains.molecule.docking.ligands import posed
from svdd.domains.molecule.docking.receptors import Receptor, find_receptor, is_receptor_file
from svdd.domains.molecule.rewards.molecule_reward import read
from svdd.registry import PathWhere
from svdd.rewards.worker_pool import cores
from svdd.rewards.worker_pool import workers as in_workers
from svdd.scoring.components import as_component
from svdd.scoring.policy import IN_WORKERS, Policy
from svdd.scoring.reward import Ask, Derive, Failure, Invalid, Reward, hand_over
from svdd.scoring.scorer import ComponentScorer, Scorer

NAME = "vina"
"""Of the column of scores."""
_AT_ONCE = 16  # molecules a process; a killed run loses the scores of at most so many


@dataclass(eq=False, repr=False)
class VinaScores:
    """Vina scores of molecules in worker processes (kcal/mol, lower is better); `Invalid` where one cannot be docked.

    Args:
        receptor: where to dock.
        search: how hard to look.
        processes: workers; 0 docks here, as does whoever is a worker already.
        timeout: seconds a molecule may take.
        memory_mb: memory that a worker may take beyond the maps.
        policy: what failures mean.
    """

    receptor: Receptor
    search: Search
    processes: int
    timeout: float
    memory_mb: float | None
    policy: Policy

    def __post_init__(self) -> None:
        docker, self.pool = Docker(self.receptor, self.search), None
        if multiprocessing.parent_process() is not None:
            docker.start()  # before the first molecule's time runs
        elif self.processes:
            self.pool = in_workers(docker, self.processes, batch=1, timeout=self.timeout, memory_mb=self.memory_mb)
            self.at_once = _AT_ONCE * self.processes
        self._docker: Reward = self.pool or docker

    def __reduce__(self) -> Any:
        return VinaScores, tuple(getattr(self, one.name) for one in fields(self))

    def __call__(self, designs: Sequence[str]) -> Any:
        """A score for each molecule; failures are settled by the policy."""
        return Scorer(self, share=False)(designs)

    def submit(self, designs: Sequence[str]) -> "_Later":
        """Hands molecules over; `result()` is a list with a score, `Invalid`, or a `Failure` for each."""
        smiles = [_canonical(design) for design in designs]
        molecules = dict.fromkeys(one for one in smiles if isinstance(one, str))
        longest_first = sorted(molecules, key=len, reverse=True)  # so that processes end together
        answer = hand_over(self._docker, longest_first)

        def scores() -> list[Any]:
            found = dict(zip(longest_first, answer.result(), strict=True)) if longest_first else {}
            return [one if isinstance(one, Invalid) else found[one] for one in smiles]

        return _Later(scores)

    @property
    def identity(self) -> str:
        """What decides a score: the receptor's atoms and box, the search, and the releases of all that takes part."""
        releases = f"vina {check_installed()} meeko {version('meeko')} rdkit {version('rdkit')}"
        return f"{releases} {self.receptor.identity} {self.search}"

    @staticmethod
    def key(design: str) -> Hashable:
        """The canonical SMILES: however a molecule is written, it is docked once."""
        smiles = _canonical(design)
        return design if isinstance(smiles, Invalid) else smiles

    def close(self) -> None:
        """Ends the processes; a later call starts new ones."""
        if self.pool is not None:
            self.pool.close()

    def poses(self, designs: Sequence[str]) -> list[Any]:
        """See `Docking.poses`."""
        with tempfile.TemporaryDirectory(prefix="svdd-") as folder:
            given = [_canonical(design) for design in designs]
            molecules = list(dict.fromkeys(one for one in given if isinstance(one, str)))
            asked = [Request(smiles, str(Path(folder) / f"{row}.pdbqt")) for row, smiles in enumerate(molecules)]
            scores = hand_over(self._docker, asked).result() if asked else []
            found = {one.smiles: _pose(one, score) for one, score in zip(asked, scores, strict=True)}
            return [found[one] if isinstance(one, str) else None for one in given]


class _Later:
    """Numbers on their way."""

    def __init__(self, result: Callable[[], list[Any]]) -> None:
        self.result = result


def _heavy_atoms(designs: Sequence[str], columns: Mapping[str, list[Any]]) -> list[float]:
    """How many heavy atoms each molecule has; NaN for what is none."""
    return [math.nan if isinstance(one, Invalid) else float(one.GetNumHeavyAtoms()) for one in read(designs)]


def _efficiency(designs: Sequence[str], columns: Mapping[str, list[Any]]) -> list[float]:
    """Minus the Vina score per heavy atom, kcal/mol; NaN where there is no score."""
    scores = [math.nan if isinstance(one, Failure) else float(one) for one in columns[NAME]]
    atoms = _heavy_atoms(designs, columns)
    return [-score / n if math.isfinite(score) else math.nan for score, n in zip(scores, atoms, strict=True)]


DERIVED: Mapping[str, Derive] = {"ligand_efficiency": _efficiency, "heavy_atoms": _heavy_atoms}
"""The columns beside that of scores."""


class Affinity:
    """Minus the Vina score, at least 0.

    Args:
        scores: what it is made of, its one component.
        scorer: the one way to them.
    """

    def __init__(self, scores: VinaScores, scorer: ComponentScorer) -> None:
        self._scores, self._scorer = scores, scorer
        self.components: Mapping[str, Reward] = {NAME: scores}
        self.derived = DERIVED

    def asking(self, ask: Ask) -> "Affinity":
        """The same reward, its scores called through what `ask` makes of them."""
        return Affinity(self._scores, as_component(ask(NAME, self._scorer.reward), NAME))

    def table(self, designs: Sequence[str]) -> dict[str, list[Any]]:
        """The scores themselves, as a column."""
        return {NAME: self._scorer.submit(designs).result()}

    def __call__(self, designs: Sequence[str]) -> Any:
        """A number for each molecule, `Invalid` or a `Failure`."""
        return [_reward(score) for score in self._scorer.submit(designs).result()]


class Docking(Affinity):
    """A docking reward; see `docking`."""

    key = staticmethod(VinaScores.key)

    def __init__(self, scores: VinaScores) -> None:
        super().__init__(scores, as_component(scores, NAME))
        self.scores, self.policy, self.close = scores, scores.policy, scores.close

    def __reduce__(self) -> Any:
        return Docking, (self.scores,)

    def __repr__(self) -> str:
        return f"docking({self.scores.receptor.name!r}, exhaustiveness={self.scores.search.exhaustiveness})"

    def __call__(self, designs: Sequence[str]) -> Any:
        """The rewards, one per molecule; failures are settled by the policy."""
        return Scorer(self, share=False)(designs)

    def submit(self, designs: Sequence[str]) -> "_Later":
        """Hands molecules over; `result()` is a list with a reward, `Invalid`, or a `Failure` for each."""
        scores = self.scores.submit(designs)
        return _Later(lambda: [_reward(score) for score in scores.result()])

    def __enter__(self) -> "Docking":
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    @property
    def receptor(self) -> Receptor:
        """Where molecules are docked."""
        return self.scores.receptor

    @property
    def named(self) -> tuple[str, dict[str, Any]]:
        """What it was made from."""
        return f"docking:{self.scores.receptor.name}", vars(self.scores.search)

    @property
    def identity(self) -> str:
        """What decides a reward."""
        return f"docking {self.scores.identity}"

    def poses(self, designs: Sequence[str]) -> list[Any]:
        """The best pose of each molecule, with a property `score` (kcal/mol); None where there is none.

        The molecules are docked once more, in the same processes and with the same seed, which gives the same pose.

        Args:
            designs: SMILES.
        """
        return self.scores.poses(designs)


def docking(
    receptor: Annotated[str | Path, PathWhere(is_receptor_file)],
    center: Sequence[float | int] | None = None,
    size: Sequence[float | int] | None = None,
    exhaustiveness: int = 1,
    seed: int = 0,
    *,
    max_torsions: int = 20,
    receptors: str | Path | None = None,
    workers: int | None = None,
    timeout: float | int | None = None,
    memory_mb: float | int | None = None,
    policy: Policy | Mapping[str, Any] | None = None,
) -> Docking:
    r"""Predicted binding free energy of a molecule (kcal/mol, sign turned, at least 0; about 5 to 12 for drugs).

    $$r(x) = \max(-s(x), 0), \qquad s(x) = \min_{\text{poses}} \text{Vina score}$$

    It works in processes of its own. A molecule that cannot be docked is invalid (-inf).

    Args:
        receptor: `parp1`, `fa7`, `5ht1b`, `braf` or `jak2`, whose file is in the folder of receptors; `dockstring:EGFR`
            and others that the package dockstring brings; or a .pdbqt file. `docking:` may stand before it.
        center: of the box that is searched, three numbers in Angstrom; a file needs it.
        size: edges of the box, likewise.
        exhaustiveness: independent runs of the search, whose best pose counts.
        seed: of the search; the same one gives the same score in any process.
        max_torsions: rotatable bonds that a molecule may have.
        receptors: the folder of receptors, or else $SVDD_RECEPTORS, or else ~/.local/share/svdd/receptors.
        workers: processes; one a core unless given. 0 docks in this process, without a time-out.
        timeout: seconds a molecule may take; 100 times the exhaustiveness unless given.
        memory_mb: memory that a process may take beyond the maps.
        policy: what failures mean; a molecule that fails is invalid and the run goes on, unless given.

    Raises:
        ValueError: for an unknown receptor, a box that is missing or holds no atom, and impossible settings.
        FileNotFoundError: if the receptor's file is not there.
        ImportError: without AutoDock Vina 1.2.7 or later, Meeko, RDKit.

    Cost:
        one docking for every different molecule, of seconds to tens of seconds; a process takes 0.5 to 0.7 GB.

    References:
        Eberhardt et al., AutoDock Vina 1.2.0, J. Chem. Inf. Model. 61:3891, 2021; the reward of Lee, Jo & Hwang, MOOD,
        arXiv 2206.07632.
    """
    check_installed()
    search = Search(exhaustiveness, seed, max_torsions)
    found = find_receptor(str(receptor).removeprefix("docking:"), center, size, receptors)
    processes = cores() if workers is None else workers
    if processes < 0:
        raise ValueError(f"workers is 0 or more, got {workers}")
    limit = 100.0 * exhaustiveness if timeout is None else float(timeout)
    memory = None if memory_mb is None else float(memory_mb)
    return Docking(VinaScores(found, search, processes, limit, memory, IN_WORKERS.changed(policy)))


def _canonical(design: str) -> str | Invalid:
    """A molecule's canonical SMILES, the same however it is written."""
    from rdkit.Chem import MolToSmiles

    (molecule,) = read([design])
    return molecule if isinstance(molecule, Invalid) else str(MolToSmiles(molecule))


def _reward(answer: Any) -> Any:
    return answer if isinstance(answer, Failure | Invalid) else max(-answer, 0.0)


def _pose(asked: Request, score: Any) -> Any:
    if isinstance(score, Failure | Invalid):
        return None
    molecule = posed(Path(asked.path).read_text(encoding="utf-8"))
    if molecule is not None:
        molecule.SetDoubleProp("score", score)
    return molecule
