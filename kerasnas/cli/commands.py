"""Subcommands: their words, their flags, and their functions."""

from __future__ import annotations

import json

from kerasnas.cli import actions
from kerasnas.cli.command import DESCRIBED, Command, Description, OwnFlag
from kerasnas.cli.completion import SHELLS
from kerasnas.cli.experience import ACTIONS, experience

_METHOD = OwnFlag(
    "method",
    "auto",
    "Search method: race (candidates trained side by side within --minutes), front (races for networks of several "
    "sizes), gradient (a supernet), or auto: a race, unless --space names a space that has a supernet.",
    known=actions.method_options,
)
_GENOTYPE = "A genotype.json, the folder of a run, or the name of a published one: DARTS_V1, DARTS_V2, PC_DARTS_CIFAR."
_IMAGES = OwnFlag(
    "images",
    (),
    "Image files and folders of them; for text networks, quoted texts and .txt files with one text per line.",
    several=True,
)
_PRINTED = OwnFlag(
    "format",
    "text",
    "Output format; csv and json include the probability of every class.",
    known=("text", "csv", "json"),
)
_EXPLAINED = OwnFlag("explain", "", "Page to write: which parts of each sample the answer depends on.")
_EVALUATED = OwnFlag("dataset", "", "Labeled data, as for a search. Default: the run's.")
_FORMATS = OwnFlag(
    "format",
    (),
    "Formats, comma-separated: savedmodel, onnx (needs the extra kerasnas[export]), litert, litert-int8, c for "
    "microcontrollers (needs kerasnas[micro]). Default: "
    "savedmodel,litert,litert-int8.",
    known=("savedmodel", "onnx", "litert", "litert-int8", "c"),
)
_CONTINUED = OwnFlag(
    "executor",
    "",
    "Where the remaining independent trainings run: local, processes:N, ray or ray://HOST:PORT. Default: as before.",
)
_TARGET = OwnFlag("output", None, "Output folder. Default: the run's.")
_MOVED = OwnFlag("dataset", "", "Current location of the run's data, a name or a path. Default: unchanged.")
_PUSH = (
    OwnFlag("target", None, "hf://owner/name, a repository on the Hub, or a new folder.", required=True),
    OwnFlag("license", None, "License, by its name on the Hub, such as apache-2.0. Default: no license."),
    OwnFlag("private", False, "Make a new repository private."),
)
_SERVER = (
    OwnFlag("host", "127.0.0.1", "Address to listen at: by default, only this machine can reach it."),
    OwnFlag("port", 8000, "Port to listen at; 0 takes any free one."),
    OwnFlag("megabytes", 10, "Largest request, in megabytes."),
    OwnFlag("dockerfile", False, "Write a Dockerfile of the server into the folder of the run instead."),
)
_MONITOR = (
    OwnFlag(
        "images",
        (),
        "New images or sounds, folders of them, or texts; with --labels, one folder, .npz or .csv.",
        several=True,
    ),
    OwnFlag("labels", False, "The new data are labeled: a folder per class, an .npz or a .csv."),
    OwnFlag("adapt", False, "Adapt the network if there is drift."),
    OwnFlag("minutes", 1.0, "Budget of the adaptation."),
    _MOVED,
    OwnFlag("format", "text", "Output format.", known=("text", "json")),
)
_RUNS = OwnFlag("runs", (), "Folders of runs.", several=True)
_PROGRESS = (
    OwnFlag(
        "progress",
        "auto",
        "Progress output: bar (lines and one bar with the time left; lines alone outside a terminal), lines, none (the "
        "result alone), or auto, the same as bar.",
        known=("auto", "bar", "lines", "none"),
    ),
    OwnFlag("quiet", False, "Only print errors."),
)

