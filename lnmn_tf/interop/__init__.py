"""Weights of the original programs in our models: the authors' LNMN (PyTorch) and Stack-NMN (TF1)."""

from lnmn_tf.interop.lnmn import load_lnmn
from lnmn_tf.interop.stack_nmn import load_snmn

__all__ = ["load_lnmn", "load_snmn"]
