// Twins between the service client and the device client.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import common from 'azure-iot-common';
import { close, desired, deviceClient, moduleClient, open, refused, report, twin } from './support/azure.mjs';
import { Hub } from './support/hub.mjs';
import { within } from './support/time.mjs';

const hub = Hub.of(import.meta.url);
const registry = hub.registry();
const version = 'api-version=2021-04-12';

/** One body for devices and modules: both have the same twin. */
async function both(t, name, body) {
  await t.test('device', async (t) => {
    const device = await hub.device(`${name}-d`);
    await body(t, {
      client: deviceClient(hub, hub.connectionString(device)),
      path: `/twins/${name}-d`,
      read: async () => (await registry.getTwin(`${name}-d`)).responseBody,
      update: async (patch, etag = '*') => (await registry.updateTwin(`${name}-d`, patch, etag)).responseBody,
    });
  });
  await t.test('module', async (t) => {
    await hub.device(`${name}-m`);
    const { responseBody: module } = await registry.addModule({ deviceId: `${name}-m`, moduleId: 'app' });
    await body(t, {
      client: moduleClient(hub, hub.connectionString(module)),
      path: `/twins/${name}-m/modules/app`,
      read: async () => (await registry.getModuleTwin(`${name}-m`, 'app')).responseBody,
      update: async (patch, etag = '*') => (await registry.updateModuleTwin(`${name}-m`, 'app', patch, etag)).responseBody,
    });
  });
}

test('a fresh twin is what the original hub makes', async () => {
  await hub.device('fresh');
  const { body, headers } = await hub.request('GET', `/twins/fresh?${version}`);
  assert.match(headers.get('content-type'), /^application\/json; charset=utf-8$/i);
  assert.equal(body.deviceId, 'fresh');
  assert.equal(body.etag, 'AAAAAAAAAAE=');
  assert.equal(body.version, 2);
  assert.equal(body.status, 'enabled');
  assert.equal(body.connectionState, 'Disconnected');
  assert.equal(body.authenticationType, 'sas');
  assert.deepEqual(body.x509Thumbprint, { primaryThumbprint: null, secondaryThumbprint: null });
  assert.deepEqual(body.capabilities, { iotEdge: false });
  assert.equal('tags' in body, false);
  assert.equal('moduleId' in body, false);
  for (const section of ['desired', 'reported']) {
    assert.equal(body.properties[section].$version, 1);
    assert.deepEqual(Object.keys(body.properties[section]).sort(), ['$metadata', '$version']);
  }
});

test('the client reads its twin: two sections, no tags, no metadata', (t) => both(t, 'read', async (t, { client, update }) => {
  await update({ tags: { secret: 'of the service' }, properties: { desired: { fps: 30 } } });
  const mine = await twin(await open(t, client));
  assert.equal(mine.properties.desired.fps, 30);
  assert.equal(mine.properties.desired.$version, 2);
  assert.equal(mine.properties.reported.$version, 1);
  assert.equal('tags' in mine.properties, false);
  assert.equal('$metadata' in mine.properties.desired, false);
}));

test('reported properties arrive whole and merge', (t) => both(t, 'report', async (t, { client, read }) => {
  const mine = await twin(await open(t, client));
  const before = await read();
  await report(mine, { state: 'running', nested: { a: 1, b: [1, 2, 'å'] } });
  await report(mine, { nested: { a: null, c: true } });
  const after = await read();
  const { $metadata, $version, ...reported } = after.properties.reported;
  assert.deepEqual(reported, { state: 'running', nested: { b: [1, 2, 'å'], c: true } });
  assert.equal($version, 3);
  assert.ok($metadata.nested.c.$lastUpdated > '2020');
  assert.equal(after.etag, before.etag, 'a report does not race with the service');
  assert.equal(after.version, before.version);
}));

test('desired changes arrive, each once, in order', (t) => both(t, 'order', async (t, { client, update }) => {
  const changes = await desired(await twin(await open(t, client)));
  for (let n = 1; n <= 40; n++) await update({ properties: { desired: { n, [`k${n}`]: n } } });
  for (let n = 1; n <= 40; n++) {
    const delta = await changes.next(`desired change ${n}`);
    assert.deepEqual(delta, { n, [`k${n}`]: n, $version: n + 1 });
  }
  assert.deepEqual(changes.drain(), []);
}));

test('concurrent updates reach the device in the order of their versions', (t) => both(t, 'race', async (t, { client, update, read }) => {
  const changes = await desired(await twin(await open(t, client)));
  await Promise.all(Array.from({ length: 30 }, (_, i) => update({ properties: { desired: { [`from${i}`]: i } } })));
  for (let n = 2; n <= 31; n++) assert.equal((await changes.next(`version ${n}`)).$version, n);
  assert.equal((await read()).properties.desired.$version, 31);
}));

