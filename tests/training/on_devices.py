"""The program on a machine that seems to have several devices.

python tests/training/on_devices.py NUMBER_OF_CPUS FLAGS...
"""

from __future__ import annotations

import sys

import tensorflow as tf

from lnmn_tf.main import main

if __name__ == "__main__":
    (cpu,) = tf.config.list_physical_devices("CPU")
    devices = [tf.config.LogicalDeviceConfiguration()] * int(sys.argv[1])
    tf.config.set_logical_device_configuration(cpu, devices)
    sys.exit(main(sys.argv[2:]))
