"""Files that are handed in for a blind test: read, repair, refuse, write, pack."""

from affectbench.submission.bundle import Bundle, read_bundle, write_bundle
from affectbench.submission.names import check_team, form_of, name_of, parse_name
from affectbench.submission.packing import Packed, pack
from affectbench.submission.reading import Handed, read
from affectbench.submission.sources import expected_ids, from_result
from affectbench.submission.verdict import Refused, Repair
from affectbench.submission.writing import content, write, write_new

__all__ = [
    "Bundle",
    "Handed",
    "Packed",
    "Refused",
    "Repair",
    "check_team",
    "content",
    "expected_ids",
    "form_of",
    "from_result",
    "name_of",
    "pack",
    "parse_name",
    "read",
    "read_bundle",
    "write",
    "write_bundle",
    "write_new",
]
