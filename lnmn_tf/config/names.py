"""Names that configs, layers and analyses share."""

OPERATORS = ("min", "max", "sum", "product", "choose_1", "choose_2")  # of a node (section 3.1)

STACK_NMN_MODULES = (
    "no_op",
    "find",
    "transform",
    "filter",
    "and",
    "or",
    "scene",
    "describe_one",
    "describe_two",
)
