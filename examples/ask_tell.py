"""Black-box search by ask and tell: a strategy on a table of results, stopped and resumed.

python examples/ask_tell.py            # seconds; the table is synthetic
python examples/ask_tell.py --tiny
"""

import argparse
import json

import kerasnas


def main(tiny: bool = False) -> kerasnas.Genotype:
    table = kerasnas.tabular.NASBench201.synthetic()
    strategy = kerasnas.search.STRATEGIES["evolution"](table.space, seed=0)
    evaluations = 20 if tiny else 200
    for index in range(evaluations):
        genotype = strategy.ask()
        strategy.tell(genotype, table.query(genotype, epochs=12).valid)  # here your own training goes
        if index == evaluations // 2:  # a strategy is its state, as JSON: it continues identically, anywhere
            state = json.dumps(strategy.get_state())
            strategy = kerasnas.search.STRATEGIES["evolution"](table.space, seed=0)
            strategy.set_state(json.loads(state))
    genotype, reward = strategy.best
    print(genotype)
    print(f"validation {reward:.2f}, charged: {table.budget}")
    return genotype


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="smallest setting, a smoke test")
    main(parser.parse_args().tiny)
