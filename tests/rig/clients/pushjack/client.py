"""Drives the unmodified pushjack 1.6.0 for the rig's tests. It wraps sockets as Python did up to 3.11.

One JSON object on standard input says what to do: "address", "port", "certificate" (with its key, PEM), "tokens", "alert",
"error_timeout" (seconds it waits for an error packet after everything is sent). One JSON line on standard output says of
which tokens, by their place in the list, it was told an error, and which.
"""

import json
import sys

from pushjack import APNSClient

job = json.load(sys.stdin)
client = APNSClient(certificate=job["certificate"], default_error_timeout=job["error_timeout"])
client.host, client.port = job["address"], job["port"]
response = client.send(job["tokens"], job["alert"])
print(json.dumps({"errors": [[error.identifier, error.code] for error in response.errors]}))
client.close()
