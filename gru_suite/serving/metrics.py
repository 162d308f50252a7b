"""Metrics of a server in the format of Prometheus."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Counters of one server."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self.requests = Counter(
            "gru_suite_requests", "Requests by route and status", ["route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "gru_suite_request_seconds",
            "Time of a request in seconds",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.inputs = Counter(
            "gru_suite_inputs", "Predicted inputs by model", ["model"], registry=registry
        )
        self.batch_size = Histogram(
            "gru_suite_batch_size",
            "Inputs predicted at once, by model",
            ["model"],
            buckets=_SIZES,
            registry=registry,
        )
        self.streams = Gauge("gru_suite_streams", "Open streams by model", ["model"], registry=registry)
        self.rows = Histogram(
            "gru_suite_stream_rows",
            "Streams computed at once, by model",
            ["model"],
            buckets=_SIZES,
            registry=registry,
        )
        self.loads = Counter(
            "gru_suite_loads", "Checkpoints loaded, by model", ["model"], registry=registry
        )
        self.started = time.time()

    def text(self) -> bytes:
        """Return all metrics."""
        found: bytes = generate_latest(self.registry)
        return found