COMMANDS: dict[str, Command] = {
    command.name: command
    for command in (
        Command(
            "search",
            "find and train the best network for your data within a time budget.",
            "Networks of many shapes, well-known ones among them, are trained side by side. The least promising drop\n"
            "out, and the best one trains on all of the data for the rest of the budget.\n"
            "\n"
            "    kerasnas search --output_dir=runs/first\n"
            "    kerasnas search my_images/ --minutes=10 --output_dir=runs/mine\n"
            "    kerasnas search --dataset=my_images/ --minutes=10 --max_parameters=100000 --output_dir=runs/small\n"
            "\n"
            "With --method=front, smaller networks are searched too, each with an equal share of the budget, exported\n"
            "in 8-bit integers and measured; front.html shows what each size costs in accuracy.\n"
            "\n"
            "    kerasnas search my_images/ --method=front --networks=5 --minutes=20 --output_dir=runs/sizes\n"
            "\n"
            "Add candidates of your own with --genotypes: genotype files or run folders, of any space.\n"
            "\n"
            "    kerasnas search --dataset=my_images/ --minutes=10 --genotypes=runs/cells --output_dir=runs/against\n"
            "    kerasnas search --import=my_networks.py --space=my_networks --output_dir=runs/own_networks\n"
            "\n"
            "With the name of a space of cells or chains, the search is a gradient search (DARTS): a supernet holds\n"
            "all candidates; its weights learn on one half of the training data, the choice among candidates on\n"
            "the other. The network found is trained from scratch, next to random ones for comparison.\n"
            "\n"
            "    kerasnas search --space=darts --dataset=my_images/ --epochs=15 --output_dir=runs/cells\n"
            "    kerasnas search --import=my_spaces.py --space=mine --output_dir=runs/own\n"
            "\n"
            "The .npz file of a graph is recognized by its arrays. Its nodes are classified by networks whose\n"
            "classifier alone is trained, with a logistic regression on propagated features as the baseline.\n"
            "\n"
            "    kerasnas search graph.npz --minutes=1 --output_dir=runs/nodes\n"
            "\n"
            "The folder then holds model.keras (plain Keras), genotype.json, report.html, card.md, history.csv,\n"
            "config.json and plots. Interrupt the search at any time; `kerasnas resume` continues it.",
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
            "--space and --num_nodes default to the genotype's; for a run folder, the size defaults to the run's.",
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
            "pretrain a network on your data sets for later searches on other data.",
            "    kerasnas pretrain --datasets=cells/,leaves.npz --minutes=30 --output_dir=starts/ours\n"
            "    kerasnas search new_cells/ --initializer=starts/ours --output_dir=runs/new\n"
            "\n"
            "One network learns all of them at once, with one head per data set. Races on other images start from its\n"
            "weights, with the same network from random weights as the control.",
            actions.pretrain,
            starts_runs=True,
            timed=True,
            own=_PROGRESS,
        ),
        Command(
            "resume",
            "continue a run that Ctrl-C, a kill or a power cut interrupted.",
            "The result equals that of an uninterrupted run, bit by bit if TensorFlow is deterministic.\n\n"
            "    kerasnas resume runs/first",
            actions.resume,
            timed=True,
            places=("output_dir",),
            own=(*_PROGRESS, _CONTINUED),
        ),
        Command(
            "predict",
            "predict the classes of images, sounds or texts with the network of a run.",
            "    kerasnas predict runs/first photo.png\n"
            "    kerasnas predict runs/first photos/ --format=csv\n"
            "    kerasnas predict hf://somebody/leaves leaf.jpg\n"
            '    kerasnas predict runs/reviews "a fine film" more_reviews.txt\n'
            "    kerasnas predict runs/first photo.png --explain=photo.html\n"
            "\n"
            "Prints the class of each image and its probability. Images are turned upright and resized to the size of\n"
            "the training images. Unreadable files are listed, and the exit status is 2. Instead of a run, give a\n"
            "preset: a name of kerasnas.presets(), or a repository on the Hugging Face Hub.",
            actions.predict,
            places=("output_dir", "images"),
            own=(_IMAGES, _PRINTED, _EXPLAINED),
        ),
        Command(
            "evaluate",
            "evaluate the network of a run on labeled data.",
            "    kerasnas evaluate runs/first\n"
            "    kerasnas evaluate runs/first --dataset=new_images/\n"
            "\n"
            "Prints accuracy and loss on the test data with 95 % intervals, and the accuracy of each class, worst\n"
            "first.",
            actions.evaluate,
            places=("output_dir",),
            own=(_EVALUATED,),
        ),
        Command(
            "leaderboard",
            "show the candidates of a run, the best first.",
            "    kerasnas leaderboard runs/first\n"
            "\n"
            "Prints of the run the data, the test score and the parameters; of each candidate its held-out score,\n"
            "its parameters, the time of a step and what became of it. A race may still be running. Writes no file.",
            actions.leaderboard,
            places=("runs",),
            own=(_RUNS,),
        ),
        Command(
            "compare",
            "compare runs: their scores, the settings that differ, and which is better on the same test samples.",
            "    kerasnas compare runs/first runs/second\n"
            "\n"
            "Prints of each run the data, the test score, the parameters and the latency, and the settings that are\n"
            "not those of the first. Where both have answered the same test samples, the difference in accuracy has\n"
            "a 95 % interval, from predictions.csv. Writes no file.",
            actions.compare,
            places=("runs",),
            own=(_RUNS,),
        ),
        Command(
            "list",
            "list the runs in a folder, the newest first.",
            "    kerasnas list\n"
            "    kerasnas list experiments/\n"
            "\n"
            "Prints date, data, test score, parameters and state (finished, running, interrupted or failed) of each.\n"
            "Damaged runs and other folders have a row that says so. Writes no file.",
            actions.list_runs,
            places=("folder",),
            own=(OwnFlag("folder", "runs", "The folder that holds the runs."),),
        ),
        Command(
            "serve",
            "answer predictions over HTTP with the network of a run.",
            "    kerasnas serve runs/first\n"
            "    kerasnas serve runs/first --host=0.0.0.0 --port=80\n"
            "    kerasnas serve runs/first --dockerfile\n"
            "\n"
            "The first page takes files that are dropped on it. Programs send one as the body of a request:\n"
            "\n"
            "    curl --data-binary @photo.png http://127.0.0.1:8000/predict\n"
            "    curl -H 'Content-Type: application/json' -d '{\"samples\": [\"a fine film\"]}' \\\n"
            "        http://127.0.0.1:8000/predict\n"
            "\n"
            "/health says whether it is up, /card is the model card. Nothing that is sent is kept. There is no\n"
            "password: whoever reaches the address may ask. Needs the extra kerasnas[serve].",
            actions.serve,
            places=("output_dir",),
            own=_SERVER,
        ),
        Command(
            "export",
            "export the network of a run to other runtimes, and check the exported files.",
            "    kerasnas export runs/first\n"
            "    kerasnas export runs/first --format=savedmodel,onnx,litert,litert-int8 --output=release/\n"
            "    kerasnas export runs/first --format=c                      # for a microcontroller\n"
            "\n"
            "Each file takes what model.keras takes, raw images as float32 from 0 to 255, and answers probabilities;\n"
            "litert-int8 and c take and answer 8-bit integers: of pixels and of 256 times a probability, 128 less; of\n"
            "series each channel has a scale and an offset, in the metadata of the file and in model_data.h.\n"
            "It is loaded again and compared with model.keras on images of the run's test data. Prints how often both\n"
            "predict the same class, the largest difference in probability, the size and the latency of one image.\n"
            "The table joins the run's report and model card.",
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
            "Publishes network, genotype, results, settings and model card, with checksums. Paths are shortened to\n"
            "their last names, and the class names are all that is published of the data. `kerasnas predict\n"
            "hf://somebody/leaves`, evaluate, export and kerasnas.load read it. Needs the extra kerasnas[hub].",
            actions.push,
            places=("output_dir", "target"),
            own=_PUSH,
        ),
        Command(
            "monitor",
            "detect drift of new images, sounds or texts from those of a run, and adapt its network.",
            "    kerasnas monitor runs/first photos_of_may/\n"
            "    kerasnas monitor runs/first photos_of_may/ --labels --adapt --minutes=2\n"
            "\n"
            "Compares brightness, contrast and sharpness of images, loudness and sharpness of sound, or length and\n"
            "letters of texts, and the network's outputs with the run's test data, by a two-sample test with a 1 %\n"
            "false-alarm rate; with --labels, the accuracy too (for numbers, the share of errors within the former\n"
            "90th percentile). Needs at least 20 samples (arguments, or the lines of a .txt). With --adapt, the\n"
            "network trains on the labeled samples and, to prevent forgetting, on the run's; without labels only its\n"
            "batch normalization changes.\n"
            "A network that is better on held-out images is written to adapted-1 in the run's folder; the run's own\n"
            "network is kept.",
            actions.monitor,
            places=("output_dir", "images"),
            own=_MONITOR,
        ),
        Command(
            "report",
            "write the report of a run again, with its plots and its model card.",
            "    kerasnas report runs/first\n"
            "\n"
            "A preset is copied to a new folder here first, as export and monitor do too.",
            actions.report,
            places=("output_dir",),
        ),
        Command(
            "plot",
            "plot a genotype.",
            "    kerasnas plot --genotype=DARTS_V2 --output_dir=plots\n",
            actions.plot,
            places=("genotype",),
            own=(OwnFlag("genotype", None, _GENOTYPE, required=True),),
        ),
        Command(
            "benchmark",
            "benchmark black-box strategies on a table of published results.",
            "    kerasnas benchmark --output_dir=runs/benchmark\n"
            "    kerasnas benchmark --table=nasbench201.npz --dataset=cifar100 --evaluations=100 --seeds=500 \\\n"
            "        --strategies=random,evolution,predictor --output_dir=runs/benchmark\n"
            "\n"
            "A table holds the accuracy of every architecture of a space, so a search takes milliseconds and can be\n"
            "repeated with hundreds of seeds. Prints mean and standard deviation, and writes curves.csv and\n"
            "regret.png. Without --table the accuracies are synthetic, for demonstration only.",
            actions.benchmark,
            diagnostic="comparison:ComparisonConfig",
        ),
        Command(
            "time",
            "time a search step on this machine, and estimate the time of a search.",
            "    kerasnas time\n"
            "    kerasnas time --filters=16 --num_cells=8 --dataset=my_images/ --epochs=50\n"
            "    kerasnas time --roofline\n"
            "\n"
            "Takes about a minute on an idle machine. Only the size and number of the images and the number of\n"
            "classes matter. Writes no file. --roofline prints the operations of a search step, and of a training\n"
            "step of a derived network, in place of the estimate: time, arithmetic and memory traffic of each kind,\n"
            "beside what one core of this machine can do.",
            actions.time,
            diagnostic="step_timing:TimingConfig",
            shown=(
                *("dataset", "space", "filters", "num_cells", "num_nodes", "primitives", "batch_size", "epochs"),
                *("hypergradient", "relaxation", "partial_channels", "image_size", "steps", "roofline", "config"),
            ),
        ),
        Command(
            "experience",
            "inspect and control what later searches learn from earlier ones.",
            "    kerasnas experience on\n"
            "    kerasnas experience\n"
            "    kerasnas experience show 3\n"
            "    kerasnas experience forget 3\n"
            "    kerasnas experience merge from_a_colleague.jsonl\n"
            "    kerasnas experience off\n"
            "\n"
            "With `on`, every race, and every gradient search with a shortlist, adds a line to experience.jsonl in\n"
            "~/.cache/kerasnas (or $KERASNAS_HOME): the modality, size and difficulty of the data, every network with\n"
            "its curve, the winner, the machine. No sample, path or class name is stored. The networks that did best\n"
            "on the most similar data then come first in later races and join later shortlists. `off` ends both and\n"
            "keeps the file, which you may read, copy and delete. For a single search, use `kerasnas search\n"
            "--remember` and `--no_experience`.",
            experience,
            places=("action", "what"),
            own=(
                OwnFlag("action", "list", "Action: list, show, forget, merge, on or off.", known=ACTIONS),
                OwnFlag("what", None, "The number of a search, as printed by list, or the file to merge."),
            ),
        ),
        Command(
            "doctor",
            "examine this machine: its devices, and whether it computes correctly.",
            "    kerasnas doctor\n"
            "    kerasnas doctor --distribution=gpu\n"
            "    KERAS_BACKEND=jax kerasnas doctor\n"
            "\n"
            "Prints versions, devices and the distribution. Compares a tiny search with and without XLA,\n"
            "and a search on two replicas of the CPU with one on a single device. Takes about a minute and writes no\n"
            "file. The exit status is 0 if all checks pass, else 2; then include the output in a bug report.",
            actions.doctor,
            diagnostic="doctor:DoctorConfig",
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
    DESCRIBED.write_text(json.dumps(descriptions(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
