"""Asks a model that TF Serving serves.

    python -m export.client --server=host:8500 --image=PICTURE --question="How many cubes are there?"
    python -m export.client --server=host:8501 --rest --image=PICTURE --question="..."
    python -m export.client --server=host:8500 --questions=FILE --output=answers.tsv

In Python:

    with Client("host:8500") as client:
        (answer,) = client.ask([open("picture.png", "rb").read()], ["How many cubes are there?"])
        print(answer.text, answer.probability)

It needs numpy and, for gRPC, tensorflow-serving-api; nothing else of this package.
"""

from .client import Answer, Client
from .transports import Late, Refused, ServingError, Target, Unavailable

__all__ = ["Answer", "Client", "Late", "Refused", "ServingError", "Target", "Unavailable"]
