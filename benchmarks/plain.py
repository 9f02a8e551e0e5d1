"""The published algorithm (arXiv 2408.08252), written plainly: what benchmarks compare our loop with.

M + 1 forwards per step: the predictions of the M candidates are computed one candidate at a time over the batch, nothing is
shared, and the winner's is computed again at the next step. The noise is log-linear, and one more forward removes what is left
of it at the end. The network is the plain module, and the reward is the function that ours calls.
"""

from itertools import pairwise

import torch

NOISE, END = 1e-3, 1e-5
"""The noise that is left at the clean end, and the time that the grid ends at."""


@torch.no_grad()
def plain_loop(network, reward, alphabet, *, length, steps, candidates, chains, seed=0, only=None):
    """Masked diffusion by the argmax of the posterior mean's rewards.

    Args:
        network: tokens (n, L), the mask last, to logits (n, L, V).
        reward: a list of text to a number each.
        alphabet: what tokens stand for.
        length: L.
        steps: T.
        candidates: M.
        chains: B.
        seed: of all draws.
        only: how many of the T steps to take; all of them unless given. Every step costs the same.

    Returns:
        The designs, and how many rows of network and reward they took.
    """
    mask, rows = len(alphabet), {"network": 0, "reward": 0}
    device = next(network.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)
    masked_at = [(1 - NOISE) * t for t in torch.linspace(1, END, steps + 1).tolist()]

    def predicted(x):
        rows["network"] += len(x)
        return network(x).float().softmax(-1)

    def filled(x, p):
        return torch.where(x == mask, p.argmax(-1), x)

    x = torch.full((chains, length), mask, device=device)
    for now, then in list(pairwise(masked_at))[:only]:
        p = predicted(x)  # the winner's prediction, computed again
        stays = torch.full((*x.shape, 1), then, device=device)
        q = torch.cat([p * (now - then), stays], -1)
        proposals = []
        for _ in range(candidates):
            race = torch.empty_like(q).exponential_(generator=generator)
            proposals.append(torch.where(x == mask, (q / race).argmax(-1), x))
        values = []
        for candidate in proposals:
            clean = filled(candidate, predicted(candidate))
            rows["reward"] += chains
            values.append(torch.as_tensor(reward(alphabet.decode(clean))))
        winners = torch.stack(values).softmax(0).argmax(0).tolist()
        x = torch.stack([proposals[winner][chain] for chain, winner in enumerate(winners)])
    return alphabet.decode(filled(x, predicted(x))), rows
