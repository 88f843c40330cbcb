// The official device client: how it authenticates, what it sends.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Message, close, deviceClient, moduleClient, open, refused, report, send, tokenClient, twin } from './support/azure.mjs';
import { selfSigned } from './support/cert.mjs';
import { Hub } from './support/hub.mjs';
import { dial, packets } from './support/mqttjs.mjs';
import { token } from './support/sas.mjs';

const hub = Hub.of(import.meta.url);
const registry = hub.registry();

test('primary and secondary key open a device and a module', async (t) => {
  const device = await hub.device('keys');
  const { responseBody: module } = await registry.addModule({ deviceId: 'keys', moduleId: 'app' });
  for (const which of ['primaryKey', 'secondaryKey']) {
    for (const [identity, make] of [[device, deviceClient], [module, moduleClient]]) {
      const client = await open(t, make(hub, hub.connectionString(identity, identity.authentication.symmetricKey[which])));
      assert.equal((await twin(client)).properties.desired.$version, 1);
      await close(client);
    }
  }
});

for (const form of ['sha1', 'sha256']) {
  for (const which of ['primaryThumbprint', 'secondaryThumbprint']) {
    test(`X.509: a self-signed certificate by its ${form} ${which}`, async (t) => {
      const deviceId = `x509-${form}-${which}`;
      const certificate = await selfSigned(deviceId);
      const other = (await selfSigned('other'))[form];
      const thumbprints = { primaryThumbprint: other, secondaryThumbprint: other, [which]: certificate[form].toLowerCase() };
      await registry.create({ deviceId, authentication: { type: 'selfSigned', x509Thumbprint: thumbprints } });
      const client = await open(t, deviceClient(hub, `HostName=${hub.host};DeviceId=${deviceId};x509=true`, { cert: certificate.cert, key: certificate.key }));
      const mine = await twin(client);
      await report(mine, { by: form });
      const { responseBody: seen } = await registry.getTwin(deviceId);
      assert.equal(seen.authenticationType, 'selfSigned');
      assert.equal(seen.properties.reported.by, form);
    });
  }
}

test('X.509: a module by its thumbprint, with MQTT.js (the official module client has no X.509)', async (t) => {
  const certificate = await selfSigned('any name');
  await hub.device('x509-module');
  await registry.addModule({ deviceId: 'x509-module', moduleId: 'app', authentication: { type: 'selfSigned', x509Thumbprint: { primaryThumbprint: certificate.sha256 } } });
  const client = dial(hub, {
    clean: true, clientId: 'x509-module/app', username: `${hub.host}/x509-module/app/?api-version=2021-04-12`, cert: certificate.cert, key: certificate.key,
  });
  t.after(() => client.end(true));
  const inbox = packets(client);
  await client.subscribeAsync('$iothub/twin/res/#');
  client.publish('$iothub/twin/GET/?$rid=1', ' ');
  assert.equal((await inbox.next('the twin')).topic, '$iothub/twin/res/200/?$rid=1');
});

test('X.509: another certificate is refused', async () => {
  const [registered, presented] = await Promise.all([selfSigned('x509-wrong'), selfSigned('x509-wrong')]);
  await registry.create({ deviceId: 'x509-wrong', authentication: { type: 'selfSigned', x509Thumbprint: { primaryThumbprint: registered.sha256 } } });
  const client = deviceClient(hub, `HostName=${hub.host};DeviceId=x509-wrong;x509=true`, { cert: presented.cert, key: presented.key });
  assert.equal(await refused(client), 'UnauthorizedError');
});

test('a token made elsewhere opens a device: one of its own, one of policy "device"', async (t) => {
  const device = await hub.device('tokens');
  const sr = `${encodeURIComponent(hub.host)}%2Fdevices%2Ftokens`;
  const own = token({ sr, key: device.authentication.symmetricKey.primaryKey });
  const { body } = await hub.request('GET', '/tvilling/policies');
  const policy = body.find((p) => p.name === 'device');
  const service = token({ sr, key: policy.primaryKey, policy: 'device' });
  for (const sas of [own, service]) {
    const client = await open(t, tokenClient(hub, sas));
    assert.equal((await twin(client)).properties.reported.$version, 1);
    await close(client);
  }
});

test('a new token is taken over a reconnect of the same session', async (t) => {
  const device = await hub.device('renew');
  const sr = `${hub.host}%2Fdevices%2Frenew`;
  const make = () => token({ sr, key: device.authentication.symmetricKey.primaryKey });
  const client = await open(t, tokenClient(hub, make()));
  const mine = await twin(client);
  await report(mine, { token: 1 });
  await client.updateSharedAccessSignature(make());
  await report(mine, { token: 2 });
  assert.equal((await registry.getTwin('renew')).responseBody.properties.reported.token, 2);
});

test('a message keeps its body, its properties and its system properties', async (t) => {
  const device = await hub.device('message');
  const client = await open(t, deviceClient(hub, hub.connectionString(device)));
  const message = new Message(Buffer.from('{"t":21.5}'));
  message.messageId = 'm 1/ä';
  message.correlationId = 'c=1&2';
  message.contentType = 'application/json';
  message.contentEncoding = 'utf-8';
  message.properties.add('alert', 'true');
  message.properties.add('a key=&?', 'a value / % + ü');
  await send(client, message);
  const [kept] = await hub.messages('telemetry', { device: 'message' });
  assert.deepEqual(kept.body, { t: 21.5 });
  const flat = JSON.stringify(kept);
  for (const text of ['m 1/ä', 'c=1&2', 'application/json', 'utf-8', 'alert', 'a key=&?', 'a value / % + ü']) {
    assert.ok(flat.includes(JSON.stringify(text)), `${text} in ${flat}`);
  }
});

test('a body that is no JSON comes back byte for byte', async (t) => {
  const device = await hub.device('binary');
  const client = await open(t, deviceClient(hub, hub.connectionString(device)));
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  await send(client, new Message(bytes));
  await send(client, new Message(Buffer.alloc(0)));
  const kept = await hub.messages('telemetry', { device: 'binary' });
  assert.equal(kept[0].bodyBase64, bytes.toString('base64'));
  assert.equal(kept.length, 2);
});

test('a thousand messages, each acknowledged, each there, in order', async (t) => {
  const device = await hub.device('many');
  const client = await open(t, deviceClient(hub, hub.connectionString(device)));
  for (let batch = 0; batch < 20; batch++) {
    await Promise.all(Array.from({ length: 50 }, (_, i) => send(client, new Message(JSON.stringify({ n: batch * 50 + i })))));
  }
  const kept = await hub.messages('telemetry', { device: 'many' });
  assert.deepEqual(kept.map((m) => m.body.n), Array.from({ length: 1000 }, (_, i) => i));
});

test('the largest message passes; the client itself refuses a larger one', async (t) => {
  const device = await hub.device('largest');
  const client = await open(t, deviceClient(hub, hub.connectionString(device)));
  await send(client, new Message(Buffer.alloc(255 * 1024, 'x')));
  const [kept] = await hub.messages('telemetry', { device: 'largest' });
  assert.ok(JSON.stringify(kept).length > 255 * 1024);
});
