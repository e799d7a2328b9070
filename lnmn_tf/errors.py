"""The one exception whose message is meant for the person at the keyboard."""


class InputError(Exception):
    """Something that the user gave is wrong: a flag, a file, a field.

    The message names what was read (file, field or flag), the value that was found, and what would
    be right. `lnmn_tf.main` prints it without a traceback and exits with code 1.
    """
