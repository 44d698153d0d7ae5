"""The benchmarks: speed beside a floor in C and the runtimes' bare protocols; memory; a crowd
that comes at once; a bystander's latency.

``python -m bench`` prints every figure beside its target; ``bench/ratio.py`` measures one.
"""
