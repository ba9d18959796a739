"""A backend of today: pushes over the HTTP/2 provider API to the same phones."""

from conftest import APP

HELLO = {"aps": {"alert": "hello"}}


def test_a_push_over_http2_reaches_the_same_phone(project, phone, todays_backend):
    answer = todays_backend.push(phone.token, HELLO, apns_collapse_id="greeting")
    assert (answer.status_code, answer.http_version) == (200, "HTTP/2")
    push = project.wait(apns_id=answer.headers["apns-id"], outcome="delivered")
    assert (push["face"], push["phone"], push["collapse_id"]) == ("http2", "my phone", "greeting")


def test_a_deleted_app_is_unregistered_from_the_second_push_on(project, phone, todays_backend):
    project.delete(f"{phone.path}/apps/{APP}")
    assert todays_backend.push(phone.token, HELLO).status_code == 200, "APNs learns of it only now"
    answer = todays_backend.push(phone.token, HELLO)
    assert (answer.status_code, answer.json()["reason"]) == (410, "Unregistered")
    project.expect(1, outcome="app_gone")
    project.expect(1, outcome="rejected", reason="Unregistered")
