// A TCP proxy in front of a hub, to cut connections as a network does.
import { once } from 'node:events';
import net from 'node:net';
import { Inbox } from './time.mjs';

/** Listens on a free port of the hub's address and passes bytes to its MQTT port. */
export async function proxy(t, hub) {
  const open = new Set();
  const connections = new Inbox();
  const server = net.createServer((client) => {
    connections.put(client.remotePort);
    const upstream = net.connect(hub.ports.mqtt, hub.host);
    for (const [from, to] of [[client, upstream], [upstream, client]]) {
      open.add(from);
      from.on('error', () => {});
      from.once('close', () => { open.delete(from); to.destroy(); });
      from.pipe(to);
    }
  });
  server.listen(0, hub.host);
  await once(server, 'listening');
  const cut = () => open.forEach((socket) => socket.destroy());
  t.after(() => { cut(); server.close(); });
  return { host: `${hub.host}:${server.address().port}`, cut, connections };
}
