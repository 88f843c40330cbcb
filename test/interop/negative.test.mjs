// What a hub must refuse, asked by MQTT.js and by raw bytes. Each refusal is
// looked at from outside: the code, the closed connection, and that the hub
// still serves everybody else.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { afterEach, before, test } from 'node:test';
import { Hub } from './support/hub.mjs';
import { closed, connect, credentials, dial as mqttjs, end, packets, refusal } from './support/mqttjs.mjs';
import { dial, incoming, packet, text, uint16 } from './support/raw.mjs';
import { within } from './support/time.mjs';

const hub = Hub.of(import.meta.url);
const registry = hub.registry();
const notAuthorized = 5;
let device;
let module;
let witness;

before(async () => {
  device = await hub.device('victim');
  ({ responseBody: module } = await registry.addModule({ deviceId: 'victim', moduleId: 'app' }));
  witness = await hub.device('witness');
});

afterEach(async (t) => {
  // Whatever a test sent, another device still gets its twin.
  const { client } = await connect({ after() {} }, hub, witness);
  const inbox = packets(client);
  await client.subscribeAsync('$iothub/twin/res/#');
  client.publish('$iothub/twin/GET/?$rid=w', '');
  assert.equal((await inbox.next('the twin of a bystander')).topic, '$iothub/twin/res/200/?$rid=w', t.name);
  await end(client);
});

const now = () => Math.floor(Date.now() / 1000);
const connects = {
  'a signature by another key': () => credentials(hub, device, { key: randomBytes(32).toString('base64') }),
  'an expired token': () => credentials(hub, device, { expires: now() - 3600 }),
  'a token for another device': () => credentials(hub, device, { sr: `${hub.host}%2Fdevices%2Fother` }),
  'a token for a device whose id begins the same': () => credentials(hub, device, { sr: `${hub.host}%2Fdevices%2Fvict` }),
  'a token for a module, as the device': () => credentials(hub, device, { sr: `${hub.host}%2Fdevices%2Fvictim%2Fmodules%2Fapp` }),
  'the module key, as the device': () => credentials(hub, device, { key: module.authentication.symmetricKey.primaryKey }),
  'the device key, as the module': () => credentials(hub, module, { key: device.authentication.symmetricKey.primaryKey }),
  'a policy that the hub does not have': () => credentials(hub, device, { policy: 'nobody' }),
  'no password and no certificate': () => credentials(hub, device, { password: '' }),
  'a password that is no token': () => credentials(hub, device, { password: 'secret' }),
  'an unknown device': () => credentials(hub, { ...device, deviceId: 'unknown' }),
  'an unknown module': () => credentials(hub, { ...module, moduleId: 'unknown' }),
};
for (const [what, options] of Object.entries(connects)) {
  test(`CONNECT with ${what} is not authorized`, async () => {
    assert.equal(await refusal(hub, options()), notAuthorized);
  });
}

test('CONNECT with a client id that is not the one in the user name is refused', async () => {
  const code = await refusal(hub, credentials(hub, device, { clientId: 'witness' }));
  assert.ok(code === 2 || code === notAuthorized, `code ${code}`);
});

test('CONNECT of a disabled device is not authorized', async () => {
  const disabled = await hub.device('off', { status: 'disabled' });
  assert.equal(await refusal(hub, credentials(hub, disabled)), notAuthorized);
});

test('a session ends when its token does', async (t) => {
  const { client } = await connect(t, hub, device, { expires: now() + 2 });
  await within(once(client, 'close'), 'the end of the session with its token', 20_000);
});

/** Publishes or subscribes and expects the hub to close the connection. */
function closing(what, act) {
  test(`${what} closes the connection`, async (t) => {
    const { client } = await connect(t, hub, device);
    const close = closed(client);
    act(client);
    await close;
  });
}
const silently = () => {};
closing('a message in the name of another device', (c) => c.publish('devices/witness/messages/events/', 'x', { qos: 1 }, silently));
closing('a message in the name of its module', (c) => c.publish('devices/victim/modules/app/messages/events/', 'x', { qos: 1 }, silently));
closing('a topic that is none of the hub’s', (c) => c.publish('some/topic', 'x', { qos: 1 }, silently));
closing('a twin request that does not exist', (c) => c.publish('$iothub/twin/DELETE/?$rid=1', '', silently));
closing('a message at QoS 2', (c) => c.publish('devices/victim/messages/events/', 'x', { qos: 2 }, silently));
closing('a message of more than 256 KiB', (c) => c.publish('devices/victim/messages/events/', Buffer.alloc(262_145 + 1024), { qos: 1 }, silently));
closing('a property bag that cannot be decoded', (c) => c.publish('devices/victim/messages/events/a=%zz', 'x', { qos: 1 }, silently));
closing('a subscription to everything', (c) => c.subscribe('#', silently));
closing('a subscription to another device', (c) => c.subscribe('devices/witness/messages/devicebound/#', silently));
closing('a subscription to all devices', (c) => c.subscribe('devices/+/messages/devicebound/#', silently));

test('a subscription at QoS 2 is granted QoS 1', async (t) => {
  const { client } = await connect(t, hub, device);
  const granted = await client.subscribeAsync('devices/victim/messages/devicebound/#', { qos: 2 });
  assert.equal(granted[0].qos, 1);
});

