"""Systems of the personalise protocol: adapt to a few clips of a speaker, predict the others.

- ``speakers.py``: what a few clips tell of a speaker, drawn support
- ``zscore.py``: ``fewshot-zscore``, speaker statistics on functionals, over a linear SVM
"""

from affectbench.systems.personal.zscore import FEWSHOT_ZSCORE

__all__ = ["FEWSHOT_ZSCORE"]
