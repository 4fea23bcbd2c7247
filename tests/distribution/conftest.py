"""The scripts of this folder are run in processes of their own, where devices can still be configured."""

collect_ignore_glob = ["run_*.py", "searching.py", "meta_scenarios.py"]