test('several filters in one SUBSCRIBE are granted in their order', async (t) => {
  const { client } = await connect(t, hub, device);
  const suback = new Promise((resolve) => client.on('packetreceive', (p) => p.cmd === 'suback' && resolve(p)));
  client.subscribe({
    '$iothub/twin/res/#': { qos: 0 }, 'devices/victim/messages/devicebound/#': { qos: 1 },
    '$iothub/methods/POST/#': { qos: 0 }, '$iothub/twin/PATCH/properties/desired/#': { qos: 1 },
  });
  const { granted } = await within(suback, 'SUBACK');
  assert.equal(granted.length, 4);
  assert.deepEqual([granted[0], granted[1], granted[2]], [0, 1, 0]);
});

test('a refused report is answered with code, message and tracking id; the connection lives on', async (t) => {
  const { client } = await connect(t, hub, device);
  const inbox = packets(client);
  await client.subscribeAsync('$iothub/twin/res/#');
  const bad = ['no json', '[1]', '"text"', '{"a":', '{"a":1,"a":2}', '{"a":{"$x":1}}', `{"s":"${'x'.repeat(4097)}"}`, Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])];
  for (const [i, body] of bad.entries()) {
    client.publish(`$iothub/twin/PATCH/properties/reported/?$rid=bad${i}`, body);
    const { topic, payload } = await inbox.next(`the refusal of ${String(body).slice(0, 20)}`);
    assert.match(topic, new RegExp(`^\\$iothub/twin/res/400/\\?\\$rid=bad${i}$`));
    const error = JSON.parse(payload);
    assert.equal(typeof error.errorCode, 'number');
    assert.ok(error.message.length > 10, payload);
    assert.match(error.trackingId, /^[0-9a-fA-F]+-G:\d+-TimeStamp:/);
    assert.ok(error.timestampUtc);
  }
  client.publish('$iothub/twin/GET/?$rid=after', ' ');
  const { payload } = await inbox.next('the twin');
  assert.deepEqual(JSON.parse(payload).reported, { $version: 1 }, 'nothing refused has changed anything');
});

test('a report on an outdated base version is refused with 412', async (t) => {
  const { client } = await connect(t, hub, device);
  const inbox = packets(client);
  await client.subscribeAsync('$iothub/twin/res/#');
  client.publish('$iothub/twin/PATCH/properties/reported/?$rid=1&$version=77', '{"a":1}');
  assert.match((await inbox.next('the refusal')).topic, /^\$iothub\/twin\/res\/412\/\?\$rid=1/);
});

test('MQTT 5 and MQTT 3.1 clients are told the version is wrong', async (t) => {
  for (const [name, level] of [['MQTT', 5], ['MQIsdp', 3]]) {
    const socket = await dial(hub, 8883);
    t.after(() => socket.destroy());
    const inbox = incoming(socket);
    const { clientId, username, password } = credentials(hub, device);
    const properties = level === 5 ? [0] : [];
    socket.write(packet(0x10, text(name), level, 0xc2, uint16(60), ...properties, text(clientId), text(username), text(password)));
    const answer = await inbox.next('an answer or the close');
    if (answer.closed) continue; // refusing by closing is as good
    assert.equal(answer.first, 0x20);
    assert.ok([1, 0x84].includes(answer.body[1]), `code ${answer.body[1]}`);
  }
});

test('bytes that are no MQTT close the connection and nothing else', async () => {
  const streams = [
    Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
    Buffer.alloc(64, 0xff),
    packet(0x30, text('devices/victim/messages/events/')), // PUBLISH before CONNECT
    packet(0x10, text('MQTT'), 4),
    Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff, 0x7f]),
    randomBytes(512),
  ];
  for (const bytes of streams) {
    const socket = await dial(hub, 8883);
    const close = within(once(socket, 'close'), `the close after ${bytes.subarray(0, 8).toString('hex')}`, 40_000);
    socket.resume();
    socket.end(bytes);
    await close;
  }
});

test('a second CONNECT on one connection closes it', async (t) => {
  const socket = await dial(hub, 8883);
  t.after(() => socket.destroy());
  const inbox = incoming(socket);
  const { clientId, username, password } = credentials(hub, device);
  const hello = packet(0x10, text('MQTT'), 4, 0xc2, uint16(60), text(clientId), text(username), text(password));
  socket.write(hello);
  assert.equal((await inbox.next('CONNACK')).body[1], 0);
  const close = within(once(socket, 'close'), 'the close');
  socket.write(hello);
  await close;
});

test('a will is a message like any other; one in the name of another device is refused', async (t) => {
  const sad = mqttjs(hub, {
    ...credentials(hub, device), clean: true,
    will: { topic: 'devices/victim/messages/events/reason=lost', payload: 'gone', qos: 1, retain: false },
  });
  await within(once(sad, 'connect'), 'CONNACK');
  const other = await connect(t, hub, device); // takes over: the old one ends without DISCONNECT
  await end(other.client);
  sad.end(true);
  const kept = await hub.messages('telemetry', { device: 'victim' });
  assert.ok(kept.some((m) => JSON.stringify(m).includes('Will') && JSON.stringify(m).includes('lost')), JSON.stringify(kept));

  const foreign = { ...credentials(hub, device), will: { topic: 'devices/witness/messages/events/', payload: 'x', qos: 1, retain: false } };
  const outcome = await refusal(hub, foreign).then((code) => `refused with ${code}`, (err) => err.message);
  assert.match(outcome, /^refused with [25]$|closed the connection/);
});
