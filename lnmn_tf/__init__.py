"""Learnable Neural Module Networks and Stack-NMN in TensorFlow/Keras."""

import sys

if not (3, 9) <= sys.version_info[:2] < (3, 12):
    sys.exit(
        "error: lnmn_tf needs Python 3.9, 3.10 or 3.11 (TensorFlow 2.15 has no other), but this is "
        "Python {}.{}: install python3.11, and make the environment with it.".format(
            *sys.version_info[:2]
        )
    )

_HOMES = {
    "LNMN": "lnmn_tf.models.lnmn",
    "StackNMN": "lnmn_tf.models.stack_nmn",
    "Trace": "lnmn_tf.models.machine",
    "Vocabulary": "lnmn_tf.data.vocabulary",
}

__all__ = ["LNMN", "StackNMN", "Trace", "Vocabulary", "interop"]


def __getattr__(name):
    """Imports a public name when it is first used: TensorFlow takes seconds to load."""
    import importlib

    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    elif name == "interop":
        value = importlib.import_module("lnmn_tf.interop")
    else:
        raise AttributeError(f"module 'lnmn_tf' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return sorted(set(globals()) | set(__all__))
