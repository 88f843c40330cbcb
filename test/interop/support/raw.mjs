// MQTT 3.1.1 and HTTP as bytes over TLS, for clients that no package has.
import { once } from 'node:events';
import tls from 'node:tls';
import { Inbox, within } from './time.mjs';

/** A TLS connection as the 2019 C SDK makes it: no SNI, no ALPN, TLS 1.2. */
export async function dial(hub, port) {
  const socket = tls.connect({ host: hub.host, port, ca: hub.ca, maxVersion: 'TLSv1.2', servername: '' });
  socket.on('error', () => {});
  await within(once(socket, 'secureConnect'), 'the TLS handshake');
  return socket;
}

/** Fixed header, remaining length, and the parts of a packet. */
export function packet(firstByte, ...parts) {
  const body = Buffer.concat(parts.map((p) => (typeof p === 'number' ? Buffer.from([p]) : p)));
  const length = [];
  let rest = body.length;
  do {
    const digit = rest % 128;
    rest = Math.floor(rest / 128);
    length.push(rest > 0 ? digit | 0x80 : digit);
  } while (rest > 0);
  return Buffer.concat([Buffer.from([firstByte, ...length]), body]);
}

/** A length-prefixed UTF-8 string. */
export function text(s) {
  const bytes = Buffer.from(s);
  return Buffer.concat([uint16(bytes.length), bytes]);
}

export function uint16(n) {
  return Buffer.from([n >> 8, n & 0xff]);
}

/** The packets that arrive on a socket: {first, body} each, {closed} at its end. */
export function incoming(socket) {
  const inbox = new Inbox();
  socket.once('close', () => inbox.put({ closed: true }));
  let pending = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    for (;;) {
      let length = 0;
      let at = 1;
      let shift = 0;
      for (;;) {
        if (at >= pending.length) return;
        const digit = pending[at++];
        length |= (digit & 0x7f) << shift;
        shift += 7;
        if ((digit & 0x80) === 0) break;
      }
      if (pending.length < at + length) return;
      inbox.put({ first: pending[0], body: pending.subarray(at, at + length) });
      pending = pending.subarray(at + length);
    }
  });
  return inbox;
}

/** Topic and payload of a PUBLISH at QoS 0 or 1. */
export function published({ first, body }) {
  if (first >> 4 !== 3) throw new Error(`packet type ${first >> 4}, not PUBLISH`);
  const end = 2 + body.readUInt16BE(0);
  const qos = (first >> 1) & 3;
  return { topic: body.subarray(2, end).toString(), payload: body.subarray(end + (qos > 0 ? 2 : 0)).toString(), qos };
}

/** One HTTP/1.1 exchange, written as the bytes given; the answer's status and JSON. */
export async function http(hub, head) {
  const socket = await dial(hub, 443);
  try {
    socket.write(`${head.join('\r\n')}\r\n\r\n`);
    let answer = '';
    return await within((async () => {
      for await (const chunk of socket) {
        answer += chunk.toString('latin1');
        const end = answer.indexOf('\r\n\r\n');
        if (end < 0) continue;
        const headers = answer.slice(0, end);
        const body = answer.slice(end + 4);
        const length = /^content-length: *(\d+)/im.exec(headers);
        if (!length) throw new Error(`no content-length, which this client needs:\n${headers}`);
        if (body.length < Number(length[1])) continue;
        return { status: Number(headers.split(' ')[1]), body: JSON.parse(Buffer.from(body, 'latin1').toString()) };
      }
      throw new Error(`the hub closed the connection after ${JSON.stringify(answer)}`);
    })(), 'the HTTP answer');
  } finally {
    socket.destroy();
  }
}
