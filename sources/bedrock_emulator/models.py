"""The models of the timeline: their share of the calls, their latencies and their failures."""

from dataclasses import dataclass
from math import log
from random import Random

from .timestamps import SECOND


@dataclass(frozen=True, slots=True)
class Failure:
    """A way to fail: its message, how common it is, and its length relative to a success."""

    message: str
    weight: float
    pace: float = 1.0


@dataclass(frozen=True, slots=True)
class Model:
    """A model with a log-normal latency (median in seconds, sigma of its logarithm)."""

    model_id: str
    weight: float
    median_seconds: float
    sigma: float
    failure_rate: float
    failures: tuple[Failure, ...]
    purpose: str = "video"

    def draw(self, rng: Random, *, on_bad_day: bool = False) -> tuple[float, Failure | None]:
        """The latency in milliseconds of one invocation, and its failure or None."""
        latency = rng.lognormvariate(log(self.median_seconds * SECOND), self.sigma)
        if rng.random() >= (BAD_DAY_FAILURE_RATE if on_bad_day else self.failure_rate):
            return latency, None
        failures = BAD_DAY_FAILURES if on_bad_day else self.failures
        [failure] = rng.choices(failures, [one.weight for one in failures])
        return latency * failure.pace, failure


OUTPUT_BLOCKED = Failure(
    "The generated video was blocked by our content filters. Adjust the prompt and try again.", 4
)
INPUT_BLOCKED = Failure(
    "The input prompt or image conflicts with our responsible AI policy and was blocked by "
    "content filters.",
    3,
    0.08,
)
S3_DENIED = Failure(
    "Access denied while writing to the S3 output location. Check the bucket policy and the "
    "permission s3:PutObject of the caller.",
    2,
)
S3_MISSING = Failure("The specified S3 bucket does not exist.", 1, 0.05)
INVALID_DURATION = Failure(
    "Validation failed: durationSeconds must be a multiple of 6 between 12 and 120.", 1.5, 0.02
)
INVALID_IMAGE = Failure(
    "Invalid input: the image dimensions must be 1280x720 and the format PNG or JPEG.", 1, 0.03
)
INVALID_MEDIA = Failure(
    "Invalid input: the media file could not be decoded. Supported formats are MP4, MOV and MKV.",
    3,
    0.2,
)
INTERNAL = Failure("An internal server error occurred. Try your request again.", 2, 0.6)
CAPACITY = Failure(
    "The model is experiencing high demand and has insufficient capacity. Try again later.", 1, 0.3
)
TIMED_OUT = Failure("The invocation timed out before the model produced its output.", 1, 8)
ABORTED = Failure("The invocation was aborted by the service.", 0.3, 0.5)

NOVA_REEL = (OUTPUT_BLOCKED, INPUT_BLOCKED, INVALID_DURATION, INVALID_IMAGE, S3_DENIED, INTERNAL)
LUMA = (OUTPUT_BLOCKED, INPUT_BLOCKED, CAPACITY, S3_DENIED, INTERNAL, ABORTED)
EMBEDDINGS = (INVALID_MEDIA, S3_DENIED, S3_MISSING, INTERNAL, TIMED_OUT)

MODELS = (
    Model("amazon.nova-reel-v1:0", 12, 92, 0.25, 0.030, NOVA_REEL),
    Model("amazon.nova-reel-v1:1", 24, 260, 0.70, 0.045, (*NOVA_REEL, CAPACITY, TIMED_OUT)),
    Model("luma.ray-v2:0", 14, 175, 0.45, 0.060, LUMA),
    Model("twelvelabs.marengo-embed-2-7-v1:0", 16, 48, 0.60, 0.015, EMBEDDINGS, "embeddings"),
    Model("twelvelabs.marengo-embed-3-0-v1:0", 20, 27, 0.55, 0.010, EMBEDDINGS, "embeddings"),
    Model(
        "amazon.nova-2-multimodal-embeddings-v1:0", 10, 14, 0.80, 0.020, EMBEDDINGS, "embeddings"
    ),
    Model("provisioned-model/k3v8qmx20t7a", 4, 140, 0.35, 0.008, (INTERNAL, OUTPUT_BLOCKED)),
)

# The burst of failures on the bad day.
BAD_DAY_FAILURE_RATE = 0.75
BAD_DAY_FAILURES = (CAPACITY, INTERNAL, TIMED_OUT)
