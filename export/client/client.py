"""Questions to a served model, asked again where it is not available."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .transports import (
    Arrays,
    GrpcTransport,
    Late,
    Refused,
    RestTransport,
    ServingError,
    Target,
    Unavailable,
)

FIRST_PAUSE = 0.25  # seconds before the second attempt; twice as long before each further one


class Answer(NamedTuple):
    """What the model says."""

    text: str
    probability: float  # in [0, 1]
    top: list[tuple[str, float]]  # up to five answers, the most likely first


class Client:
    """A connection to a served model; may be shared by threads.

    Args:
        target: the server, as "host:port" or with all that `Target` can say.
        rest: speak REST and not gRPC.
        features_dtype: what a model of features reads: float32, or float16 where it was exported with
            `--set=export_features_dtype=float16`.
        deadline: seconds for a request with all its attempts.
        attempts: how often a server is asked that is not available, with pauses that double.

    Raises:
        ServingError: tensorflow-serving-api is missing, or a file of the target; or float16 by REST.
    """

    def __init__(
        self,
        target: str | Target,
        rest: bool = False,
        deadline: float = 30.0,
        attempts: int = 6,
        features_dtype: str = "float32",
    ):
        if rest and features_dtype != "float32":
            raise ServingError(f"JSON has no {features_dtype} for features; expected gRPC")
        self._features_dtype = features_dtype
        self.target = Target(target) if isinstance(target, str) else target
        self.deadline, self.attempts = deadline, attempts
        try:
            self._transport = (RestTransport if rest else GrpcTransport)(self.target)
        except ImportError as error:
            raise ServingError(
                f"{error}: pip install tensorflow-serving-api==2.15.1, or ask with --rest"
            ) from None
        except OSError as error:
            raise ServingError(f"{self.target.certificates}: {error.strerror or error}") from None

    def ask(self, images: Sequence[Any], questions: Sequence[str]) -> list[Answer]:
        """Answers a batch of questions.

        Args:
            images: for each question the bytes of a picture (PNG or JPEG) or, for a model of features,
                an array [height, width, channels].
            questions: in English.

        Raises:
            ServingError: see `predict`.
        """
        outputs = self.predict(self._inputs(images, questions))
        try:
            texts, probabilities = outputs["top_answers"], outputs["top_probabilities"]
            tops = [
                [(text, float(p)) for text, p in zip(*row) if text]  # five of each
                for row in zip(texts, probabilities)  # one batch
            ]
            return [Answer(*top[0], top) for top in tops]
        except (KeyError, IndexError, TypeError):
            raise self._named(ServingError("its reply is not one of an lnmn model")) from None

    def explain(self, image: Any, question: str) -> Arrays:
        """The signature `explain` for one question.

        Returns:
            Its outputs without the batch dimension: `answer`, `words` [words], `word_attention`
            [steps, words], `module_names` [modules], `module_weights` [steps, modules], `attention`
            [steps, height, width], `pointer` [steps, slots], ...
        """
        outputs = self.predict(self._inputs([image], [question]), "explain")
        return {name: array[0] for name, array in outputs.items()}

    def predict(self, inputs: Mapping[str, Any], signature: str = "serving_default") -> Arrays:
        """Runs a signature; asks again where the server is not available.

        Args:
            inputs: arrays, or lists of texts or bytes, each with the batch as its first dimension.
            signature: its name.

        Raises:
            ServingError: no server, no answer in time, or the server refuses; names the server.
        """
        end = time.monotonic() + self.deadline
        for attempt in range(1, self.attempts + 1):
            try:
                left = max(end - time.monotonic(), 0.001)
                return self._transport.predict(inputs, signature, left)
            except Unavailable as error:
                # A random share keeps clients that failed together from coming back together.
                pause = FIRST_PAUSE * 2 ** (attempt - 1) * random.uniform(0.75, 1.25)
                if attempt == self.attempts or time.monotonic() + pause >= end:
                    reason = f"not available ({error}); asked {attempt} times"
                    raise self._named(Unavailable(reason)) from None
                time.sleep(pause)
            except Late:
                raise self._named(Late(f"no answer within {self.deadline:g} s")) from None
            except ServingError as error:
                raise self._named(error) from None
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Ends the connection."""
        self._transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _named(self, error: ServingError) -> ServingError:
        return type(error)(f"{self.target.server}, model {self.target.model!r}: {error}")

    def _inputs(self, images: Sequence[Any], questions: Sequence[str]) -> dict[str, Any]:
        if len(images) != len(questions):
            raise ServingError(
                f"{len(images)} images and {len(questions)} questions; expected one image for each"
            )
        if all(isinstance(image, bytes) for image in images):
            return {"question": list(questions), "image": list(images)}
        try:
            features = np.asarray(images, self._features_dtype)
        except (TypeError, ValueError):
            raise Refused(
                "expected pictures alone in a request, or features alone, all of one shape"
            ) from None
        return {"question": list(questions), "features": features}
