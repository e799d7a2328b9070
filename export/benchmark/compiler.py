"""Compiles a C++ program against the libraries in the TensorFlow wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import tensorflow as tf

COMPILER = "g++"
LIBRARIES = ("cc", "framework")


def has_compiler() -> bool:
    """Whether there is one."""
    return shutil.which(COMPILER) is not None


def compile_program(source: str | os.PathLike, folder: str | os.PathLike) -> Path:
    """Builds one file into a program of the same name, which finds the libraries by itself."""
    wheel = tf.sysconfig.get_lib()
    program = Path(folder) / Path(source).stem
    command = [COMPILER, "-O1", *tf.sysconfig.get_compile_flags(), source, "-o", program]
    links = [f"-L{wheel}", *(f"-l:libtensorflow_{name}.so.2" for name in LIBRARIES)]
    subprocess.run([*command, *links, f"-Wl,-rpath,{wheel}"], check=True, timeout=300)
    return program
