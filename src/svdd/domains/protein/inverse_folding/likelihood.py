r"""The likelihood of sequences for a backbone, letter by letter, as ProteinMPNN was trained.

$$\log p(x) = \sum_k \log p(x_{o(k)} \mid x_{o(1)}, \dots, x_{o(k-1)})$$

for an order o of the sites. Residue i reads the letter of j only where j stands before it, so that one pass of the decoder
has all factors. Residues that are not designed come first.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from svdd.cost.batches import FullBatches, rows_at_once
from svdd.domains.protein.inverse_folding.backbones import CONTEXT, DesignedBackbone
from svdd.domains.protein.inverse_folding.network import ProteinMPNN
from svdd.domains.sequence.alphabets import PROTEIN


class Likelihood:
    """The mean log-likelihood per site, over orders that are always the same.

    Args:
        network: on its device.
        structure: that the sequences are for; it is read once, here.
        orders: how many orders of the sites.
    """

    def __init__(self, network: ProteinMPNN, structure: DesignedBackbone, orders: int) -> None:
        where = network.W_out.weight.device
        backbone, sites = structure.backbone, structure.sites
        self.network, self.of, self.means = network, sites.of.to(where), sites.means(where)
        self.native = PROTEIN.encode([backbone.native], masked=True)[0].to(where)
        self.encoded = network.encode(*(one.to(where) for one in (backbone.atoms, backbone.index, backbone.chain)))
        neighbours = self.encoded.neighbours.cpu()
        self.reads = torch.stack([before(rank, neighbours) for rank in ranks(structure, orders)]).to(where)
        self._batches = FullBatches(self._of_batch, rows_at_once(where, orders * neighbours.numel()))

    def __call__(self, tokens: Int64[Tensor, "n S"]) -> Float[Tensor, " n"]:
        """Nats per site, on the CPU."""
        return self._batches(tokens.to(self.of.device)).cpu()

    @torch.inference_mode()
    def _of_batch(self, tokens: Int64[Tensor, "n S"]) -> Float[Tensor, " n"]:
        letters = torch.where(self.of == CONTEXT, self.native, tokens[:, self.of])
        found = [self._in_order(tokens, letters, reads) for reads in self.reads]
        return torch.stack(found).mean(0)

    def _in_order(
        self, tokens: Int64[Tensor, "n S"], letters: Int64[Tensor, "n L"], reads: Bool[Tensor, "L K"]
    ) -> Float[Tensor, " n"]:
        logits = self.network.decode(self.encoded, letters, reads.expand(len(letters), -1, -1))
        known = self.means(logits[..., : len(PROTEIN)]).log_softmax(-1)
        return known.gather(2, tokens[..., None])[..., 0].mean(1)


def ranks(structure: DesignedBackbone, orders: int) -> Int64[Tensor, "o L"]:
    """When each residue has its letter, per order: those that are not designed first, copies of a site at once."""
    of, sites = structure.sites.of, len(structure.sites.copies)
    early = torch.arange(len(of), device="cpu") - len(of)
    stream = torch.Generator("cpu").manual_seed(0)
    found = []
    for _ in range(orders):
        late = torch.randperm(sites, generator=stream, device="cpu")
        found.append(torch.where(of == CONTEXT, early, late[of]))
    return torch.stack(found)


def before(rank: Int64[Tensor, " L"], neighbours: Int64[Tensor, "L K"]) -> Bool[Tensor, "L K"]:
    """Whether each neighbour has its letter before the residue."""
    return rank[neighbours] < rank[:, None]
