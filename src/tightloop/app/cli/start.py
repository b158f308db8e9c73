"""Where the command begins: Ctrl-C while Python still loads ends it as quietly as later."""

import sys

try:
    from tightloop.app.cli.main import main
except KeyboardInterrupt:
    sys.stderr.write("error: interrupted; nothing was begun\n")
    sys.exit(130)

__all__ = ["main"]
