"""The unmodified tapns3 3.0.0 (PyAPNs for Python 3) as `apns-conformance client` wants it (tests/conformance/README.md).

It wraps sockets as Python did up to 3.11.
"""

import calendar
import json
import os
import time

from apns import APNs, Payload

env = os.environ
apns = APNs(cert_file=env["APNS_CERT"], key_file=env["APNS_KEY"], enhanced=env["APNS_DO"] == "send")
server = apns.gateway_server if env["APNS_DO"] == "send" else apns.feedback_server
server.server, server.port = env["APNS_HOST"], int(env["APNS_PORT"])
if env["APNS_DO"] == "send":
    def refused(error):
        if error["status"] != 10:  # it hands the answer on, and leaves what it means to its application
            print(json.dumps({"error": error}), flush=True)

    server.register_response_listener(refused)
    for line in open(env["APNS_NOTIFICATIONS"]):
        one = json.loads(line)
        payload = Payload(alert=one["payload"]["aps"]["alert"])
        server.send_notification(one["token"], payload, identifier=one["identifier"], expiry=one["expiry"])
    time.sleep(10)  # its own thread waits for an answer meanwhile
    server.force_close()
else:
    for token, when in server.items():
        print(json.dumps({"feedback": {"token": token.decode(), "timestamp": calendar.timegm(when.timetuple())}}))
