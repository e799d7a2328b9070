"""The authors' program (PyTorch, https://github.com/vardaan123/LNMN) as a worker.

Nothing of it is copied here: its folder is given, and its model and its `Architect` are run as its
`train.py` runs them. The answers of its networks are pinned by `tests/golden`.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

from lnmn_tf.benchmark.worker import serve

LEARNING_RATE, SPARSITY, ENTROPY = 1e-4, 1.0, 1e-2  # of its README, in epoch 0


def prepare(task: dict) -> tuple[Any, ...]:
    """A task has `peer`, `what` (train, infer, hard), `sizes`, `inputs` (an .npz) and `weights`, the
    .npz that its first weights are written to."""
    import numpy as np
    import torch

    sys.path.insert(0, f"{task['peer']}/LNMN_9")
    from architect import Architect
    from model import Stack_NMN

    # Its `view` of the LSTM's outputs wants them contiguous, as the PyTorch of 2019 made them.
    pad = torch.nn.utils.rnn.pad_packed_sequence

    def pad_contiguously(*args, **kwargs):
        outputs, lengths = pad(*args, **kwargs)
        return outputs.contiguous(), lengths

    torch.nn.utils.rnn.pad_packed_sequence = pad_contiguously

    torch.manual_seed(0)
    sizes, arrays = task["sizes"], dict(np.load(task["inputs"]))
    network = Stack_NMN(
        sizes["stack_len"],
        sizes["num_steps"],
        9,
        sizes["num_answers"],
        0,
        sizes["num_words"],
        sizes["embed_dim"],
        sizes["text_dim"] // 2,
        sizes["channels"],
        sizes["map_dim"],
        sizes["mlp_dim"],
        sizes["mem_dim"],
        sizes["kb_dim"],
        1,
        torch.device("cpu"),
        task["what"] == "hard",
    )
    np.savez(task["weights"], **{k: v.numpy() for k, v in network.state_dict().items()})
    position = arrays["position"].transpose(2, 0, 1)[None]
    image = arrays["features"].transpose(0, 3, 1, 2)
    position = np.broadcast_to(position, [len(image), *position.shape[1:]])
    image = torch.from_numpy(np.concatenate([image, position], axis=1))
    question = torch.from_numpy(arrays["question"].astype(np.int64))
    lengths = torch.full([len(image)], question.shape[1], dtype=torch.int64)
    answer = torch.from_numpy(arrays["answer"].astype(np.int64))
    inputs = (image, question, lengths)

    if task["what"] != "train":
        network.eval()

        def infer():
            with torch.no_grad():
                return network(*inputs, 0)[0]

        return infer, {"values": infer().numpy().tolist()}

    settings = SimpleNamespace(
        momentum=0.9,
        reg_coeff_op_loss=SPARSITY,
        arch_learning_rate=3e-4,
        arch_weight_decay=1e-3,
    )
    architect = Architect(torch.nn.DataParallel(network), torch.device("cpu"), settings)
    optimizer = torch.optim.Adam(network.network_parameters(), lr=LEARNING_RATE)
    criterion = torch.nn.CrossEntropyLoss()

    def train():
        architect.step(inputs, answer, inputs, answer, LEARNING_RATE, optimizer, 0, unrolled=False)
        network.zero_grad()
        logits, entropy, _ = network(*inputs, 0)
        loss = criterion(logits, answer)
        (loss - ENTROPY * entropy.sum()).backward()
        optimizer.step()
        return loss.item()

    return train, {"values": [train(), train()]}


if __name__ == "__main__":
    serve(prepare)
