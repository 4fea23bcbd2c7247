"""The contract of a method of a run, for each that is registered, and for one of a user's own."""

import dataclasses
import json
import shlex
import sys
import textwrap

import numpy as np
import pytest

from kerasnas import cli, methods
from kerasnas.export.classifier import load_classifier
from kerasnas.methods import METHODS
from kerasnas.reporting.comparisons import COMPARISONS
from kerasnas.runs.folder import RunFolder, read_config
from kerasnas.runs.settings import flag_of, method_of

OWN = '''
    """The share of each class as a network: a method in one file."""

    import dataclasses
    import json

    import keras
    import numpy as np

    from kerasnas.methods import METHODS
    from kerasnas.methods.assembly import checked_data
    from kerasnas.reporting.comparisons import COMPARISONS, Comparison
    from kerasnas.reporting.tables import Table
    from kerasnas.runs.method import Method
    from kerasnas.runs.settings import Settings, setting
    from kerasnas.runs.shared_settings import DataSettings, ImportSettings, RunSettings
    from kerasnas.spaces import MacroSpace


    @dataclasses.dataclass(frozen=True)
    class SharesConfig(Settings, RunSettings, DataSettings, ImportSettings):
        smoothing: float = setting(1.0, "Samples that each class has in advance.", least=0)


    class Shares(Method):
        name, words, settings, option = "shares", "a count of classes", SharesConfig, "shares"

        def load(self, settings):
            return checked_data(settings)

        def plan(self, context):
            return f"Plan: count {len(context.data.y_train)} labels."

        def run(self, context):
            data = context.data
            counts = np.bincount(data.y_train, minlength=data.num_classes) + context.settings.smoothing
            inputs = keras.Input(data.input_shape)
            dense = keras.layers.Dense(data.num_classes, kernel_initializer="zeros")
            model = keras.Model(inputs, dense(keras.layers.Flatten()(inputs)))
            dense.bias.assign(np.log(counts / counts.sum()))
            genotype = next(iter(MacroSpace().references().values()))
            context.keep_classifier(model)
            context.keep_genotype(genotype)
            record = {"genotype": json.loads(genotype.to_json()), "parameters": data.num_classes}
            shares = (counts / counts.sum()).tolist()
            return context.finish({**record, "history": {}, "seconds": 0.1}, shares=shares)


    class ShareComparison(Comparison):
        title, limits = "Shares of the classes", "It has seen no sample."

        def sentences(self, record):
            return [f"The largest share is {max(record['shares']):.2f}."]

        def table(self, record):
            return Table(["class", "share"], [[str(i), f"{one:.2f}"] for i, one in enumerate(record["shares"])])


    METHODS.register("shares", Shares)
    COMPARISONS.register("shares", ShareComparison)
'''


@pytest.mark.parametrize("name", METHODS)
def test_contract(name, tmp_path):
    method = METHODS[name]()
    assert (method.name, method.words[:2], method.command in cli.COMMANDS) == (name, "a ", True)
    required = {"pretrain": {"datasets": ("cifar10",)}, "graph": {"dataset": "graph.npz"}}.get(name, {})
    settings = method.settings(**required)
    assert method_of(settings).settings is method.settings
    assert all(hasattr(settings, data) for data in method.data)
    run = RunFolder.create(tmp_path / "run", settings)
    assert read_config(run.path / "config.json") == settings and RunFolder.open(run.path).method.name == name
    words = shlex.split(run.command)
    assert words[:2] == ["kerasnas", method.command]
    flags = {flag_of(field) for field in dataclasses.fields(settings)} | {"output_dir", "method"}
    assert {word.removeprefix("--").partition("=")[0] for word in words[2:]} <= flags


def test_settings_of_no_method():
    with pytest.raises(TypeError, match=r"a method of a run: .*race"):
        method_of(3)


@pytest.fixture
def own(tmp_path):
    module = tmp_path / "shares_of_classes.py"
    module.write_text(textwrap.dedent(OWN))
    rng = np.random.default_rng(0)
    x, y = rng.random((20, 4, 4, 1)).astype("float32"), np.array([0] * 15 + [1] * 5)
    np.savez(tmp_path / "data.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    yield module
    sys.modules.pop(module.stem, None)
    METHODS.unregister("shares")
    COMPARISONS.unregister("shares")


def test_a_method_of_ones_own_is_one_file(own, tmp_path):
    """Run, plan, record, report, card, resume and command are those of every method."""
    from kerasnas.runs import plugins

    plugins.load((str(own),))
    lines, folder = [], tmp_path / "run"
    settings = METHODS["shares"].settings(imports=(str(own),), dataset=str(tmp_path / "data.npz"), smoothing=0)
    result = methods.search(settings, folder, lines.append)
    assert "Plan: count 20 labels." in lines and "The largest share is 0.75." in lines
    assert result["shares"] == [0.75, 0.25] and result["searched"]["test_accuracy"] == 0.75
    answers = load_classifier(folder).answers(np.zeros((1, 4, 4, 1)))
    assert answers[0] == pytest.approx([0.75, 0.25])
    assert "<h2>Shares of the classes</h2>" in (folder / "report.html").read_text()
    card = (folder / "card.md").read_text()
    assert "## Shares of the classes" in card and "- It has seen no sample." in card
    lines.clear()
    assert methods.resume(folder, lines.append)["shares"] == [0.75, 0.25] and not lines[0].startswith("Plan")
    assert json.loads((folder / "config.json").read_text())["kind"] == "shares"
    assert "--smoothing=0.0" in RunFolder.open(folder).command


def test_a_method_of_ones_own_from_the_command_line(own, tmp_path, capsys):
    arguments = ["search", f"--import={own}", str(tmp_path / "data.npz"), f"--output_dir={tmp_path / 'run'}"]
    assert cli.main([*arguments, "--method=shares", "--smoothing=5"]) == 0
    assert "The largest share is 0.67." in capsys.readouterr().out
    assert cli.main([*arguments, "--method=race", "--smoothing=5"]) == 2
    assert "--smoothing is a flag of a count of classes, and this is a race." in capsys.readouterr().err
    assert cli.main([*arguments, "--method=share"]) == 2
    assert "Did you mean 'shares'" in capsys.readouterr().err
