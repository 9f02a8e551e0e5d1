"""What images hand in to evaluations and reports."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from svdd.chain.designs import DesignKind
from svdd.chain.process import Process
from svdd.decoding.result import Result
from svdd.domains.image.designs import ImageKind
from svdd.domains.image.files import read_images
from svdd.domains.image.measures.distances import ImageReference, bundled_features, bundled_reference
from svdd.domains.image.measures.measures import COLUMNS, ImageView, measured_images
from svdd.metrics.kit import Figure, Gallery, Kit
from svdd.metrics.measures import Chunks
from svdd.registry import bundled_folders
from svdd.scoring.reward import Reward


class ImageKit(Kit):
    """Images."""

    designs = "images"
    columns = COLUMNS
    view = ImageView

    def kind(self, facts: Mapping[str, Any]) -> DesignKind:
        """Of images, with the classes of the model."""
        return ImageKind(tuple(facts.get("classes", ())))

    def measured(
        self, result: Result, process: Process, judge: Reward | None, judged: str, chunks: Chunks | None = None
    ) -> Any:
        """With the features of the bundled classifier."""
        asked = None if judge is None else process.adapt(judge)
        return measured_images(result, bundled_features(), asked, judged, chunks)

    def reference(self, model: str, reward: str) -> ImageReference | None:
        """The test set of the photographs that the bundled model was trained on."""
        return bundled_reference() if (bundled_folders().get(model, Path()) / "reference.npz").is_file() else None

    def reference_of(self, path: Path, kind: DesignKind) -> ImageReference:
        """The images of a folder."""
        return ImageReference.of(read_images(path), path.name, bundled_features())

    def side_by_side(self, runs: Mapping[str, Result]) -> list[Figure]:
        """The same chains of several runs."""
        from svdd.domains.image.figures import side_by_side

        return side_by_side(runs)

    def figures(self, result: Result, baselines: Mapping[str, Result]) -> list[Figure]:
        """The same chains of this run and others, itself first."""
        method = str(result.settings.get("method", "designs"))
        return self.side_by_side({method: result} | {name: run for name, run in baselines.items() if name != method})

    def gallery(self, result: Result) -> Gallery | None:
        """The images of highest reward."""
        from svdd.domains.image.figures import best_images, has_images

        return Gallery("Best images", best_images(result)) if has_images(result) else None


KIT = ImageKit()
