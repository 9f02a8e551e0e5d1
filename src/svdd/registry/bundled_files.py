"""Files that came with the bundled models: weights, statistics of natural designs, cards."""

from importlib.resources import files
from pathlib import Path

from svdd.messages import check_known
from svdd.registry.known_domains import domains


def bundled_folders() -> dict[str, Path]:
    """The folders of files that came with the models of all domains, each in `pretrained` of its domain's package."""
    homes = [Path(str(files(one.home))) / "pretrained" for one in domains()]
    return {folder.name: folder for home in homes if home.is_dir() for folder in home.iterdir() if folder.is_dir()}


def bundled(name: str, *parts: str) -> Path:
    """A file that came with the bundled model `name`.

    Raises:
        ValueError: if no files of such a model came with the package.
    """
    folders = bundled_folders()
    check_known("folder of bundled files", name, folders)
    return folders[name].joinpath(*parts)
