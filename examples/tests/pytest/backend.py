"""The code under test: a backend as they were written from 2009 to 2021, and one as they are written today."""

import socket
import ssl
import struct

import httpx


def tls(files):
    """Shows the push certificate, and trusts the simulator's CA instead of Apple's."""
    context = ssl.create_default_context(cafile=files.ca)
    context.load_cert_chain(files.certificate, files.private_key)
    return context


def item(number, data):
    return struct.pack(">BH", number, len(data)) + data


class LegacyBackend:
    """A connection to the binary provider port."""

    def __init__(self, address, files):
        host, port = address.rsplit(":", 1)
        tcp = socket.create_connection((host, int(port)), timeout=30)
        self.stream = tls(files).wrap_socket(tcp, server_hostname=host)

    def push(self, token, payload, identifier=1, expiry=0x7FFFFFFF):
        items = item(1, bytes.fromhex(token)) + item(2, payload.encode())
        items += item(3, struct.pack(">I", identifier)) + item(4, struct.pack(">I", expiry)) + item(5, b"\x0a")
        self.stream.sendall(struct.pack(">BI", 2, len(items)) + items)

    def error_packet(self):
        """Command 8, the status, and which notification: those behind it were thrown away."""
        command, status, identifier = struct.unpack(">BBI", self.read_to_end())
        assert command == 8
        return status, identifier

    def feedback(self):
        """What the feedback port says, from its first byte to its close: when, and which token."""
        told, tokens = self.read_to_end(), []
        while told:
            when, length = struct.unpack_from(">IH", told)
            tokens.append((when, told[6 : 6 + length].hex()))
            told = told[6 + length :]
        return tokens

    def read_to_end(self):
        return b"".join(iter(lambda: self.stream.recv(4096), b""))

    def close(self):
        self.stream.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class TodaysBackend:
    """The HTTP/2 provider API."""

    def __init__(self, address, files, topic):
        self.http = httpx.Client(base_url=f"https://{address}", http1=False, http2=True, verify=tls(files))
        self.http.headers["apns-topic"] = topic

    def push(self, token, payload, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post(f"/3/device/{token}", json=payload, headers=headers)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.close()
