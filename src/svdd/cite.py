"""What to cite for a method."""

from svdd.suggestions import unknown

REFERENCES: dict[str, str] = {
    "svdd": "Li, X. et al. Derivative-free guidance in continuous and discrete diffusion models with soft value-based "
    "decoding. NeurIPS 2025. arXiv:2408.08252",
    "fk": "Singhal, R. et al. A general framework for inference-time scaling and steering of diffusion models. "
    "ICML 2025. arXiv:2501.06848",
    "tds": "Wu, L. et al. Practical and asymptotically exact conditional sampling in diffusion models. NeurIPS 2023. "
    "arXiv:2306.17775",
    "nested": "Naesseth, C. A., Lindsten, F. and Schon, T. B. Nested sequential Monte Carlo methods. ICML 2015. "
    "arXiv:1502.02536",
    "treeg": "Guo, Y. et al. Training-free guidance beyond differentiability: scalable path steering with tree search in "
    "diffusion and flow models. arXiv:2502.11420",
    "code": "Singh, A. et al. CoDe: blockwise control for denoising diffusion models. TMLR 2025. arXiv:2502.00968",
}


def citations(method: str) -> list[str]:
    """The papers behind a method.

    Args:
        method: a name of `svdd.METHODS`.

    Raises:
        ValueError: for an unknown name; it lists the nearest.
    """
    from svdd.algorithms import METHODS

    if method not in METHODS:
        raise ValueError(unknown("method", method, METHODS))
    return [REFERENCES[key] for key in METHODS[method].references]
