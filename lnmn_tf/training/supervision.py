"""The ledger of supervision: what a run is told beside questions, pictures and answers."""

from __future__ import annotations

from lnmn_tf.config import RunConfig
from lnmn_tf.config.lnmn import LNMNConfig
from lnmn_tf.config.relational import RelationalConfig

ANSWERS = "answers alone"


def supervision(config: RunConfig) -> dict[str, str]:
    """What each part of a run learns from, by the part's name."""
    training, data, model = config.training, config.data, config.model
    ledger = {"image encoder": ANSWERS}
    if data.features:
        ledger["image encoder"] = "none here: features of a network that was trained elsewhere"
    elif training.encoder_run:
        ledger["image encoder"] = (
            f"scenes (what is where), in the run {training.encoder_run}; frozen"
        )
    elif training.pretrains_encoder:
        ledger["image encoder"] = "scenes: what is where, positions included; then frozen"
    ledger["weights of modules and controller"] = ANSWERS
    if training.search_epochs and training.search_beginnings > 1:
        ledger["weights of modules and controller"] += (
            "; begun again where a family of held-out questions (programs name it) is guessed"
        )
    if isinstance(model, LNMNConfig) and model.fusion == "nodes":
        split = "the validation split" if data.structure_split == "val" else "held-out pictures"
        ledger["structure of modules"] = f"answers to questions about {split}, from alpha ~ N(0, 1)"
        if isinstance(model, RelationalConfig) and model.joining:
            ledger["structure of modules"] += "; cells of two maps keep both maps and the text"
        if training.searches_first:
            ledger["structure of modules"] += (
                "; that of answers and looks begins anew, every operator alike; what is left open is tried, of looks "
                "choose_1 in the first node, too, and the simplest structure that is as good is taken"
            )
        if training.freeze_structure:
            ledger["structure of modules"] = "nothing: it stays as it began"
        if training.genotype:
            ledger["structure of modules"] = f"nothing here: it is that of {training.genotype}"
    weight = training.layout_loss_weight
    ledger["layout"] = (
        f"expert layouts, made of programs (--layout_loss_weight={weight:g}), and answers"
        if weight
        else ANSWERS
    )
    if isinstance(model, RelationalConfig) and model.growing:
        _, opens, open_ = training.grow_shares
        at_first = f"until {opens:g} of the run, and less and less until {open_:g}"
        if model.plan:
            ledger["layout"] = f"a plan, push, push, answer, {at_first}; then {ledger['layout']}"
        else:
            ledger["layout"] += (
                f"; {at_first}, three steps alone: two look and the last one answers"
            )
    if isinstance(model, RelationalConfig) and model.looks_push:
        ledger["layout"] += "; a look pushes alone, and keeps the maps beneath"
        if model.growing and model.looking_modules == model.attention_3:
            ledger["layout"] += ", so these push, push and answer"
    if isinstance(model, RelationalConfig) and model.word_inhibition:
        ledger["words that a step reads"] = f"{ANSWERS}; what was read is read less again"
    ledger["order of questions"] = "random"
    if training.search_epochs:
        ledger["order of questions"] = (
            "programs: before the training those without a relation, as many of each family, then those with one, too; then random"
        )
    if data.max_hops >= 0:
        ledger["questions"] = f"those alone whose programs have {data.max_hops} relations at most"
    if data.trains_on_val:
        ledger[f"reported split {data.val_split}"] = (
            f"trained on, as part of {data.train_split}: its accuracy says nothing of other questions"
        )
    if training.init_from:
        ledger["first weights"] = f"those of the run {training.init_from}"
    return ledger


def describe(ledger: dict[str, str]) -> str:
    """The ledger as lines of text."""
    width = max(map(len, ledger))
    return "\n".join(f"  {part:{width}}  {source}" for part, source in ledger.items())
