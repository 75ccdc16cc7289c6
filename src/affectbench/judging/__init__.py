"""Blind scoring on one computer, offline: seal labels, judge what is handed in, verify.

    seal    labels -> bundle (encrypted), fingerprint (public), key (the organiser's alone)
    judge   bundle, key, submission -> entry in the log, signed score card
    verify  cards, log, fingerprint -> whether all of it holds, and where it does not

Who holds what, and what is protected against whom: ``docs/judging.md``.
"""

from __future__ import annotations

from affectbench.judging.bundle import (
    Bundle,
    Header,
    commitment,
    ids_hash,
    open_bundle,
    read_bundle,
)
from affectbench.judging.decision import Judged, judge
from affectbench.judging.keys import Keys, read_keys
from affectbench.judging.log import read_log, team_key
from affectbench.judging.sealing import Sealing, seal
from affectbench.judging.verification import Checked, Verdict, verify

__all__ = [
    "Bundle",
    "Checked",
    "Header",
    "Judged",
    "Keys",
    "Sealing",
    "Verdict",
    "commitment",
    "ids_hash",
    "judge",
    "open_bundle",
    "read_bundle",
    "read_keys",
    "read_log",
    "seal",
    "team_key",
    "verify",
]
