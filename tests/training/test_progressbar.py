"""A run tells its stage how far it is."""

from __future__ import annotations

from lnmn_tf.training.callbacks import Progressbar


class Notes:
    """A stage that keeps what it is told."""

    def __init__(self):
        self.steps, self.texts = 0, []

    def update(self) -> None:
        self.steps += 1

    def note(self, text: str) -> None:
        self.texts.append(text)


def run(epochs: int, steps: int) -> Notes:
    notes = Notes()
    bar = Progressbar(notes, epochs, batch_size=7)
    for epoch in range(epochs):
        bar.on_train_begin()
        bar.on_epoch_begin(epoch)
        for step in range(steps):
            bar.on_train_batch_end(step, {"loss": 2.0 + epoch, "accuracy": step % 2, "other": 9.0})
    return notes


def test_every_step_of_all_epochs_is_counted_once():
    assert run(epochs=3, steps=11).steps == 33


def test_the_text_has_epoch_and_means_of_the_epoch_so_far():
    first, *others = run(epochs=2, steps=10).texts
    assert "compiled" in first
    assert [text.split("  ")[:3] for text in others] == [
        ["epoch 1/2", "loss 2.0000", "accuracy 0.5000"],
        ["epoch 2/2", "loss 3.0000", "accuracy 0.5000"],
    ]
    assert all(text.endswith(" examples/s") for text in others)
