"""The benchmarks: speed beside a floor in C, memory, and a bystander's latency.

``python -m bench`` prints every figure beside its target; ``bench/ratio.py`` measures one.
"""
