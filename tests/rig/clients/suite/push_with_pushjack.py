"""The unmodified pushjack 1.6.0 as `apns-conformance client` wants it (tests/conformance/README.md)."""

import json
import os

from pushjack import APNSClient

env = os.environ
client = APNSClient(certificate=env["APNS_CERT_AND_KEY"])
client.host = client.feedback_host = env["APNS_HOST"]
client.port = client.feedback_port = int(env["APNS_PORT"])
if env["APNS_DO"] == "send":
    lines = [json.loads(line) for line in open(env["APNS_NOTIFICATIONS"])]
    response = client.send([line["token"] for line in lines], lines[0]["payload"]["aps"]["alert"], expiration=lines[0]["expiry"])
    for error in response.errors:
        # It numbers its notifications from 0.
        print(json.dumps({"error": {"identifier": error.identifier + 1, "status": error.code}}))
else:
    for tuple in client.get_expired_tokens():
        print(json.dumps({"feedback": {"token": tuple.token, "timestamp": tuple.timestamp}}))
