"""Campaigns through a link against the walk through every single state: nothing is merged there, nothing recognised.

What broke, by how many interruptions at least, and where devices come to rest must be the same; a detour's past and the
world outside are where a mistake in merging would hide.
"""

from __future__ import annotations

import pytest

from emu.campaign.closure import Closure
from emu.link_choice import LinkChoice, LinkKind
from emu.linked_rig import LinkedRig, System
from emu.ota.mongoose.linked import LinkedMongoose, peer_for
from emu.update_rig import ImagePair
from flash.tears import TEAR_SETS
from tests.campaigns.exhaustive import exhaustive
from tests.ota.linked.test_linked_rig import BOARD, options
from tests.ota.linked.wrong import CommitsLater, EndsLater, SpoilsWhatIsThere
from tests.properties.closures import edges_by_hand, facts_of, facts_of_all, unreplayed, violations

TINY = ImagePair(bytes(n * 7 % 251 for n in range(60)), bytes(n * 11 % 253 for n in range(70)))


def compare(kind: LinkKind, disturbed: int, app: type[LinkedMongoose]) -> set[str]:
    """Both ways; returns the checks that break."""
    rig = LinkedRig(BOARD, TINY, LinkChoice("mongoose", kind, disturbed), system=System(peer_for, app))
    walked = exhaustive(rig, rig.bounds, TEAR_SETS["none"], max_states=8000)
    assert walked.complete
    closure = Closure(rig, rig.bounds, options(keep_going=True))
    verdict = closure.explore()
    assert not violations(closure)
    assert edges_by_hand(closure) == verdict.coverage.edges
    assert not unreplayed(rig, closure, verdict.findings)
    found, cuts, ends = facts_of(closure, verdict)
    all_found, all_cuts, all_ends = facts_of_all(walked)
    assert (cuts, ends) == (all_cuts, all_ends)
    assert found <= all_found, "a finding is told in one of its messages"
    return {check for check, _ in all_found}


@pytest.mark.parametrize(("kind", "app"), [("connection", CommitsLater), ("wire", EndsLater)])
def test_cuts_alone(kind: LinkKind, app: type[LinkedMongoose]) -> None:
    assert "truthful" in compare(kind, 0, app)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("app", "broken"), [(LinkedMongoose, set()), (EndsLater, {"truthful"}), (SpoilsWhatIsThere, {"truthful"})]
)
def test_one_frame_goes_another_way(app: type[LinkedMongoose], broken: set[str]) -> None:
    assert compare("connection", 1, app) == broken
