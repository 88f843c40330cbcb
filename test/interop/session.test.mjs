// Sessions: takeover, subscriptions that outlive connections and the hub.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import common from 'azure-iot-common';
import { close, desired, deviceClient, open, report, twin } from './support/azure.mjs';
import { Hub } from './support/hub.mjs';
import { connect, end, packets } from './support/mqttjs.mjs';
import { proxy } from './support/proxy.mjs';
import { within } from './support/time.mjs';

const hub = Hub.of(import.meta.url);
const registry = hub.registry();
after(() => hub.stopAgain());

const update = (deviceId, patch) => registry.updateTwin(deviceId, { properties: { desired: patch } }, '*');

test('a kept session has its subscriptions after a reconnect', async (t) => {
  const device = await hub.device('kept');
  const first = await connect(t, hub, device, { clean: false });
  assert.equal(first.connack.sessionPresent, false);
  await first.client.subscribeAsync({ '$iothub/twin/res/#': { qos: 0 }, '$iothub/twin/PATCH/properties/desired/#': { qos: 0 } });
  await end(first.client);

  const second = await connect(t, hub, device, { clean: false });
  assert.equal(second.connack.sessionPresent, true);
  const inbox = packets(second.client);
  await update('kept', { hello: 'again' }); // it never subscribed on this connection
  const change = await inbox.next('the desired change');
  assert.equal(change.topic, '$iothub/twin/PATCH/properties/desired/?$version=2');
  assert.deepEqual(JSON.parse(change.payload), { hello: 'again', $version: 2 });
  second.client.publish('$iothub/twin/GET/?$rid=1', ' ');
  assert.equal((await inbox.next('the twin')).topic, '$iothub/twin/res/200/?$rid=1');
  await end(second.client);

  const third = await connect(t, hub, device, { clean: true });
  assert.equal(third.connack.sessionPresent, false, 'a clean connect drops the session');
  await end(third.client);
  const fourth = await connect(t, hub, device, { clean: false });
  assert.equal(fourth.connack.sessionPresent, false);
});

test('a kept session forgets what was unsubscribed', async (t) => {
  const device = await hub.device('unsubscribed');
  const first = await connect(t, hub, device, { clean: false });
  await first.client.subscribeAsync('$iothub/twin/res/#');
  await first.client.subscribeAsync('$iothub/twin/PATCH/properties/desired/#');
  await first.client.unsubscribeAsync('$iothub/twin/PATCH/properties/desired/#');
  await end(first.client);
  const second = await connect(t, hub, device, { clean: false });
  const inbox = packets(second.client);
  await update('unsubscribed', { n: 1 });
  second.client.publish('$iothub/twin/GET/?$rid=1', ' ');
  const only = await inbox.next('the twin');
  assert.equal(only.topic, '$iothub/twin/res/200/?$rid=1', 'no desired change came before it');
});

test('desired changes made while a device was away are not queued; the twin has them', async (t) => {
  const device = await hub.device('away');
  const client = await open(t, deviceClient(hub, hub.connectionString(device)));
  await desired(await twin(client));
  await close(client);
  await update('away', { n: 1 });
  await update('away', { n: 2 });
  const mine = await twin(await open(t, deviceClient(hub, hub.connectionString(device))));
  assert.equal(mine.properties.desired.n, 2);
  const changes = await desired(mine);
  await update('away', { n: 3 });
  assert.equal((await changes.next('the next change')).n, 3);
});

test('the official client gets its changes again after the network was cut, without subscribing again', async (t) => {
  const device = await hub.device('cut-off');
  const network = await proxy(t, hub);
  // The Node client takes a port in the host name; user name and token then have it, too.
  const connection = hub.connectionString(device).replace(hub.host, network.host);
  const client = await open(t, deviceClient(hub, connection));
  const mine = await twin(client);
  const changes = await desired(mine);
  await update('cut-off', { n: 1 });
  assert.equal((await changes.next('the change before the cut')).n, 1);

  await network.connections.next('the first connection');
  for (let round = 1; round <= 3; round++) {
    network.cut();
    await network.connections.next('the next connection');
    await within(mine.get(), 'the twin, once the client is back');
    changes.drain(); // the twin just fetched is told to listeners, too
    await update('cut-off', { n: round + 1 });
    assert.equal((await changes.next(`the change after cut ${round}`)).n, round + 1);
  }
});

test('a second connection of an identity takes over from the first', async (t) => {
  const device = await hub.device('takeover');
  const first = await open(t, deviceClient(hub, hub.connectionString(device)));
  first.setRetryPolicy(new common.NoRetry());
  const dropped = within(new Promise((resolve) => first.once('disconnect', resolve)), 'the end of the first connection');
  const second = await open(t, deviceClient(hub, hub.connectionString(device)));
  await dropped;
  await report(await twin(second), { alive: true });
  const { responseBody: seen } = await registry.getTwin('takeover');
  assert.equal(seen.connectionState, 'Connected');
  assert.equal(seen.properties.reported.alive, true);
});

test('many takeovers leave one connection, the last', async (t) => {
  const device = await hub.device('ping-pong');
  let last;
  for (let i = 0; i < 20; i++) last = await connect(t, hub, device, { clean: false });
  const inbox = packets(last.client);
  await last.client.subscribeAsync('$iothub/twin/PATCH/properties/desired/#');
  await update('ping-pong', { n: 1 });
  assert.deepEqual(JSON.parse((await inbox.next('the change')).payload), { n: 1, $version: 2 });
  const { responseBody: seen } = await registry.getTwin('ping-pong');
  assert.equal(seen.connectionState, 'Connected');
});

test('what was acknowledged is there after the hub was killed, and the session goes on', async (t) => {
  const device = await hub.device('survivor');
  const before = await connect(t, hub, device, { clean: false });
  await before.client.subscribeAsync({ '$iothub/twin/res/#': { qos: 0 }, '$iothub/twin/PATCH/properties/desired/#': { qos: 0 } });
  const answers = packets(before.client);
  for (let n = 1; n <= 20; n++) {
    before.client.publish(`$iothub/twin/PATCH/properties/reported/?$rid=${n}`, JSON.stringify({ n, [`k${n}`]: n }));
    assert.equal((await answers.next(`answer ${n}`)).topic, `$iothub/twin/res/204/?$rid=${n}&$version=${n + 1}`);
  }
  await before.client.publishAsync('devices/survivor/messages/events/%24.ct=application%2Fjson&%24.ce=utf-8', '{"last":"words"}', { qos: 1 });
  const { responseBody: twinBefore } = await registry.getTwin('survivor');

  const lost = within(new Promise((resolve) => before.client.once('close', resolve)), 'the loss of the connection');
  await hub.crashAndRestart();
  await lost;

  const { responseBody: twinAfter } = await registry.getTwin('survivor');
  assert.deepEqual(twinAfter.properties, twinBefore.properties);
  assert.equal(twinAfter.etag, twinBefore.etag);
  assert.deepEqual((await hub.messages('telemetry', { device: 'survivor' })).map((m) => m.body), [{ last: 'words' }]);

  const again = await connect(t, hub, device, { clean: false });
  assert.equal(again.connack.sessionPresent, true);
  const inbox = packets(again.client);
  await update('survivor', { after: 'the crash' });
  assert.deepEqual(JSON.parse((await inbox.next('the desired change')).payload), { after: 'the crash', $version: 2 });
});
