"""`python -m export.client`."""

import sys

from export.client.command import main

sys.exit(main(sys.argv[1:]))
