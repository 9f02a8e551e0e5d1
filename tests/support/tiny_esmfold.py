"""A tiny ESMFold of transformers with random weights, as a folder."""

import torch
from transformers import EsmConfig, EsmForProteinFolding

MODULE = {
    **{"sequence_dim": 16, "pairwise_dim": 8, "ipa_dim": 4, "resnet_dim": 8, "num_heads_ipa": 2, "num_qk_points": 2},
    **{"num_v_points": 2, "num_blocks": 2, "num_resnet_blocks": 1},
}
TRUNK = {
    **{"num_blocks": 1, "sequence_state_dim": 16, "pairwise_state_dim": 8, "sequence_head_width": 8},
    **{"pairwise_head_width": 4, "position_bins": 4, "max_recycles": 1, "chunk_size": None, "structure_module": MODULE},
}
ENCODER = {
    **{"vocab_size": 33, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32},
    **{"mask_token_id": 32, "pad_token_id": 1, "position_embedding_type": "rotary", "token_dropout": True},
}


def tiny_esmfold():
    """The network; its heads are large, so that scores differ among sequences."""
    folding = {"fp16_esm": False, "lddt_head_hid_dim": 8, "trunk": TRUNK}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = EsmForProteinFolding(EsmConfig(**ENCODER, is_folding_model=True, esmfold_config=folding)).eval()
        with torch.no_grad():
            for name, weight in made.named_parameters():
                weight.add_((2.0 if name.startswith(("lddt_head", "ptm_head")) else 0.3) * torch.randn_like(weight))
    return made
