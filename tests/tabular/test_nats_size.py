"""NATS-Bench's size search space: strings, rows, the file."""

import numpy as np
import pytest

from kerasnas.diagnostics.comparison import open_table
from kerasnas.spaces import NASBench201Space
from kerasnas.tabular import NATSBenchSize
from kerasnas.tabular.nats_size import NATSBenchSizeSpace

SPACE = NATSBenchSizeSpace()
NETWORKS = ["8:8:8:8:8", "64:32:16:48:56", "24:40:64:8:16"]


@pytest.fixture
def file(tmp_path):
    """A file of the compact format: three networks."""
    columns = {
        f"{dataset}_{what}_{epochs}": np.arange(3.0) + epochs + 10 * (what == "test") + 100 * (dataset == "cifar100")
        for dataset in ("cifar10", "cifar100")
        for what in ("valid", "test")
        for epochs in (1, 12, 90)
    }
    channels = np.array([[int(part) for part in network.split(":")] for network in NETWORKS], "uint8")
    np.savez(tmp_path / "nats_size.npz", channels=channels, params_cifar10=np.array([3, 2, 1]), **columns)
    return tmp_path / "nats_size.npz"


def test_the_space_is_all_channels_of_five_layers():
    assert SPACE.size == 8**5 == 32768
    rng = np.random.default_rng(0)
    for _ in range(20):
        genotype = SPACE.sample(rng)
        SPACE.validate(genotype)
        text = SPACE.to_string(genotype)
        assert SPACE.from_string(text) == SPACE.decode(SPACE.encode(genotype)) == genotype
        assert tuple(8 + 8 * index for index in SPACE.encode(genotype)) == tuple(map(int, text.split(":")))
    assert len(SPACE.neighbors((0,) * 5)) == 5 * 7


def test_other_strings_and_genotypes_are_refused():
    for text in ("8:8:8:8", "8:8:8:8:8:8", "a:8:8:8:8", "", None):
        with pytest.raises(ValueError, match=r"`text`\. Expected the channels of five layers"):
            SPACE.from_string(text)
    with pytest.raises(ValueError, match="has no option '12'"):
        SPACE.from_string("8:8:12:8:8")
    with pytest.raises(ValueError, match="belongs to space 'nasbench201'"):
        SPACE.encode(NASBench201Space().decode((0,) * 6))
    broken = type(SPACE.from_string(NETWORKS[0]))(SPACE.name, {"network": [("8", 0, 1)]})
    with pytest.raises(ValueError, match="chain of 5 layers"):
        SPACE.validate(broken)
    for build in (SPACE.build_supernet, lambda *sizes: SPACE.build_network(SPACE.from_string(NETWORKS[0]), *sizes)):
        with pytest.raises(ValueError, match=r"has no supernet|does not build its networks"):
            build((32, 32, 3), 10)


def test_query_and_rows(file):
    table = NATSBenchSize.open(file)
    assert table.epochs == (1, 12, 90) and len(table) == 3
    for row, network in enumerate(NETWORKS):
        genotype = SPACE.from_string(network)
        assert table.row(genotype) == row and table.genotype(row) == genotype
        assert table.query(genotype, epochs=12).valid == 12 + row and table.query(genotype).test == 100 + row
        assert table.lookup(genotype, "params") == 3 - row
    assert NATSBenchSize.open(file.parent, dataset="cifar100").lookup(SPACE.from_string(NETWORKS[1]), "valid_1") == 102
    assert type(open_table(str(file))) is NATSBenchSize


def test_refusals(file):
    with pytest.raises(ValueError, match="Did you mean 'cifar10'"):
        NATSBenchSize.open(file, dataset="cifar-10")
    with pytest.raises(ValueError, match="lacks imagenet16_valid_90"):
        NATSBenchSize.open(file, dataset="imagenet16")
    for channels in (np.full((1, 4), 8), np.full((1, 5), 12), np.zeros((0, 5), int)):
        with pytest.raises(ValueError, match=r"`channels`\. Expected 5 numbers for each network"):
            NATSBenchSize("x", channels, {"valid_1": np.ones(len(channels))})
