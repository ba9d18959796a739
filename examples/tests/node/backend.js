// The code under test: a backend as they were written from 2009 to 2021, and one as they are written today.
"use strict";

const { once } = require("node:events");
const http2 = require("node:http2");
const tls = require("node:tls");

/** A connection to the binary provider port, or to the feedback service. */
class LegacyBackend {
    static async connect(login) {
        const backend = new LegacyBackend();
        backend.socket = tls.connect(login);
        await once(backend.socket, "secureConnect");
        return backend;
    }

    /** Command 1: identifier, expiry, token, payload. */
    push(token, payload, identifier = 1) {
        const head = Buffer.alloc(9);
        head.writeUInt8(1, 0);
        head.writeUInt32BE(identifier, 1);
        head.writeUInt32BE(0x7fffffff, 5);
        this.socket.write(Buffer.concat([head, counted(Buffer.from(token, "hex")), counted(Buffer.from(JSON.stringify(payload)))]));
    }

    /** Status and identifier; what was sent behind that notification was thrown away. */
    async errorPacket() {
        const packet = await this.readToEnd();
        return { command: packet.readUInt8(0), status: packet.readUInt8(1), identifier: packet.readUInt32BE(2) };
    }

    /** What the feedback service says: the tokens whose app is gone. */
    async feedback() {
        const told = await this.readToEnd();
        const tokens = [];
        for (let at = 0; at < told.length; at += 6 + told.readUInt16BE(at + 4)) {
            tokens.push(told.toString("hex", at + 6, at + 6 + told.readUInt16BE(at + 4)));
        }
        return tokens;
    }

    async readToEnd() {
        const chunks = [];
        for await (const chunk of this.socket) chunks.push(chunk);
        return Buffer.concat(chunks);
    }

    close() {
        this.socket.end();
    }
}

function counted(bytes) {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(bytes.length);
    return Buffer.concat([length, bytes]);
}

/** One push over the HTTP/2 provider API: the answer's status and headers, and its reason if it was refused. */
async function pushToday({ host, port, ...credentials }, topic, token, payload) {
    const session = http2.connect(`https://${host}:${port}`, credentials);
    try {
        const stream = session.request({ ":method": "POST", ":path": `/3/device/${token}`, "apns-topic": topic });
        stream.end(JSON.stringify(payload));
        const [headers] = await once(stream, "response");
        let body = "";
        for await (const chunk of stream) body += chunk;
        return { status: headers[":status"], id: headers["apns-id"], reason: body && JSON.parse(body).reason };
    } finally {
        session.close();
    }
}

module.exports = { LegacyBackend, pushToday };
