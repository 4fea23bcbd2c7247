"""Make the bundled weights for recordings: a network that tells synthesized words apart, by any of 100 voices.

    python benchmarks/spoken_words.py /usr/share/dict/american-english-small WEIGHTS --precision=bfloat16

Words are said by eSpeak NG (Debian's package `libespeak-ng1`; its voices are part of it, the words are those of
`wamerican-small`), in several accents, at random speeds and pitches, through random microphones and rooms, with noise,
at 8 or 16 kHz. A thousand words make fifty tasks of twenty each, as if each task had a head of its own: told apart from
all others at once, a network with drawn weights learns nothing in its first thousand steps. It begins from
`images_vgg_3x3`. None of the 35 words of Speech Commands is among them. WEIGHTS gets an initialization of a race,
learned on one thread, whose processor time counts.

Reference:
    Lin et al., "Training Keyword Spotters with Limited and Synthesized Speech Data", ICASSP 2020 (arXiv 2002.01322):
    synthesized words to learn from. There, by a neural synthesizer, and the words to be told apart.
"""

from __future__ import annotations

import ctypes
import sys
import time
from pathlib import Path

import numpy as np
import skeleton

WORDS, TASKS, CLIPS = 1000, 50, 60  # CLIPS of each word
KNOWN = (  # of Speech Commands, on which the weights are measured
    "yes no up down left right on off stop go zero one two three four five six seven eight nine bed bird cat dog happy "
    "house marvin sheila tree wow backward forward follow learn visual"
)
ACCENTS = ("en-us", "en-us", "en-us", "en", "en-gb-scotland", "en-gb-x-rp", "en-029", "en-us-nyc")
RATES, SHARES = (8000, 16000), (0.3, 0.7)
TESTED = 1000  # clips, left out of the training
NETWORK, START = "vgg_3x3", "images_vgg_3x3"
NOTE = (
    "Words of Debian's list `wamerican-small`, said by 103 voices of eSpeak NG in seven accents of English; no "
    "recording of a person. The accuracy is among the twenty words of a task."
)


class Synthesizer:
    """eSpeak NG, as a library: `say` returns samples at `rate`."""

    _SYNCHRONOUS, _UTF8, _SPEED, _PITCH, _RANGE = 2, 1, 1, 3, 4

    def __init__(self):
        self._library = ctypes.CDLL("libespeak-ng.so.1")
        self._parts = []
        called = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        self._callback = called(self._receive)  # kept: the library has but its address
        self.rate = self._library.espeak_Initialize(self._SYNCHRONOUS, 200, None, 0)
        self._library.espeak_SetSynthCallback(self._callback)

    def _receive(self, samples, number, events):
        if samples and number > 0:
            self._parts.append(np.ctypeslib.as_array(samples, (number,)).copy())
        return 0

    def say(self, word, voice, speed=160, pitch=50, melody=50):
        """Return a word as float64, by a voice; empty if there is no such voice."""
        self._parts.clear()
        if self._library.espeak_SetVoiceByName(voice.encode()):
            return np.zeros(0)
        for parameter, value in ((self._SPEED, speed), (self._PITCH, pitch), (self._RANGE, melody)):
            self._library.espeak_SetParameter(parameter, int(value), 0)
        text = word.encode()
        self._library.espeak_Synth(text, len(text) + 1, 0, 1, 0, self._UTF8, None, None)
        self._library.espeak_Synchronize()
        return np.concatenate(self._parts).astype(float) if self._parts else np.zeros(0)


def voices(folder):
    """Return the names of the variants of a voice, but for one, with which the library ends the process."""
    return sorted(path.name for path in Path(folder).iterdir() if path.name != "Demonic")


def words(file, rng):
    """Return words of three to nine letters, without plurals and other forms of verbs."""
    known = set(KNOWN.split())
    usual = (word.strip() for word in Path(file).read_text(encoding="utf-8").splitlines())
    found = [word for word in usual if word.isascii() and word.isalpha() and word.islower() and 3 <= len(word) <= 9]
    found = [word for word in found if word not in known and not word.endswith(("s", "ed", "ing"))]
    return sorted(rng.permutation(found)[:WORDS].tolist())


def clip(synthesizer, word, variants, rng):
    """Return a word as a second of sound, float32, and its rate: by any voice, room, microphone and noise."""
    from scipy.signal import lfilter

    samples = np.zeros(0)
    while len(samples) < synthesizer.rate // 10:  # some variants have no word for it
        voice = f"{rng.choice(ACCENTS)}+{rng.choice(variants)}"
        samples = synthesizer.say(word, voice, rng.integers(100, 260), rng.integers(15, 85), rng.integers(20, 90))
    rate = int(rng.choice(RATES, p=SHARES))
    tract = rng.uniform(0.85, 1.18)  # of another length: played faster, or slower
    places = np.arange(0, len(samples) - 1, synthesizer.rate / (rate * tract))
    x = np.interp(places, np.arange(len(samples)), samples)
    loud = np.flatnonzero(np.abs(x) > 0.02 * np.abs(x).max())
    x = x[loud[0] : loud[-1] + 1]
    if rng.random() < 0.6:  # a microphone
        x = lfilter([1, rng.uniform(-0.9, 0.6)], [1], x)
    if rng.random() < 0.4:  # a room
        echo = rng.standard_normal(int(rate * rng.uniform(0.05, 0.25)))
        echo *= np.exp(-5 * np.arange(len(echo)) / len(echo))
        echo[0] = rng.uniform(2, 8)
        x = np.convolve(x, echo)
    sound, free = np.zeros(rate), rate - len(x)
    if free >= 0:
        start = rng.integers(free + 1)
        sound[start : start + len(x)] = x
    else:
        start = rng.integers(1 - free)
        sound[:] = x[start : start + rate]
    return (sound / np.sqrt(np.mean(x**2)) + noise(rate, rng)).astype("float32"), rate


