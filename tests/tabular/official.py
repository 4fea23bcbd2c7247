"""As much of the official packages of NAS-Bench-201 and NATS-Bench as their converter uses."""


class OfficialApi:
    """Recognizable numbers of the architectures that these strings name."""

    def __init__(self, strings, budgets):
        self.strings, self.budgets = strings, budgets

    def __len__(self):
        return len(self.strings)

    def __getitem__(self, index):
        return self.strings[index]

    def get_more_info(self, index, dataset, hp, is_random):
        assert is_random is False and hp in self.budgets
        base = {"cifar10-valid": 1, "cifar10": 2, "cifar100": 3, "ImageNet16-120": 4}[dataset] * 10 + index
        info = {"test-accuracy": base + int(hp) / 1000}
        return info if dataset == "cifar10" else {**info, "valid-accuracy": base + 0.5}

    def get_cost_info(self, index, dataset):
        return {"params": 1.5 + index, "flops": 100.0 + index}
