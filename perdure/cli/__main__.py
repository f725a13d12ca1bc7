"""`python -m perdure.cli`: the command where its script is not on the path."""

import sys

from perdure.cli import main

sys.exit(main())
