"""Make data sets of free images, for `kerasnas pretrain` to learn the bundled weights from.

    python benchmarks/free_images.py crops PHOTOS crops.npz --font=NotoColorEmoji.ttf
    python benchmarks/free_images.py fractals fractals.npz
    python benchmarks/free_images.py glyphs FONTS glyphs.npz

No image is labeled by hand:

- `crops`: crops of the photographs in a folder, a third of them with an emoji of the font on it, at 32 pixels; the
  classes are clusters of what a pretrained network, the first that is installed, reads of the crops at 96 pixels;
- `fractals`: points of iterated functions; a class is a system of two to four affine maps;
- `glyphs`: letters and digits of the fonts in a folder, distorted, on any colors; a class is a character.

A twentieth of the images of each class is for testing. The photographs and fonts have to be free to be learned from:
`crops` and `glyphs` print the names of their files.

Reference:
    Asano and Saeed, "Extrapolating from a Single Image to a Thousand Classes using Distillation", ICLR 2023; Kataoka et
    al., "Pre-training without Natural Images", ACCV 2020; Caron et al., "Deep Clustering for Unsupervised Learning of
    Visual Features", ECCV 2018 (clusters as classes).
"""

from __future__ import annotations

import string
from pathlib import Path

import numpy as np
import skeleton
from PIL import Image, ImageDraw, ImageFont

SIZE, SEEN = 32, 96  # pixels of an image, and of what the pretrained network sees
FLAT = 20  # deviation of the pixels of a crop, of 255, below which it shows nothing
EMOJI, STEP = (0x1F300, 0x1FAFF), 109  # code points; the one size of the bitmaps
CHARACTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits
SUFFIXES = {".jpg", ".jpeg", ".png"}


def crops(arguments, rng):
    """Return crops, and the clusters that they belong to."""
    files = sorted(path for path in arguments.source.rglob("*") if path.suffix.lower() in SUFFIXES)
    print(*(path.name for path in files), sep="\n")
    photos = [opened.convert("RGB") for opened in map(Image.open, files)]
    for photo in photos:
        photo.thumbnail((1600, 1600))
    drawings = emoji(arguments.font) if arguments.font else []
    seen = []
    while len(seen) < arguments.number:
        one = crop(photos, drawings, rng)
        seen += [one] if one.std(axis=(0, 1)).max() > FLAT else []
    seen = np.stack(seen)
    small = np.stack([np.asarray(Image.fromarray(one).resize((SIZE, SIZE), Image.Resampling.BOX)) for one in seen])
    return small, clusters(seen, arguments.classes)


def crop(photos, drawings, rng):
    """Return one crop of any scale, ratio and place, in changed colors, perhaps with a drawing on it."""
    photo = photos[rng.integers(len(photos))]
    side = min(photo.size) * np.exp(rng.uniform(np.log(0.12), 0))
    ratio = np.exp(rng.uniform(-0.3, 0.3))
    width, height = (min(round(side * one), most) for one, most in zip((ratio, 1 / ratio), photo.size, strict=True))
    left, top = (int(rng.integers(most - one + 1)) for one, most in zip((width, height), photo.size, strict=True))
    image = photo.crop((left, top, left + width, top + height)).resize((SEEN, SEEN), Image.Resampling.BICUBIC)
    if drawings and rng.random() < 0.33:
        drawing = drawings[rng.integers(len(drawings))]
        drawing = drawing.resize((int(rng.integers(40, SEEN + 1)),) * 2)
        place = tuple(int(one) for one in rng.integers(SEEN - drawing.size[0] + 1, size=2))
        image.paste(drawing, place, drawing)
    x = np.asarray(image, "float32") / 255
    x = (x - x.mean()) * rng.uniform(0.6, 1.3) + x.mean() * rng.uniform(0.7, 1.3)
    x = x * rng.uniform(0.85, 1.15, size=3)
    x = np.repeat(x.mean(-1, keepdims=True), 3, -1) if rng.random() < 0.1 else x
    return np.rint(255 * x.clip(0, 1)).astype("uint8")


def emoji(file):
    """Return the pictures of a color font."""
    font, drawn = ImageFont.truetype(str(file), STEP), []
    for code in range(*EMOJI):
        image = Image.new("RGBA", (136, 128))
        ImageDraw.Draw(image).text((0, 0), chr(code), font=font, embedded_color=True)
        if image.getbbox() and len(image.getcolors(9999) or range(9999)) > 50:  # one that the font has
            drawn.append(image)
    return drawn


def clusters(seen, number):
    """Return the cluster of each image, by what a pretrained network reads of it."""
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    from kerasnas.starts import AdaptationSpace, available_starts
    from kerasnas.starts.probes import features_of

    names = available_starts()
    space = AdaptationSpace.for_data((SEEN, SEEN, 3), 2, 1000, starts=names)
    model = space.build_network(space.network(names[0], SEEN, ("frozen",) * 5, "last"), (SEEN, SEEN, 3), 2)
    features = [features_of(model, seen[first : first + 1000] / np.float32(255)) for first in range(0, len(seen), 1000)]
    features = StandardScaler().fit_transform(np.concatenate(features))
    features = PCA(min(64, *features.shape), whiten=True, random_state=0).fit_transform(features)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return MiniBatchKMeans(number, batch_size=4096, n_init=3, random_state=0).fit_predict(features)


