"""Settings of a search on a graph."""

from __future__ import annotations

import dataclasses

from kerasnas.runs.settings import Settings, setting
from kerasnas.runs.shared_settings import DATASET, BudgetSettings, ImportSettings, RunSettings


@dataclasses.dataclass(frozen=True)
class GraphConfig(Settings, RunSettings, BudgetSettings, ImportSettings):
    """Settings of `kerasnas search` on a graph, whose nodes are classified."""

    dataset: str = setting("", DATASET)
    space: str = setting("graphs", "The search space.", known=("graphs",))
    evaluations: int = setting(
        60, "Of a graph: networks that are tried at most; fewer where the budget ends first.", least=1
    )
    members: int = setting(10, "Of a graph: networks, the best ones, whose probabilities are averaged.", least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("cpu_minutes", not (self.minutes and self.cpu_minutes), "nothing with --minutes")
