"""Drives the unmodified aioapns 4.0 for the rig's tests.

One JSON object on standard input says what to do, one JSON line on standard output what became of each push, in their
order: as for ../parse-node-apn/client.js, the certificate and its key in one file, "combined". Where aioapns connects to
is a constant of its classes, and is set here.
"""

import asyncio
import json
import ssl
import sys

from aioapns import APNs, NotificationRequest, PushType
from aioapns.connection import APNsProductionClientProtocol


async def main(job):
    APNsProductionClientProtocol.APNS_SERVER = job["address"]
    APNsProductionClientProtocol.APNS_PORT = job["port"]
    context = ssl.create_default_context(cafile=job["ca"])
    token = job.get("token")
    if token:
        with open(token["key"]) as key:
            login = {"key": key.read(), "key_id": token["keyId"], "team_id": token["teamId"]}
    else:
        login = {"client_cert": job["combined"]}
    apns = APNs(topic=job["topic"], ssl_context=context, **login)

    async def send(push):
        request = NotificationRequest(
            device_token=push["token"],
            message={"aps": {"alert": push["alert"]}},
            push_type=PushType.ALERT,
        )
        return await apns.send_notification(request)

    for result in await asyncio.gather(*map(send, job["pushes"])):
        outcome = {"status": int(result.status)}
        if not result.is_successful:
            outcome["reason"] = result.description
        print(json.dumps(outcome))


asyncio.run(main(json.load(sys.stdin)))