def fractals(arguments, rng):
    """Return pictures of iterated functions, and the systems that they belong to."""
    images, labels = [], []
    while len(images) < arguments.number:
        maps = system(rng)
        if maps is None:
            continue
        each = arguments.number // arguments.classes
        drawn = [fractal(maps * rng.uniform(0.92, 1.06, maps.shape), rng) for _ in range(each)]
        images += drawn
        labels += [len(labels) // each] * each
    return np.stack(images), np.array(labels)


def system(rng):
    """Return affine maps `(maps, 2, 3)` that contract enough for a picture, and fill some of it; or None."""
    maps = rng.uniform(-1, 1, size=(rng.integers(2, 5), 2, 3))
    largest = np.linalg.svd(maps[:, :, :2], compute_uv=False)[:, 0]
    if largest.max() > 0.95 or largest.min() < 0.2:
        return None
    return maps if (fractal(maps, np.random.default_rng(0), plain=True) > 0).mean() > 0.12 else None


def fractal(maps, rng, plain=False):
    """Return the points that maps lead to, as a picture on a background, turned and colored at random."""
    shares = np.abs(np.linalg.det(maps[:, :, :2])) + 0.02
    steps = [np.zeros((400, 2))]
    for _ in range(15):
        chosen = maps[rng.choice(len(maps), 400, p=shares / shares.sum())]
        steps.append((np.einsum("pij,pj->pi", chosen[:, :, :2], steps[-1]) + chosen[:, :, 2]).clip(-9, 9))
    points = np.concatenate(steps[10:])
    angle = 0 if plain else rng.uniform(-0.5, 0.5)
    points = points @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    low, high = points.min(0), points.max(0)
    cells = ((points - low) / (high - low + 1e-6) * (SIZE - 0.01)).astype(int)
    image = np.zeros((SIZE, SIZE))
    np.add.at(image, (cells[:, 0], cells[:, 1]), 1)
    image = np.minimum(image / 3, 1)[..., None]
    if plain:
        return image[..., 0]
    ground, ink = rng.uniform(0, 1, (2, 3))
    return np.rint(255 * (image * ink + (1 - image) * ground)).astype("uint8")


def glyphs(arguments, rng):
    """Return characters of fonts, and which each is; of upper and lower case apart."""
    files = sorted(path for path in arguments.source.rglob("*") if path.suffix.lower() in {".ttf", ".otf"})
    print(*(path.name for path in files), sep="\n")
    labels = rng.integers(len(CHARACTERS), size=arguments.number)
    fonts = [ImageFont.truetype(str(path), 72) for path in files]
    return np.stack([glyph(CHARACTERS[label], fonts, rng) for label in labels]), labels


def glyph(character, fonts, rng):
    """Return a character of any font, turned, stretched, sheared and colored at random."""
    image = Image.new("L", (128, 128))
    ImageDraw.Draw(image).text((64, 64), character, 255, fonts[rng.integers(len(fonts))], anchor="mm")
    a, b, c, d = np.eye(2).ravel() * rng.uniform(0.7, 1.3) + rng.uniform(-0.25, 0.25, 4)
    x, y = 64 + rng.uniform(-8, 8, 2)
    moved = (a, b, x - 64 * (a + b), c, d, y - 64 * (c + d))
    image = image.transform((128, 128), Image.Transform.AFFINE, moved, Image.Resampling.BILINEAR)
    mask = np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BOX), "float32")[..., None] / 255
    ground, ink = rng.uniform(0, 1, (2, 3))
    while np.abs(ground - ink).max() < 0.3:
        ground, ink = rng.uniform(0, 1, (2, 3))
    noise = rng.normal(0, rng.uniform(0, 0.08), (SIZE, SIZE, 1))
    return np.rint(255 * (mask * ink + (1 - mask) * ground + noise).clip(0, 1)).astype("uint8")


MAKERS = {maker.__name__: maker for maker in (crops, fractals, glyphs)}


def main():
    arguments = skeleton.arguments(
        __doc__,
        "what",
        "source?",
        "output",
        record=False,
        what=skeleton.one_of(*MAKERS),
        font=(Path, "color font of the emoji on crops"),
        number=(40000, "images"),
        classes=(250, "clusters of crops, systems of fractals"),
        seed=0,
    )
    rng = np.random.default_rng(arguments.seed)
    x, y = MAKERS[arguments.what](arguments, rng)
    test = rng.random(len(y)) < 0.05
    np.savez_compressed(arguments.output, x_train=x[~test], y_train=y[~test], x_test=x[test], y_test=y[test])
    print(f"{arguments.output}: {len(y):,} images of {len(np.unique(y))} classes")


if __name__ == "__main__":
    main()