test('a change of tags alone tells the device nothing', (t) => both(t, 'tags', async (t, { client, update }) => {
  const changes = await desired(await twin(await open(t, client)));
  await update({ tags: { site: 'north' } });
  await update({ properties: { desired: { after: true } } });
  assert.deepEqual(await changes.next('the desired change'), { after: true, $version: 2 });
}));

test('deleting and replacing desired properties', (t) => both(t, 'replace', async (t, { client, update, path }) => {
  await update({ properties: { desired: { keep: 1, drop: 2, deep: { x: 1 } } } });
  const changes = await desired(await twin(await open(t, client)));
  await update({ properties: { desired: { drop: null } } });
  assert.deepEqual(await changes.next('the deletion'), { drop: null, $version: 3 });
  const put = await hub.request('PUT', `${path}?${version}`, { body: { properties: { desired: { only: 'this' } } }, headers: { 'if-match': '"*"' } });
  assert.equal(put.status, 200, put.text);
  assert.deepEqual(await changes.next('the replacement'), { only: 'this', $version: 4 });
  const { $metadata, $version, ...rest } = put.body.properties.desired;
  assert.deepEqual(rest, { only: 'this' });
}));

test('etags: the current one passes, another is refused and changes nothing', (t) => both(t, 'etag', async (_t, { update, read }) => {
  const first = await read();
  const second = await update({ tags: { n: 1 } }, first.etag);
  assert.notEqual(second.etag, first.etag);
  assert.equal(second.version, first.version + 1);
  await assert.rejects(update({ tags: { n: 2 } }, first.etag), { name: 'InvalidEtagError' });
  const third = await read();
  assert.equal(third.tags.n, 1);
  assert.equal(third.etag, second.etag);
}));

test('what breaks a limit is refused to the one who asked, and changes nothing', (t) => both(t, 'limits', async (t, { client, update, read }) => {
  const mine = await twin(await open(t, client));
  await report(mine, { kept: true });
  const nest = (levels) => (levels === 0 ? 1 : { o: nest(levels - 1) });
  const refused = {
    'a string over 4096 bytes': { s: 'x'.repeat(4097) },
    'a key with a dot': { 'a.b': 1 },
    'a key with a dollar sign': { $x: 1 },
    'a key with a space': { 'a b': 1 },
    'a key over 1024 bytes': { ['k'.repeat(1025)]: 1 },
    'eleven levels': { o: nest(11) },
    'null in an array': { a: [1, null] },
    'a number out of bounds': { n: 4503599627370496 },
    'more than 32 KiB': Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`s${i}`, 'x'.repeat(4000)])),
  };
  for (const [what, patch] of Object.entries(refused)) {
    await assert.rejects(report(mine, patch), (err) => err.message.length > 10, `reported: ${what}`);
    await assert.rejects(update({ properties: { desired: patch } }), { name: 'ArgumentError' }, `desired: ${what}`);
  }
  const allowed = {
    'a string of 4096 bytes': { s: 'x'.repeat(4096) },
    'a key of 1024 bytes': { ['k'.repeat(1024)]: 1 },
    'the largest integer': { n: 4503599627370495 },
    'ten levels': nest(11), // the root of the section is none of them
  };
  let reported = 2;
  for (const [what, patch] of Object.entries(allowed)) {
    await report(mine, patch).catch((err) => assert.fail(`reported: ${what}: ${err.message}`));
    reported++;
  }
  const after = await read();
  assert.equal(after.properties.reported.$version, reported);
  assert.equal(after.properties.reported.kept, true);
  assert.equal(after.properties.desired.$version, 1);
}));

test('a disabled device is cut off and kept out; enabled, it comes back', async (t) => {
  const device = await hub.device('switch');
  const client = await open(t, deviceClient(hub, hub.connectionString(device)));
  client.setRetryPolicy(new common.NoRetry());
  const cut = within(new Promise((resolve) => client.once('disconnect', resolve)), 'the cut');
  await registry.update({ ...device, status: 'disabled' });
  await cut;
  assert.equal(await refused(deviceClient(hub, hub.connectionString(device))), 'UnauthorizedError');
  await registry.update({ ...device, status: 'enabled' });
  await open(t, deviceClient(hub, hub.connectionString(device)));
});

test('connectionState and lastActivityTime follow the client', async (t) => {
  const device = await hub.device('presence');
  const client = await open(t, deviceClient(hub, hub.connectionString(device)));
  const { responseBody: up } = await registry.getTwin('presence');
  assert.equal(up.connectionState, 'Connected');
  assert.ok(up.lastActivityTime > '2020');
  await close(client);
  const { responseBody: down } = await registry.getTwin('presence');
  assert.equal(down.connectionState, 'Disconnected');
});
