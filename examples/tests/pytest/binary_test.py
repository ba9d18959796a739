"""A legacy backend: pushes over the binary protocol, error packets, the feedback service."""

import pytest

from conftest import APP

HELLO = '{"aps":{"alert":"hello","badge":3,"sound":"default"}}'
NOBODYS_TOKEN = "ab" * 32


def test_a_push_is_on_the_lock_screen(project, phone, backend):
    backend.push(phone.token, HELLO, identifier=7)
    push = project.wait(text="hello", outcome="delivered")
    assert (push["phone"], push["identifier"]) == ("my phone", 7)
    screen = project.get(f"{phone.path}/screen")
    assert [note["body"] for note in screen["notes"]] == ["hello"]
    assert project.get(f"{phone.path}/apps/{APP}")["badge"] == 3


def test_every_push_of_a_batch_arrives_once_and_in_order(project, phone, backend):
    texts = [f"number {number}" for number in range(100)]
    for number, text in enumerate(texts):
        backend.push(phone.token, f'{{"aps":{{"alert":"{text}"}}}}', identifier=number)
    project.wait(identifier=99, outcome="delivered")
    project.expect(100, outcome="delivered")
    received = project.get(f"{phone.path}/received", limit=100)["received"]
    assert [one["payload"]["aps"]["alert"] for one in received] == texts


def test_a_token_nobody_has_is_refused_and_what_was_sent_behind_it_is_lost(project, phone, backend):
    for identifier, token in enumerate([phone.token, NOBODYS_TOKEN, phone.token], start=1):
        backend.push(token, HELLO, identifier)
    assert backend.error_packet() == (8, 2)
    project.expect(1, identifier=1, outcome="delivered")
    project.expect(1, identifier=2, outcome="rejected", status=8)
    project.expect(0, identifier=3)


@pytest.mark.parametrize("status", [1, 7, 255])
def test_a_magic_token_is_answered_with_any_status_there_is(backend, status):
    backend.push(f"FFFF00{status:02X}".ljust(64, "0"), HELLO, identifier=0xCAFE)
    assert backend.error_packet() == (status, 0xCAFE)


def test_a_phone_that_is_offline_gets_the_latest_push_when_it_is_back(project, phone, backend):
    project.patch(phone.path, airplane=True)
    for number in [1, 2, 3]:
        backend.push(phone.token, f'{{"aps":{{"alert":"number {number}"}}}}')
    project.wait(text="number 3", outcome="stored")
    project.patch(phone.path, airplane=False)
    project.expect(1, outcome="delivered", text="number 3")
    project.expect(2, outcome="overwritten")


def test_a_deleted_app_is_on_the_feedback_list(project, phone, backend, read_feedback):
    assert read_feedback() == []
    project.delete(f"{phone.path}/apps/{APP}")
    backend.push(phone.token, HELLO)
    project.wait(outcome="app_gone")
    assert [token for _, token in read_feedback()] == [phone.token]
    assert read_feedback() == [], "a list that was read is gone"
