"""A local Bedrock over HTTP: asynchronous invocations, a clock to move, faults to switch on."""

from .control import Control, ControlError, Submission
from .emulator import Emulator
from .faults import Faults

__all__ = ["Control", "ControlError", "Emulator", "Faults", "Submission"]
