"""Systems of the personalise protocol: adapt to a few clips of a speaker, predict the others.

- ``zscore.py``: ``fewshot-zscore``, speaker statistics on functionals, over a linear SVM
- ``lstm.py``: ``fewshot-lstm``, the baseline of ExVo 2022; ``published.py`` as its code has it
- ``tuning.py``: ``fewshot-finetune``, steps down the gradient of the support clips; ``steps.py``
- ``enrolment.py``: ``fewshot-enrolment``, unlabelled clips gate a CNN14; ``gate.py`` its network
- ``speakers.py``: what a few clips tell of a speaker, drawn support
- ``gains.py``: whether an adaptation gains more than by chance

None of them changes anything where speakers do not differ, and what is learnt of one speaker never
reaches another, but in the official mode of ``fewshot-lstm``, where it does as published.
"""

from affectbench.systems.personal.enrolment import FEWSHOT_ENROLMENT, FEWSHOT_ENROLMENT_SMALL
from affectbench.systems.personal.lstm import FEWSHOT_LSTM
from affectbench.systems.personal.tuning import FEWSHOT_FINETUNE, FEWSHOT_FINETUNE_SMALL
from affectbench.systems.personal.zscore import FEWSHOT_ZSCORE

__all__ = [
    "FEWSHOT_ENROLMENT",
    "FEWSHOT_ENROLMENT_SMALL",
    "FEWSHOT_FINETUNE",
    "FEWSHOT_FINETUNE_SMALL",
    "FEWSHOT_LSTM",
    "FEWSHOT_ZSCORE",
]
