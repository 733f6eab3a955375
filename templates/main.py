"""What the launcher of the Flex Template starts: homeshelf run, with the parameters of the launch as flags."""

import sys

from pipelines.cli import main

if __name__ == "__main__":
    sys.exit(main(["run", "-v", *sys.argv[1:]]))
