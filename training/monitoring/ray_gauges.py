"""The run's curves as Ray metrics, for clusters that Prometheus scrapes: gauges `zeromass_loss_total` and so on.

Only the learner's process exports them, and only when it joined a cluster: a Ray started for one run has nobody to
scrape it. Curves of single actors stay out, for Ray has its own metrics of every process.
"""

from collections.abc import Mapping

from ray.util.metrics import Gauge

from training.monitoring.tags.tags import TAGS


class RayGauges:
    """One gauge a tag, made when it is first set.

    Args:
        run: label of all of them.
    """

    def __init__(self, run: str) -> None:
        self._run = run
        self._gauges: dict[str, Gauge] = {}

    def set(self, row: Mapping[str, float]) -> None:
        """Show a row's values."""
        for name, value in row.items():
            if name not in TAGS:
                continue
            if name not in self._gauges:
                metric = "zeromass_" + name.replace("/", "_")
                self._gauges[name] = Gauge(metric, description=TAGS[name].description, tag_keys=("run",))
            self._gauges[name].set(value, tags={"run": self._run})
