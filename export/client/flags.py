"""The flags of `export.client`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from . import __doc__ as description


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Reads the flags."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}",
        description=description.replace("export.client", __package__),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--server", required=True, metavar="HOST:PORT", help="8500 is usual for gRPC, 8501 for REST"
    )
    add("--rest", action="store_true", help="speak REST and not gRPC")
    add("--image", metavar="FILE", help="a picture (PNG, JPEG), or features (.npy, [H, W, C])")
    add("--question", metavar="TEXT", help="a question about it")
    add(
        "--features_dtype",
        choices=("float32", "float16"),
        default="float32",
        help="what a model of features was exported for (float32); float16 by gRPC alone",
    )
    add(
        "--questions",
        metavar="FILE",
        help="many questions, one a line: the question about --image, or FILE<TAB>question; - = "
        "standard input",
    )
    add(
        "--output",
        metavar="FILE",
        help="where their answers go, a line for each line of --questions, as they come (standard output)",
    )
    add(
        "--resume",
        action="store_true",
        help="go on after the answers that --output holds already",
    )
    add("--batch_size", type=positive(int), default=16, help="questions in a request (16)")
    add("--explain", action="store_true", help="with --question: also what each step did")
    add("--model", default="lnmn", help="its name on the server (lnmn)")
    add("--version", type=positive(int), help="of the model (the newest loaded)")
    add("--label", help="of a version, such as stable or canary")
    add("--deadline", type=positive(float), default=30.0, help="seconds for a request (30)")
    add("--attempts", type=positive(int), default=6, help="while it is not available (6)")
    add("--tls", action="store_true", help="encrypt")
    add("--ca_file", metavar="FILE", help="the authority of its certificate, PEM")
    add("--user", help="for a proxy that wants a password")
    add("--password_file", metavar="FILE", help="a file with that user's password")
    options = parser.parse_args(arguments)
    if bool(options.questions) == bool(options.question):
        parser.error("expected one of --question and --questions")
    if options.question and not options.image:
        parser.error("expected --image with --question")
    if options.resume and not (options.output and options.questions):
        parser.error("expected --questions and --output with --resume")
    if bool(options.user) != bool(options.password_file):
        parser.error("expected --user and --password_file together")
    if options.user and not options.tls:
        parser.error("expected --tls with --user: a password is not sent in the clear")
    return options


def positive(kind: type) -> Any:
    """A type of numbers above zero, for argparse."""

    def number(text: str) -> Any:
        value = kind(text)
        if not 0 < value < 1e9:
            raise ValueError
        return value

    number.__name__ = f"positive {kind.__name__}"
    return number
