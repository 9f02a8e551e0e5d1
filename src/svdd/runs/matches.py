"""What may be equal in a comparison of methods: a count of rows or calls, seconds, or nothing."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Match:
    """What is equal in a comparison.

    Args:
        words: what a job's cost is counted in.
        rule: how sizes are found.
        title: of the comparison, to go on from "methods compared".
        counted: what a forecast counts.
        timed: whether sizes are found by the clock.
        given: whether sizes are given, not found.
    """

    words: str
    rule: str
    title: str
    counted: str = "rows"
    timed: bool = False
    given: bool = False

    def had(self, share: float) -> str:
        """What a method had to spend beside the job, to end a sentence on it.

        Args:
            share: of what the job asks for.
        """
        if self.timed:
            return " in about the same seconds"
        return (
            f" at the same {self.words}"
            if 0.95 < share < 1.05
            else f", where best-of-n had {share:.0%} of the job's {self.words}"
        )


_FORMULAS = "the largest size whose {} are not above the job's, by the formulas of svdd methods"
MATCHES = {
    "network-rows": Match("network rows", _FORMULAS.format("network rows"), "at equal network rows"),
    "reward-calls": Match("reward calls", _FORMULAS.format("reward calls"), "at equal reward calls", "rewards"),
    "seconds": Match(
        "seconds",
        "the size at which a design takes as long as one of the job, by pilots of two sizes and at most 16 designs",
        "at equal seconds",
        timed=True,
    ),
    "none": Match("network rows", "those that the comparison gives", "at given sizes", given=True),
}
"""What may be equal."""
