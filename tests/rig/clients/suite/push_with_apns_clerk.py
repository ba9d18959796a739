"""The unmodified apns-clerk 0.2.0 as `apns-conformance client` wants it (tests/conformance/README.md).

It asks for TLS 1.0, which nobody offers any more: here that name means what is offered.
"""

import json
import os
import time

import OpenSSL

OpenSSL.SSL.TLSv1_METHOD = OpenSSL.SSL.TLS_METHOD

from apns_clerk import APNs, Message, Session  # noqa: E402

env = os.environ
address = (env["APNS_HOST"], int(env["APNS_PORT"]))
paper = {"cert_file": env["APNS_CERT"], "key_file": env["APNS_KEY"]}
if env["APNS_DO"] == "send":
    lines = [json.loads(line) for line in open(env["APNS_NOTIFICATIONS"])]
    identifiers = {line["token"]: line["identifier"] for line in lines}
    message = Message(list(identifiers), payload=lines[0]["payload"], expiry=lines[0]["expiry"])
    service = APNs(Session().get_connection(address, **paper))
    while message is not None:
        result = service.send(message)
        for token, (status, _) in result.failed.items():
            print(json.dumps({"error": {"identifier": identifiers[token], "status": status}}), flush=True)
        for status, _ in result.errors:
            print(json.dumps({"error": {"status": status}}), flush=True)
        message = result.retry() if result.needs_retry() else None
        time.sleep(1)
else:
    for token, when in APNs(Session().new_connection(address, **paper)).feedback():
        print(json.dumps({"feedback": {"token": token.decode(), "timestamp": int(when.timestamp())}}))
