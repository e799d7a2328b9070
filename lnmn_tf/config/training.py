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
    warmup_steps: int = option(
        0,
        "Steps in which the learning rates rise from 0; the paper has none.",
        minimum=0,
        flag=False,
    )
    decay: str = option(
        "constant",
        "How the weights' learning rate goes on after the warm-up.",
        choices=("constant", "cosine", "linear"),
        flag="decay",
    )
    decay_start: float = option(
        0.0,
        "Where the decay begins, as a share of the steps after the warm-up.",
        minimum=0,
        below=1,
        flag="decay",
    )
    final_learning_rate: float = option(
        0.0,
        "Where the decay ends, as a share of --learning_rate.",
        minimum=0,
        maximum=1,
        flag="decay",
    )
    beta_1: float = option(
        0.9, "First moment of the weights' Adam; the paper's.", minimum=0, below=1, flag=False
    )
    beta_2: float = option(
        0.999, "Second moment of the weights' Adam; the paper's.", minimum=0, below=1, flag=False
    )
    weight_decay: float = option(
        0.0,
        "Decoupled decay of the weights, times the learning rate; the paper has none.",
        minimum=0,
        flag=False,
    )
    # Python alone: a part of Hu et al.'s recipe for VQA, which the model stack_nmn_vqa presets.
    l2: float = option(
        0.0,
        "Half of it times the square of the weight matrices is added to the loss; not of biases, word "
        "embeddings and the LSTM; 0 = none, as in the paper.",
        minimum=0,
        flag=False,
    )
    clip_norm: float = option(
        0.0,
        "Largest global norm of a step's gradient; 0 = unlimited, as in the paper.",
        minimum=0,
        flag=False,
    )
    ema_decay: float = option(
        0.0,
        "Answer with a moving average of the weights; 0 = with the last, as in the paper.",
        minimum=0,
        below=1,
        flag=False,
    )
    structure_learning_rate: float = option(3e-4, "Of the structure (Adam).", above=0)
    structure_beta_1: float = option(
        0.5, "First moment of the structure's Adam; the paper's.", minimum=0, below=1, flag=False
    )
    structure_beta_2: float = option(
        0.999, "Second moment of the structure's Adam; the paper's.", minimum=0, below=1, flag=False
    )
    structure_weight_decay: float = option(
        1e-3, "Decay of the structure; each model has its own.", minimum=0, flag=False
    )
    structure_decay: str = option(
        "annealed",
        "Decay as L2 in the gradient (coupled); beside it, times the learning rate (decoupled); or so, but "
        "falling to its negative over the run, so that each node ends with one operator (annealed). Each "
        "model has its own.",
        choices=("coupled", "decoupled", "annealed"),
        flag=False,
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
    structure_every: int = option(
        1, "A structure step every so many weight steps; 1 is Algorithm 2.", minimum=1, flag=False
    )
    unrolled: bool = option(
        False, "Second-order structure gradients (DARTS); the paper has none.", flag=False
    )
    search: str = option(
        "decay",
        "How each node comes to one operator: by structure_decay and sparsity; or without a decay, by a "
        "falling temperature and pruning (asap), by drawing one operator a step (gdas), or by an entropy "
        "that is added late (entropy). docs/learning.md compares them.",
        choices=("decay", "asap", "gdas", "entropy"),
        flag=False,
    )
    sparsity: float = option(1.0, "lambda_op, weight of the structure's sparsity.", minimum=0)
    entropy_schedule: str = option(
        "annealed",
        "Course of lambda_w, the weight of the module entropy.",
        choices=("annealed", "paper", "released", "none"),
    )
    entropy_weight: float = option(
        1.0,
        "Factor of lambda_w, which each model has of its own; the released schedule has 1e-2 beside it.",
        minimum=0,
        flag=False,
    )
    search_epochs: int = option(
        0,
        "Passes of a search before the training, in which alpha of the answer cells learns from questions without a "
        "relation, as many of each family; the training goes on with what was found. With a --genotype, the same passes "
        "without a search. 0 = alpha learns in the training, as in the paper.",
        minimum=0,
        flag=False,
    )
    search_beginnings: int = option(
        3,
        "How often that search may begin, each time with other weights: it begins again where a family of held-out "
        "questions is guessed.",
        minimum=1,
        flag=False,
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
        False,
        "The word embedding stays as it began, as with --word_vectors; it learns, for most runs have none.",
        flag=False,
    )
    answer_loss: str = option(
        "softmax",
        "Cross-entropy of a softmax with one answer, or of a sigmoid for each of the answers that "
        "several people gave, which is the default of VQA.",
        choices=("softmax", "sigmoid"),
        flag=False,
    )
    grow_shares: tuple[float, ...] = option(
        (0.06, 0.5, 0.9),
        "The course of a machine that grows, as shares of the run: it begins with the last two steps and opens a "
        "third after the first share. All others begin to open at the second, and are open at the third.",
        minimum=0,
        maximum=1,
        flag=False,
    )
    layout_loss_weight: float = option(
        0.0,
        "Weight of the loss that pulls the module weights to expert layouts, made of the questions' "
        "programs; 0 = layouts are learned from answers alone.",
        minimum=0,
    )
    xla: str = option(
        "auto",
        "Compile gradients and answers with XLA; auto = gradients, and answers to 10,000 questions or "
        "more.",
        choices=("auto", "on", "off"),
        may_change=True,
    )
    shards: int = option(
        0,
        "Parts that a batch is cut into, each compiled for one core; 0 = one for each core, or one in "
        "all on a GPU.",
        minimum=0,
        may_change=True,
        flag=False,
    )
    baselines: bool = option(True, "Train and report the two baselines.", may_change=True)
    monitor_questions: int = option(
        2000,
        "Questions, not trained on, that choose the best checkpoint; an accuracy of 2,000 answers has a "
        "standard error of at most 1.1 %.",
        minimum=1,
        flag=False,
    )
    checkpoint_steps: int = option(
        1000,
        "Steps between checkpoints within an epoch, which a killed run repeats at most.",
        minimum=1,
        may_change=True,
        flag=False,
    )

    @property
    def pretrains_encoder(self) -> bool:
        """The image encoder learns from scenes, here or in another run, and is frozen."""
        return bool(self.pretrain_epochs or self.encoder_run)

    @property
    def searches_first(self) -> bool:
        """The structure is searched before the training: it is not given, and does not stay as it began."""
        return bool(self.search_epochs) and not (self.genotype or self.freeze_structure)

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
        if len(self.grow_shares) != 3 or list(self.grow_shares) != sorted(self.grow_shares):
            raise InputError(
                f"grow_shares is {','.join(map(str, self.grow_shares))}; expected three shares of the run, none "
                "below the one before it, as in 0.06,0.5,0.9"
            )
        if self.l2 and self.weight_decay:
            raise InputError(
                f"l2 is {self.l2} and weight_decay is {self.weight_decay}; expected one of them"
            )
