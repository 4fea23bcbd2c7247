"""Search on a graph as a method of a run."""

from __future__ import annotations

from kerasnas.datasets import GraphDataset
from kerasnas.files.stages import Stages
from kerasnas.genotypes import of_entry
from kerasnas.methods.nodes.propagation import HOPS
from kerasnas.methods.nodes.record import write_node_record
from kerasnas.methods.nodes.search import NodeSearch, load_graph
from kerasnas.methods.nodes.settings import GraphConfig
from kerasnas.methods.plan import plan_text
from kerasnas.modalities.graphs import is_graph_file
from kerasnas.racing.budget import Budget, spent_before
from kerasnas.records import Record
from kerasnas.reporting.tables import duration
from kerasnas.runs.method import Context, Method


class NodeClassification(Method[GraphConfig, GraphDataset]):
    """Networks of the nodes of a graph, averaged with a regression on propagated features."""

    name, words, settings = "graph", "a search on a graph", GraphConfig
    way = "Name the .npz file of a graph."

    def load(self, settings: GraphConfig) -> GraphDataset:
        return load_graph(settings)

    def budget(self, settings: GraphConfig, stages: Stages, spent: float) -> Budget:
        return settings.budget(spent + spent_before(stages, "search"))

    def plan(self, context: Context[GraphConfig, GraphDataset]) -> str:
        data, budget = context.data, context.budget
        assert budget is not None
        nodes = {part: f"{len(own):,}" for part, own in data.parts.items()}
        size = f"{len(data.y):,} nodes and {len(data.graph.edges):,} edges of {data.name}"
        clock = "CPU time" if budget.cpu else "wall-clock"
        return plan_text(
            f"{duration(round(budget.left()))} for everything, {clock}.",
            ("reference", f"logistic regression on the features after {HOPS} steps along the edges"),
            (
                "search",
                f"up to {context.settings.evaluations} networks of {size}, their classifiers solved on "
                f"{nodes['train']} training nodes",
            ),
            ("mixture", f"of both, weighed on {nodes['validation']} validation nodes"),
            ("report", f"accuracy on {nodes['test']} test nodes, report, model card"),
        )

    def run(self, context: Context[GraphConfig, GraphDataset]) -> Record:
        search, progress = NodeSearch(context.stages, context.settings, context.data), context.progress
        assert context.budget is not None
        with progress.following(context.state):
            regression, accuracy = search.regression()
            progress(f"Logistic regression on propagated features: validation accuracy {accuracy:.1%}.")
            found = search.search(context.budget, context.tracking, progress)
            context.keep_genotype(of_entry(found["genotype"]))
            progress.phase("report")
            searched = search.finish(context, regression, found)
        return write_node_record(context, found, searched)

    def suits(self, space: str | None, dataset: str) -> bool:
        """Return True if the space is that of graphs or, with none named, the data set is a graph."""
        return space == "graphs" or (space is None and is_graph_file(dataset))
