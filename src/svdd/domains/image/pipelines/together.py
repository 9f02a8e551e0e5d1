"""Together: several calls of a pipeline, each with some of the candidates of every image, as if they were one.

A network with all candidates at once can need more memory than there is. Calls that go on one after the other need that of one.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor

from svdd.domains.image.pipelines.frames import other_rows
from svdd.domains.image.pipelines.running import Running
from svdd.domains.image.pipelines.steered_scheduler import Question


class Together(ExitStack):
    """Calls of a pipeline for the same chains, that are driven in step.

    Args:
        runnings: the calls.
        chains: images of each.
        slots: the rows of a chain in each.
    """

    def __init__(self, runnings: Sequence[Running], chains: int, slots: Sequence[int]) -> None:
        super().__init__()
        self.runnings, self.chains, self.slots = runnings, chains, slots
        self.scheduler = runnings[0].scheduler  # all make the same grid
        for running in runnings:
            self.enter_context(running)

    def start(self) -> Question:
        """Runs every call to its first step.

        Raises:
            ValueError: if a pipeline never steps its scheduler, or steps other rows than it was asked for.
            PipelineFailed: if it raises.
        """
        questions = [running.start() for running in self.runnings]
        for question, slots in zip(questions, self.slots, strict=True):
            if len(question.latents) != self.chains * slots:
                pipe, given = self.runnings[0].pipe, self.runnings[0].arguments
                raise ValueError(other_rows(pipe, given, len(question.latents), self.chains, slots))
        return self._joined(questions)

    def answer(self, latents: Tensor) -> Question | None:
        """Wakes all up with the latents of the next step: the next question, None if one has returned.

        Raises:
            PipelineFailed: if one raises.
        """
        parts = latents.unflatten(0, (self.chains, -1)).split(list(self.slots), 1)
        asked = [running.answer(part.flatten(0, 1)) for running, part in zip(self.runnings, parts, strict=True)]
        questions = [question for question in asked if question is not None]
        return self._joined(questions) if len(questions) == len(asked) else None

    def finish(self, latents: Tensor) -> Any:
        """Wakes the first up with the last latents: its output.

        Raises:
            ValueError: if it steps again.
            PipelineFailed: if it raises.
        """
        return self.runnings[0].finish(latents)

    def _joined(self, questions: Sequence[Question]) -> Question:
        if len(questions) == 1:
            return questions[0]

        def joined(parts: Sequence[Tensor]) -> Tensor:
            return torch.cat([part.unflatten(0, (self.chains, -1)) for part in parts], 1).flatten(0, 1)

        outputs, latents = ([getattr(question, name) for question in questions] for name in ("output", "latents"))
        return questions[0]._replace(output=joined(outputs), latents=joined(latents))
