"""How much is tried of what is random or repeated: minutes for a change, hours with SOAK set."""

import os
from typing import Final

SOAK: Final = "SOAK" in os.environ
STEPS: Final = int(os.environ.get("STEPS", "20000" if SOAK else "200"))
"""Steps of random histories."""
KILLS: Final = int(os.environ.get("KILLS", "50" if SOAK else "2"))
"""Kills per destination and kind of storage."""
RUNS: Final = int(os.environ.get("RUNS", "30" if SOAK else "10"))
"""Loads in a row, each compared with the whole listing."""
