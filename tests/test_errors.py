"""Messages for the person at the keyboard."""

from __future__ import annotations

import pytest

from lnmn_tf.errors import sentence

NODE = "{{function_node __wrapped__Op_device_/job:localhost/task:0/device:CPU:0}}"


@pytest.mark.parametrize(
    "message, reason",
    [
        ("No space left on device", "No space left on device"),
        (f"{NODE} part-0; No space left [Op:SaveV2]", "part-0; No space left"),
        (f"assertion failed: [question 0 is empty]\n\t [[{NODE}]]\n", "question 0 is empty"),
        ("Graph execution error:\n\nno picture\n\t [[{{node a}}]] [Op:call]", "no picture"),
        (
            "2 root error(s) found.\n  (0) INVALID_ARGUMENT:  no a\n\t [[{{node x}}]]\n"
            "  (1) INVALID_ARGUMENT:  no b\n0 successful operations.\n"
            "0 derived errors ignored. [Op:__inference_f_1]",
            "no b",
        ),
        (" \n", "no reason is given"),
    ],
)
def test_an_error_of_tensorflow_becomes_its_reason(message, reason):
    assert sentence(message) == reason
