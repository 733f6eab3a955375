from tests.mutations import ROOT, find_stale_faults
from tests.planted_faults import FAULTS


def test_every_fault_can_be_planted() -> None:
    assert find_stale_faults() == []
    assert len({(fault.file, fault.right) for fault in FAULTS}) == len(FAULTS) >= 30
    assert all(fault.right != fault.wrong and (ROOT / fault.tested_by).is_dir() for fault in FAULTS)
