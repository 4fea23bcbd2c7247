"""The subcommands: their words, their flags, and what they run."""

from __future__ import annotations

from kerasnas.cli import actions
from kerasnas.cli.command import Command, OwnFlag
from kerasnas.cli.completion import SHELLS
from kerasnas.cli.described import Description, write
from kerasnas.cli.experience import ACTIONS, experience

_METHOD = OwnFlag(
    "method",
    "auto",
    "How to search: race, networks trained side by side within --minutes, of any space of images; gradient, with a "
    "supernet; or auto: a race, unless --space names a space that has a supernet.",
    known=actions.method_options,
)
_GENOTYPE = "A genotype.json, the folder of a run, or the name of a published one: DARTS_V1, DARTS_V2, PC_DARTS_CIFAR."
_IMAGES = OwnFlag(
    "images",
    (),
    "Image files, and folders of them; of a network for texts, texts in quotes, and .txt files of one in each line.",
    several=True,
)
_PRINTED = OwnFlag(
    "format",
    "text",
    "Of what is printed; csv and json have the probability of every class.",
    known=("text", "csv", "json"),
)
_EVALUATED = OwnFlag("dataset", "", "Labeled data, as for a search. Default: the run's.")
_FORMATS = OwnFlag(
    "format",
    (),
    "Formats, comma-separated: savedmodel, onnx (needs the extra kerasnas[export]), litert, litert-int8. Default: "
    "savedmodel,litert,litert-int8.",
    known=("savedmodel", "onnx", "litert", "litert-int8"),
)
_CONTINUED = OwnFlag(
    "executor",
    "",
    "Where independent trainings run from here: local, processes:N, ray or ray://HOST:PORT. Default: as it was begun.",
)
_TARGET = OwnFlag("output", None, "The folder that is written to. Default: that of the run.")
_MOVED = OwnFlag("dataset", "", "Where the run's data are now, a name or a path. Default: where they were.")
_PUSH = (
    OwnFlag(
        "target", None, "hf://owner/name, a repository of the Hub; or a folder that does not exist.", required=True
    ),
    OwnFlag("license", None, "The Hub's name of a license, such as apache-2.0. Default: none is said."),
    OwnFlag("private", False, "A repository that is made is private."),
)
_MONITOR = (
    OwnFlag(
        "images",
        (),
        "New images, folders of them, or texts; with --labels one folder, .npz or .csv.",
        several=True,
    ),
    OwnFlag("labels", False, "They have labels: a folder for each class, or an .npz or .csv."),
    OwnFlag("adapt", False, "Adapt the network where there is drift."),
    OwnFlag("minutes", "1", "Budget of the adaptation."),
    _MOVED,
    OwnFlag("format", "text", "Of what is printed.", known=("text", "json")),
)
_PROGRESS = (
    OwnFlag(
        "progress",
        "auto",
        "What is told on the way: bar, lines and one bar for everything with the time left (in a terminal, else lines "
        "alone); lines; none, only what came out; auto, the same as bar.",
        known=("auto", "bar", "lines", "none"),
    ),
    OwnFlag("quiet", False, "Tell nothing but errors."),
)

RENAMED = {"bench": "compare", "benchmark": "time"}
"""Old name of a command -> its name: an error names the new one."""

