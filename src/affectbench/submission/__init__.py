"""Files that are handed in for a blind test: read, repair, refuse, write, pack."""

from affectbench.submission.names import check_team, form_of, name_of, parse_name
from affectbench.submission.packing import Packed, pack
from affectbench.submission.reading import Handed, read
from affectbench.submission.sources import expected_ids, from_result
from affectbench.submission.verdict import Refused, Repair
from affectbench.submission.writing import content, write, write_new

__all__ = [
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
    "write",
    "write_new",
]
