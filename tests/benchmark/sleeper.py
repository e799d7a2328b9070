"""A worker whose call takes as long as its task says."""

import sys
import time

from lnmn_tf.benchmark.worker import serve


def prepare(task):
    print("what libraries print is not for the channel")
    if task["seconds"] < 0:
        sys.exit("error: time goes forwards")
    return lambda: time.sleep(task["seconds"]), {"values": [task["seconds"]]}


if __name__ == "__main__":
    serve(prepare)