def noise(rate, rng):
    """Return a second of white, brown or filtered noise, from a third as loud as the word to not audible."""
    from scipy.signal import lfilter

    found, kind = rng.standard_normal(rate), rng.random()
    if kind < 0.4:
        found = np.cumsum(found)
        found -= np.convolve(found, np.full(rate // 40, 40 / rate), "same")
    elif kind < 0.6:
        found = lfilter([1], [1, -rng.uniform(0.3, 0.95)], found)
    return found / found.std() * 10 ** (-rng.uniform(10, 50) / 20)


def spectrograms(arguments, rng):
    """Return log-mel spectrograms, float32 `(clips, frames, bands, 1)`, the word of each, and all words."""
    from kerasnas.modalities.fronts import LogMel

    synthesizer, variants = Synthesizer(), voices(arguments.voices)
    said = words(arguments.words, rng)
    y = rng.permutation(np.repeat(np.arange(len(said)), arguments.clips))
    fronts = {rate: LogMel(rate, rate) for rate in RATES}
    pictures = []
    for part in np.array_split(y, max(1, len(y) // 500)):
        clips = [clip(synthesizer, said[word], variants, rng) for word in part]
        found = {rate: iter(fronts[rate].frames(np.stack([x for x, own in clips if own == rate]))) for rate in RATES}
        for _, rate in clips:  # decibels, of which quiet ones are lost, in any range
            one = next(found[rate])
            top, span = np.quantile(one, 0.999), rng.uniform(45, 110)
            pictures.append(np.clip(1 + (one - top) / span, 0, 1))
    return np.stack(pictures).astype("float32"), y, said


def trained(arguments, x, y):
    """Return the network that learned for the time, with a new head, its accuracy on clips that are new, its steps."""
    from kerasnas.datasets.batches import ArrayBatches
    from kerasnas.meta import warm_start
    from kerasnas.meta.pretraining import JointCrossentropy, within_groups
    from kerasnas.meta.shelf import load_initializer
    from kerasnas.modalities import augmentations
    from kerasnas.racing.entrants.contestant import Contestant
    from kerasnas.racing.portfolio import named_networks
    from kerasnas.spaces import MacroSpace
    from kerasnas.training.recipe import TrainingRecipe

    number = int(y.max()) + 1
    groups = np.arange(number) * TASKS // number
    space = MacroSpace.for_data(x.shape[1:], number, len(x))  # with a head of 512 filters
    genotype = named_networks(space)[NETWORK]
    model = space.build_network(genotype, x.shape[1:], number, seed=arguments.seed)
    warm_start(model, load_initializer(START))
    optimizer = TrainingRecipe(learning_rate=0.1, weight_decay=1e-3).optimizer(None)
    model.compile(optimizer, JointCrossentropy(groups.tolist()), jit_compile=False)
    augment = augmentations.compose(augmentations.zoom, augmentations.shift)
    batches = ArrayBatches(x[TESTED:], y[TESTED:], 64, seed=arguments.seed, augment=augment)
    contestant = Contestant(model, batches, precision=arguments.precision)
    begun, seconds, accuracy = time.process_time(), 60 * arguments.cpu_minutes, 0.0
    while (left := seconds - (time.process_time() - begun)) > 0:

        def schedule(past, left=left):
            return min(1.0, max(0.0, (left - past) / seconds) / 0.6)

        contestant.advance(time.process_time, min(60.0, left), schedule=schedule)
        with contestant.average.applied():
            answers = model.predict(x[:TESTED], batch_size=250, verbose=0)
        accuracy = float(np.mean(within_groups(answers, y[:TESTED], groups) == y[:TESTED]))
        print(contestant.steps, contestant.history["loss"][-1], accuracy, flush=True)
    contestant.average.apply()
    body = MacroSpace.for_data(x.shape[1:], 2, len(x)).build_network(genotype, x.shape[1:], 1)
    learned, (*_, kernel, bias) = model.get_weights(), body.get_weights()
    body.set_weights([*learned[: len(body.weights) - 2], kernel, bias])
    return body, genotype, accuracy, contestant.steps


def main():
    arguments = skeleton.arguments(
        __doc__,
        "words",
        "output",
        record=False,
        voices=("/usr/lib/x86_64-linux-gnu/espeak-ng-data/voices/!v", "folder of eSpeak's variants"),
        clips=(CLIPS, "of each word"),
        cpu_minutes=25.0,
        precision=skeleton.one_of("float32", "bfloat16"),
        seed=0,
    )
    from kerasnas.cost.counting import parameters
    from kerasnas.genotypes import as_entry
    from kerasnas.meta import ReptileInitializer
    from kerasnas.reporting.initializer_card import write_initializer_card

    x, y, said = spectrograms(arguments, np.random.default_rng(arguments.seed))
    print(len(said), "words:", *said[:10], "...", x.shape)
    network, genotype, accuracy, steps = trained(arguments, x, y)
    description = {
        "space": genotype.space,
        "modality": "recordings",
        "network": NETWORK,
        "parameters": parameters(network),
        "genotype": as_entry(genotype),
        "datasets": {"synthesized words": round(accuracy, 4)},
        "licences": {"synthesized words": "generated"},
        "steps": steps,
        "seconds": 60 * arguments.cpu_minutes,
        "seed": arguments.seed,
        "note": NOTE,
        "command": " ".join(["python", *sys.argv]),
    }
    folder = Path(arguments.output)
    ReptileInitializer(network, None, description).save(folder)
    write_initializer_card(folder)
    print(folder)


if __name__ == "__main__":
    main()
