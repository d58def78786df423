"""A command that kills itself: `python -m tests.kills.struck MOMENT NTH before|after -- run …`."""

import sys

from bedrock_async_etl.cli import main
from tests.kills.moments import MOMENTS
from tests.whole_load.moments import die, strike

if __name__ == "__main__":
    moment, nth, when, _, *arguments = sys.argv[1:]
    strike(MOMENTS[moment], int(nth), when == "after", die)
    sys.argv[1:] = arguments
    main()
