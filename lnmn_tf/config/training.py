"""How a model is trained."""

from __future__ import annotations

from dataclasses import dataclass

from lnmn_tf.config.option import option, validate
from lnmn_tf.errors import InputError


@dataclass(frozen=True)
class TrainingConfig:
    """Optimizers, schedules and how often what is done."""

    epochs: int = option(
        30,
        "Passes over the training questions; more of them extend a run.",
        minimum=1,
        may_grow=True,
    )
    batch_size: int = option(64, "Questions in a batch.", minimum=1)
    seed: int = option(0, "Of the first weights and of the order of the data.", minimum=0)
    num_seeds: int = option(
        1, "Runs with seeds --seed, --seed + 1, ... in folders of their own.", minimum=1
    )
    learning_rate: float = option(1e-4, "Of the weights (Adam).", above=0)
    warmup_steps: int = option(0, "Steps in which the learning rates rise from 0.", minimum=0)
    decay: str = option(
        "constant",
        "How the weights' learning rate goes on after the warm-up.",
        choices=("constant", "cosine", "linear"),
    )
    decay_start: float = option(
        0.0, "Where --decay begins, as a share of the steps after the warm-up.", minimum=0, below=1
    )
    final_learning_rate: float = option(
        0.0, "Where --decay ends, as a share of --learning_rate.", minimum=0, maximum=1
    )
    # Python alone: Adam's usual moments, which every config keeps.
    beta_1: float = option(
        0.9, "First moment of the weights' Adam.", minimum=0, below=1, flag=False
    )
    beta_2: float = option(
        0.999, "Second moment of the weights' Adam.", minimum=0, below=1, flag=False
    )
    # Python alone: 0 in the paper, and here in every config.
    weight_decay: float = option(
        0.0, "Decoupled decay of the weights, times the learning rate.", minimum=0, flag=False
    )
    clip_norm: float = option(
        0.0, "Largest global norm of a step's gradient; 0 = unlimited.", minimum=0
    )
    ema_decay: float = option(
        0.0, "Answer with a moving average of the weights; 0 = with the last.", minimum=0, below=1
    )
    structure_learning_rate: float = option(3e-4, "Of the structure (Adam).", above=0)
    # Python alone: the paper's moments (section 4).
    structure_beta_1: float = option(
        0.5, "First moment of the structure's Adam.", minimum=0, below=1, flag=False
    )
    structure_beta_2: float = option(
        0.999, "Second moment of the structure's Adam.", minimum=0, below=1, flag=False
    )
    structure_weight_decay: float = option(1e-3, "Decay of the structure.", minimum=0)
    structure_decay: str = option(
        "annealed",
        "Decay as L2 in the gradient (coupled); beside it, times the learning rate (decoupled); or so, but "
        "falling to its negative over the run, so that each node ends with one operator (annealed).",
        choices=("coupled", "decoupled", "annealed"),
    )
    search_share: float = option(
        0.4,
        "Share of the run in which operators and modules are kept mixed; then the annealed decay and the "
        "annealed lambda_w turn, and each node and step is pushed to choose one.",
        above=0,
        below=1,
    )
    choose_share: float = option(
        0.6,
        "Share of the run after which, with the annealed decay, each node is its strongest operator for "
        "good, and the weights go on with that structure.",
        above=0,
        maximum=1,
    )
    # Python alone: 1 is Algorithm 2, a structure step after each weight step.
    structure_every: int = option(
        1, "A structure step every so many weight steps.", minimum=1, flag=False
    )
    # Python alone: no model here uses gradients of second order.
    unrolled: bool = option(False, "Second-order structure gradients (DARTS).", flag=False)
    # Python alone: what was tried beside the default, see docs/learning.md.
    search: str = option(
        "decay",
        "How each node comes to one operator: by structure_decay and sparsity; or without a decay, by a "
        "falling temperature and pruning (asap), by drawing one operator a step (gdas), or by an entropy "
        "that is added late (entropy).",
        choices=("decay", "asap", "gdas", "entropy"),
        flag=False,
    )
    sparsity: float = option(1.0, "lambda_op, weight of the structure's sparsity.", minimum=0)
    entropy_schedule: str = option(
        "annealed",
        "Course of lambda_w, the weight of the module entropy.",
        choices=("annealed", "paper", "released", "none"),
    )
    # Python alone: it belongs to the schedule, and each model presets it.
    entropy_weight: float = option(
        1.0, "Factor of lambda_w; the released schedule has 1e-2 beside it.", minimum=0, flag=False
    )
    pretrain_epochs: int = option(
        0,
        "Passes over the pictures in which the image encoder learns what is where, from the scenes, "
        "before it is frozen; 0 = the encoder learns with the rest, from answers alone.",
        minimum=0,
    )
    encoder_run: str = option(
        "",
        "Run folder whose pretrained image encoder is taken, in the place of --pretrain_epochs.",
    )
    init_from: str = option(
        "",
        "Run folder whose weights training begins with. Words and answers that it knows keep theirs, new "
        "ones begin fresh.",
    )
    genotype: str = option(
        "",
        "File of a structure that --mode=analyze --what=structure wrote: each node is that operator, and "
        "the weights learn alone.",
    )
    freeze_structure: bool = option(
        False, "The structure stays as it began, as with --init_from; the weights learn alone."
    )
    word_vectors: str = option(
        "", "File of word vectors (GloVe's text) that the word embedding begins with."
    )
    freeze_words: bool = option(
        False, "The word embedding stays as it began, as with --word_vectors."
    )
    answer_loss: str = option(
        "softmax",
        "Cross-entropy of a softmax with one answer, or of a sigmoid for each of the answers that "
        "several people gave (VQA).",
        choices=("softmax", "sigmoid"),
    )
    curriculum_epochs: int = option(
        0, "Epochs in which the longest programs are still left out; 0 = none.", minimum=0
    )
    # Python alone: what --curriculum_epochs needs beside it; every config keeps it.
    curriculum_start: int = option(
        6,
        "Functions in the longest program of the first epoch of the curriculum.",
        minimum=1,
        flag=False,
    )
    curriculum_hold: int = option(
        0, "Epochs before the length of the curriculum's programs begins to grow.", minimum=0
    )
    xla: str = option(
        "auto",
        "Compile gradients and answers with XLA; auto = gradients, and answers to 10,000 questions or "
        "more.",
        choices=("auto", "on", "off"),
        may_change=True,
    )
    # Python alone: 0 finds the number that docs/performance.md was measured with.
    shards: int = option(
        0,
        "Parts that a batch is cut into, each compiled for one core; 0 = one for each core, or one in "
        "all on a GPU.",
        minimum=0,
        may_change=True,
        flag=False,
    )
    baselines: bool = option(True, "Train and report the two baselines.", may_change=True)
    # Python alone: an accuracy of 2,000 answers has a standard error of at most 1.1 %.
    monitor_questions: int = option(
        2000, "Questions, not trained on, that choose the best checkpoint.", minimum=1, flag=False
    )
    # Python alone: a killed run repeats at most so many steps.
    checkpoint_steps: int = option(
        1000, "Steps between checkpoints within an epoch.", minimum=1, may_change=True, flag=False
    )

    @property
    def pretrains_encoder(self) -> bool:
        """The image encoder learns from scenes, here or in another run, and is frozen."""
        return bool(self.pretrain_epochs or self.encoder_run)

    def choose_step(self, total_steps: int) -> int | None:
        """The weight step at which each node chooses its operator for good; None = never."""
        if self.search == "decay" and self.structure_decay != "annealed":
            return None
        return int(self.choose_share * total_steps)

    def __post_init__(self):
        validate(self)
        if self.shards and self.batch_size % self.shards:
            raise InputError(
                f"shards is {self.shards}; expected a divisor of --batch_size={self.batch_size}"
            )
        if self.curriculum_hold and self.curriculum_hold >= self.curriculum_epochs:
            raise InputError(
                f"--curriculum_hold is {self.curriculum_hold}; expected less than "
                f"--curriculum_epochs={self.curriculum_epochs}"
            )
        if self.curriculum_epochs >= self.epochs:
            raise InputError(
                f"--curriculum_epochs is {self.curriculum_epochs}; expected less than "
                f"--epochs={self.epochs}"
            )
