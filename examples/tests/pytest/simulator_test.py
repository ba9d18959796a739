"""What a test can do to APNs itself: move its clock, break it, turn a knob, ask it what is not as expected, and share it with others."""

import pytest

from conftest import APP

HELLO = '{"aps":{"alert":"hello"}}'


def test_a_push_expires_while_its_phone_is_offline(project, phone, backend):
    now = project.patch("/clock", mode="frozen")["unix"]
    project.patch(phone.path, airplane=True)
    backend.push(phone.token, HELLO, expiry=now + 3600)
    project.wait(outcome="stored")
    project.patch("/clock", advance=3598)
    project.expect(1, outcome="stored")
    project.patch("/clock", advance=2)
    project.expect(1, outcome="dropped")
    project.patch(phone.path, airplane=False)
    assert project.get(f"{phone.path}/received")["total"] == 0


def test_a_fault_breaks_the_connection_on_demand(project, phone, backend):
    rule = project.post("/faults", face="binary", alert="second", action="close")
    backend.push(phone.token, '{"aps":{"alert":"first"}}')
    backend.push(phone.token, '{"aps":{"alert":"second"}}')
    assert backend.read_to_end() == b"", "closed without an error packet"
    project.expect(1, text="first", outcome="delivered")
    project.expect(0, text="second", outcome="delivered")
    assert [(rule["id"], 1)] == [(one["id"], one["injected"]) for one in project.get("/faults")["rules"]]


def test_a_knob_makes_apns_do_what_it_was_also_seen_to_do(project, phone, backend):
    """Here: a token that was on the feedback list is refused, where others saw it accepted in silence for ever."""
    project.patch("/knobs", **{"dead-token": "status-8"})
    project.delete(f"{phone.path}/apps/{APP}")
    backend.push(phone.token, HELLO, identifier=1)
    project.wait(identifier=1, outcome="app_gone")
    backend.push(phone.token, HELLO, identifier=2)
    assert backend.error_packet() == (8, 2)


def test_an_assertion_that_fails_names_the_push_that_comes_nearest(project, phone, backend):
    backend.push(phone.token, HELLO)
    project.wait(text="hello")
    with pytest.raises(AssertionError, match='expected "bye", got "hello"'):
        project.expect(1, payload={"aps": {"alert": "bye"}})


@pytest.mark.parametrize("run", range(8))
def test_nobody_sees_what_others_do_at_the_same_time(project, phone, backend, run):
    """The phone has the same name everywhere, and the push the same text."""
    for identifier in range(20):
        backend.push(phone.token, HELLO, identifier)
    project.wait(identifier=19, outcome="delivered")
    project.expect(20)
    assert len(project.get("/phones")["phones"]) == 1
