"""Stack-NMN's own program (TensorFlow 1, https://github.com/ronghanghu/snmn) as a worker.

Nothing of it is copied here: its folder is given, and its model runs, in TensorFlow's own `compat.v1`,
as its `train_net_vqa.py` runs it. Left out is what draws at random or needs an expert's layouts
(dropout, the loss of the layouts), and the decay of weights, so that both programs compute the same.
The answers of its network are pinned by `tests/golden`.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

from lnmn_tf.benchmark.worker import serve

LEARNING_RATE, MAX_NORM, EMA_DECAY = 1e-4, 8.0, 0.999  # its defaults
UNUSED = ("yaml", "models_clevr_snmn.vis")  # what it imports to read files and to draw


@contextlib.contextmanager
def tensorflow_1(tf) -> Iterator[None]:
    """Within it, `import tensorflow` gives TensorFlow 1, as far as its model needs it.

    Args:
        tf: `tensorflow.compat.v1`.
    """
    module: Any = ModuleType("tensorflow")
    xavier = tf.glorot_uniform_initializer
    layers = SimpleNamespace(xavier_initializer=xavier, xavier_initializer_conv2d=xavier)
    module.contrib = SimpleNamespace(layers=layers)
    module.__getattr__ = lambda name: getattr(tf, name)
    replaced = {"tensorflow": module, **{name: ModuleType(name) for name in UNUSED}}
    kept = {name: sys.modules[name] for name in replaced if name in sys.modules}
    sys.modules.update(replaced)
    try:
        yield
    finally:
        for name in replaced:
            del sys.modules[name]
        sys.modules.update(kept)


def prepare(task: dict) -> tuple[Any, ...]:
    """A task has `peer`, `what` (train, infer), `sizes`, `inputs` (an .npz) and `weights`, the .npz
    that its first weights are written to."""
    import numpy as np
    import tensorflow.compat.v1 as tf

    tf.disable_eager_execution()
    tf.set_random_seed(0)
    sys.path.insert(0, task["peer"])
    with tensorflow_1(tf):
        from models_clevr_snmn.config import cfg
        from models_clevr_snmn.model import Model
    sizes, arrays = task["sizes"], dict(np.load(task["inputs"]))
    height, width, channels = arrays["features"].shape[1:]
    cfg.MODEL.update(H_FEAT=height, W_FEAT=width, FEAT_DIM=channels, T_CTRL=sizes["num_steps"])
    cfg.MODEL.update(EMBED_DIM=sizes["embed_dim"], LSTM_DIM=sizes["text_dim"])
    cfg.MODEL.update(KB_DIM=sizes["kb_dim"], VQA_OUTPUT_DIM=sizes["mlp_dim"])
    cfg.MODEL.NMN.MEM_DIM = sizes["mem_dim"]
    cfg.MODEL.NMN.STACK.LENGTH = sizes["stack_len"]

    question = arrays["question"].T  # [words, batch]
    lengths = np.full([question.shape[1]], len(question), np.int32)
    values = (question, lengths, arrays["features"], arrays["answer"])
    inputs = [tf.placeholder(value.dtype, [None, *value.shape[1:]]) for value in values]
    model = Model(
        *inputs[:3],
        num_vocab=sizes["num_words"],
        num_choices=sizes["num_answers"],
        module_names=task["modules"],
        is_training=False,
    )
    feed = dict(zip(inputs, values))
    session = tf.Session()
    if task["what"] == "train":
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(
                logits=model.vqa_scores, labels=inputs[3]
            )
        )
        step = _train_op(tf, loss, model.params)
    session.run(tf.global_variables_initializer())
    weights = {v.op.name[len("model/") :]: v for v in model.params}
    np.savez(task["weights"], **session.run(weights))

    if task["what"] != "train":

        def infer():
            return session.run(model.vqa_scores, feed)

        return infer, {"values": infer().tolist()}

    def train():
        return float(session.run((loss, step), feed)[0])

    return train, {"values": [train(), train()]}


def _train_op(tf, loss, variables):
    """Adam on a clipped gradient, and the moving average of the weights."""
    solver = tf.train.AdamOptimizer(learning_rate=LEARNING_RATE)
    gradients, variables = zip(*solver.compute_gradients(loss, variables))
    gradients, _ = tf.clip_by_global_norm(gradients, MAX_NORM)
    applied = solver.apply_gradients(zip(gradients, variables))
    with tf.control_dependencies([applied]):
        return tf.train.ExponentialMovingAverage(decay=EMA_DECAY).apply(variables)


if __name__ == "__main__":
    serve(prepare)