COMMANDS: dict[str, Command] = {
    command.name: command
    for command in (
        Command(
            "search",
            "find the best network for your data in the time you give, and train it.",
            "Networks of many shapes, well-known ones among them, are trained side by side; those that promise least\n"
            "drop out, and the best one is trained on with the rest of the time, on all of the data.\n"
            "\n"
            "    kerasnas search --output_dir=runs/first\n"
            "    kerasnas search my_images/ --minutes=10 --output_dir=runs/mine\n"
            "    kerasnas search --dataset=my_images/ --minutes=10 --max_parameters=100000 --output_dir=runs/small\n"
            "\n"
            "Networks of your own take part with --genotypes: genotype files, or folders of runs, of any space.\n"
            "\n"
            "    kerasnas search --dataset=my_images/ --minutes=10 --genotypes=runs/cells --output_dir=runs/against\n"
            "    kerasnas search --import=my_networks.py --space=my_networks --output_dir=runs/own_networks\n"
            "\n"
            "With the name of a space of cells or chains, a gradient search instead (DARTS): a supernet holds every\n"
            "candidate at once, gradient descent moves its weights on one half of the training data and the choice\n"
            "between candidates on the other; the network found is trained from scratch beside random ones.\n"
            "\n"
            "    kerasnas search --space=darts --dataset=my_images/ --epochs=15 --output_dir=runs/cells\n"
            "    kerasnas search --import=my_spaces.py --space=mine --output_dir=runs/own\n"
            "\n"
            "The .npz file of a graph is known by its arrays: its nodes are classified by networks of which a\n"
            "classifier alone is learned, and by a logistic regression on propagated features beside them.\n"
            "\n"
            "    kerasnas search graph.npz --minutes=1 --output_dir=runs/nodes\n"
            "\n"
            "The folder then holds model.keras (plain Keras), genotype.json, report.html, card.md, history.csv,\n"
            "config.json and plots. Stop it whenever you like: `kerasnas resume` continues where it was.",
            actions.search,
            starts_runs=True,
            timed=True,
            places=("dataset",),
            own=(_METHOD, *_PROGRESS),
            shown=(
                *("output_dir", "dataset", "minutes", "max_parameters", "latency_target_ms", "space", "method"),
                *("initializer", "genotypes", "augment", "ensemble", "epochs", "executor", "seed", "config"),
            ),
        ),
        Command(
            "retrain",
            "train the network of a genotype from scratch.",
            "    kerasnas retrain --genotype=runs/first/genotype.json --retrain_epochs=40 --output_dir=runs/longer\n"
            "    kerasnas retrain --genotype=runs/first --retrain_epochs=40 --output_dir=runs/as_wide_as_there\n"
            "    kerasnas retrain --genotype=DARTS_V2 --dataset=cifar10 --output_dir=runs/darts_v2\n"
            "\n"
            "Without --space and --num_nodes, they are the genotype's; of the folder of a run, the size is the run's.",
            actions.retrain,
            starts_runs=True,
            own=(OwnFlag("genotype", None, _GENOTYPE, required=True), *_PROGRESS),
            shown=(
                *("output_dir", "genotype", "dataset", "retrain_epochs", "retrain_filters", "retrain_cells"),
                *("retrain_batch_size", "retrain_learning_rate", "augment", "image_size", "task", "target"),
                *("seed", "config"),
            ),
        ),
        Command(
            "pretrain",
            "learn from data sets that you have, for searches on data that you will have.",
            "    kerasnas pretrain --datasets=cells/,leaves.npz --minutes=30 --output_dir=starts/ours\n"
            "    kerasnas search new_cells/ --initializer=starts/ours --output_dir=runs/new\n"
            "\n"
            "One network learns all of them at once, each with a head of its own. A race on other images begins from\n"
            "what it has learned, and has the same network with drawn weights beside it.",
            actions.pretrain,
            starts_runs=True,
            timed=True,
            own=_PROGRESS,
        ),
        Command(
            "resume",
            "continue a run that was interrupted, by Ctrl-C, a kill or a power cut.",
            "The result is that of an uninterrupted run, to the bit where TensorFlow sums in one order.\n\n"
            "    kerasnas resume runs/first",
            actions.resume,
            timed=True,
            places=("output_dir",),
            own=(*_PROGRESS, _CONTINUED),
        ),
        Command(
            "predict",
            "tell the class of images, or of texts, with the network of a run.",
            "    kerasnas predict runs/first photo.png\n"
            "    kerasnas predict runs/first photos/ --format=csv\n"
            "    kerasnas predict hf://somebody/leaves leaf.jpg\n"
            '    kerasnas predict runs/reviews "a fine film" more_reviews.txt\n'
            "\n"
            "Prints the class of each image and its probability. Images are turned upright, and resized to the size\n"
            "that the network was trained on. A file that cannot be read is named, and the exit status is 2. In place\n"
            "of a run, a preset: a name of kerasnas.presets(), or a repository of the Hugging Face Hub.",
            actions.predict,
            places=("output_dir", "images"),
            own=(_IMAGES, _PRINTED),
        ),
        Command(
            "evaluate",
            "evaluate the network of a run on labeled data.",
            "    kerasnas evaluate runs/first\n"
            "    kerasnas evaluate runs/first --dataset=new_images/\n"
            "\n"
            "Prints accuracy and loss on the test part of the data, with 95 % intervals, and the accuracy of each\n"
            "class, the worst first.",
            actions.evaluate,
            places=("output_dir",),
            own=(_EVALUATED,),
        ),
        Command(
            "export",
            "write the network of a run for other runtimes, and check what is written.",
            "    kerasnas export runs/first\n"
            "    kerasnas export runs/first --format=savedmodel,onnx,litert,litert-int8 --output=release/\n"
            "\n"
            "Each file takes what model.keras takes, raw images as float32 from 0 to 255, and answers probabilities.\n"
            "It is read back and compared with model.keras on images of the run's test data. Prints how often both\n"
            "tell the same class, the largest difference of a probability, size and latency of one image; the report\n"
            "and the model card of the run have that table from then on.",
            actions.export,
            places=("output_dir",),
            own=(_FORMATS, _TARGET, _MOVED),
        ),
        Command(
            "push",
            "publish the network of a run, on the Hugging Face Hub or in a folder.",
            "    kerasnas push runs/first hf://somebody/leaves --license=apache-2.0\n"
            "    kerasnas push runs/first presets/leaves\n"
            "\n"
            "Network, genotype, results, settings and model card, with checksums; of paths the last names are left,\n"
            "and nothing of the data but the names of the classes. `kerasnas predict hf://somebody/leaves`, evaluate\n"
            "and export take it from there, and so does kerasnas.load in Python. Needs the extra kerasnas[hub].",
            actions.push,
            places=("output_dir", "target"),
            own=_PUSH,
        ),
        Command(
            "monitor",
            "say whether new images, or texts, drifted from those of a run, and adapt its network.",
            "    kerasnas monitor runs/first photos_of_may/\n"
            "    kerasnas monitor runs/first photos_of_may/ --labels --adapt --minutes=2\n"
            "\n"
            "Compares brightness, contrast and sharpness of the images, or length and letters of texts, and what the\n"
            "network answers with the test data of the run, by a test that takes usual ones for drift in one of 100\n"
            "cases; with --labels the accuracy too, of numbers the share that errs no more than nine of ten did. At\n"
            "least 20 images, or texts (arguments, or the lines of a .txt). With --adapt the network is trained on\n"
            "from where it is, on labeled images and, so that nothing is forgotten, on the run's; without labels only\n"
            "its batch normalization changes. What is better on held-out images is written to adapted-1 in the folder\n"
            "of the run, whose own network stays.",
            actions.monitor,
            places=("output_dir", "images"),
            own=_MONITOR,
        ),
        Command(
            "plot",
            "draw the plots of a run, or of a genotype, again.",
            "    kerasnas plot runs/first\n    kerasnas plot --genotype=DARTS_V2 --output_dir=plots",
            actions.plot,
            places=("output_dir",),
            own=(OwnFlag("genotype", None, _GENOTYPE),),
        ),
        Command(
            "compare",
            "compare black-box strategies on a table of published results.",
            "    kerasnas compare --output_dir=runs/compare\n"
            "    kerasnas compare --table=nasbench201.npz --dataset=cifar100 --evaluations=100 --seeds=500 \\\n"
            "        --strategies=random,evolution,predictor --output_dir=runs/compare\n"
            "\n"
            "A table holds the accuracy of every architecture of a space, so that a search takes milliseconds and can\n"
            "be repeated with hundreds of seeds. Prints mean and standard deviation, and writes curves.csv and\n"
            "regret.png. Without --table the accuracies are made up: they show how it works, and nothing else.",
            actions.compare,
            settings="ComparisonConfig",
        ),
        Command(
            "time",
            "time a search step on this machine, and tell what a search would take.",
            "    kerasnas time\n"
            "    kerasnas time --filters=16 --num_cells=8 --dataset=my_images/ --epochs=50\n"
            "\n"
            "Takes a minute or so, on a machine that does nothing else. Of the dataset only the size of the images,\n"
            "their number and that of the classes matter. It prints, and writes no file.",
            actions.time,
            settings="TimingConfig",
            shown=(
                *("dataset", "space", "filters", "num_cells", "num_nodes", "primitives", "batch_size", "epochs"),
                *("hypergradient", "relaxation", "partial_channels", "image_size", "steps", "config"),
            ),
        ),
        Command(
            "experience",
            "look at what earlier searches left for later ones, and say whether they may.",
            "    kerasnas experience on\n"
            "    kerasnas experience\n"
            "    kerasnas experience show 3\n"
            "    kerasnas experience forget 3\n"
            "    kerasnas experience merge from_a_colleague.jsonl\n"
            "    kerasnas experience off\n"
            "\n"
            "With `on`, every race, and every gradient search with a shortlist, adds a line to experience.jsonl in\n"
            "~/.cache/kerasnas (or $KERASNAS_HOME): images, signals or texts, how large the data were and how hard\n"
            "they looked, every network with its curve, the winner, the machine. No sample, no path, no name of a\n"
            "class. The networks that did best on the most alike data then come first in later races, and take part\n"
            "in later shortlists. `off` ends both, and keeps the file, which you may read, copy and delete. For a\n"
            "single search there are `kerasnas search --remember` and `--no_experience`.",
            experience,
            places=("action", "what"),
            own=(
                OwnFlag("action", "list", "Of it: list, show, forget, merge, on or off.", known=ACTIONS),
                OwnFlag("what", None, "The number of a search, as list tells it, or the file that is merged."),
            ),
        ),
        Command(
            "doctor",
            "examine this machine: what a search would run on, and whether it computes what it should.",
            "    kerasnas doctor\n"
            "    kerasnas doctor --distribution=gpu\n"
            "    KERAS_BACKEND=jax kerasnas doctor\n"
            "\n"
            "Prints versions, devices and the distribution; takes some steps of a tiny search, without XLA and\n"
            "compiled, and compares the two; and compares a search on two replicas, made of the CPU, with one on one\n"
            "device. Takes about a minute, and writes no file. The exit status is 0 where all checks passed, else 2:\n"
            "then put all that it printed into a bug report.",
            actions.doctor,
            settings="DoctorConfig",
        ),
        Command(
            "completion",
            "print a script that lets your shell complete commands, flags and values.",
            "    kerasnas completion bash > ~/.local/share/bash-completion/completions/kerasnas\n"
            '    kerasnas completion zsh > "${fpath[1]}/_kerasnas"\n'
            "    kerasnas completion fish > ~/.config/fish/completions/kerasnas.fish",
            lambda values: actions.completion(values, COMMANDS),
            places=("shell",),
            own=(OwnFlag("shell", None, "The shell: bash, zsh or fish.", known=SHELLS, required=True),),
        ),
    )
}


def descriptions() -> dict[str, Description]:
    """Describe the flags of every command that has settings, from the settings."""
    return {name: command.describe() for name, command in COMMANDS.items() if command.has_settings}


if __name__ == "__main__":
    write(descriptions())
