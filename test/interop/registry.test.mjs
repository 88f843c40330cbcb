// The registry, by the service client and by raw requests for what it hides.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import iothub from 'azure-iothub';
import { Hub } from './support/hub.mjs';

const hub = Hub.of(import.meta.url);
const registry = hub.registry();
const version = 'api-version=2021-04-12';
const key = () => randomBytes(32).toString('base64');

test('a device is made with keys of the hub, read, changed, listed and deleted', async () => {
  const { responseBody: made } = await registry.create({ deviceId: 'crud-1' });
  assert.equal(made.deviceId, 'crud-1');
  assert.equal(made.status, 'enabled');
  assert.equal(made.connectionState, 'Disconnected');
  assert.equal(made.authentication.type, 'sas');
  assert.equal(made.capabilities.iotEdge, false);
  assert.match(made.generationId, /^\d+$/);
  const keys = made.authentication.symmetricKey;
  assert.ok(Buffer.from(keys.primaryKey, 'base64').length >= 16, 'a generated key has at least 16 bytes');
  assert.notEqual(keys.primaryKey, keys.secondaryKey);

  const { responseBody: read } = await registry.get('crud-1');
  assert.deepEqual(read.authentication, made.authentication);
  assert.equal(read.etag, made.etag);

  const { responseBody: changed } = await registry.update({ deviceId: 'crud-1', status: 'disabled', statusReason: 'lost', authentication: made.authentication });
  assert.equal(changed.status, 'disabled');
  assert.equal(changed.statusReason, 'lost');
  assert.notEqual(changed.etag, made.etag);
  assert.equal(changed.generationId, made.generationId);
  assert.deepEqual(changed.authentication.symmetricKey, keys);

  const { responseBody: all } = await registry.list();
  assert.ok(all.some((d) => d.deviceId === 'crud-1'));

  await registry.delete('crud-1');
  await assert.rejects(registry.get('crud-1'), { name: 'DeviceNotFoundError' });
});

test('a second life of an id has another generation', async () => {
  const { responseBody: first } = await registry.create({ deviceId: 'again' });
  await registry.delete('again');
  const { responseBody: second } = await registry.create({ deviceId: 'again' });
  assert.notEqual(second.generationId, first.generationId);
  assert.notEqual(second.authentication.symmetricKey.primaryKey, first.authentication.symmetricKey.primaryKey);
});

test('keys and thumbprints that are given are kept', async () => {
  const symmetricKey = { primaryKey: key(), secondaryKey: key() };
  const { responseBody: sas } = await registry.create({ deviceId: 'own-keys', authentication: { symmetricKey } });
  assert.deepEqual(sas.authentication.symmetricKey, symmetricKey);

  const thumbprint = 'AB'.repeat(20);
  const { responseBody: x509 } = await registry.create({
    deviceId: 'own-cert', authentication: { x509Thumbprint: { primaryThumbprint: thumbprint.toLowerCase() } },
  });
  assert.equal(x509.authentication.type, 'selfSigned');
  assert.equal(x509.authentication.x509Thumbprint.primaryThumbprint.toUpperCase(), thumbprint);
});

test('errors are those that the client has classes for', async () => {
  await registry.create({ deviceId: 'errors' });
  await assert.rejects(registry.create({ deviceId: 'errors' }), { name: 'DeviceAlreadyExistsError' });
  await assert.rejects(registry.update({ deviceId: 'no-such' }), { name: 'DeviceNotFoundError' });
  await assert.rejects(registry.delete('no-such'), { name: 'DeviceNotFoundError' });
  await assert.rejects(registry.getTwin('no-such'), { name: 'DeviceNotFoundError' });
  await assert.rejects(registry.create({ deviceId: 'bad^id' }), { name: 'ArgumentError' });
});

test('every error answer has both members, the code header and a tracking id', async () => {
  const answer = await hub.request('GET', `/devices/no-such?${version}`);
  assert.equal(answer.status, 404);
  assert.equal(answer.headers.get('iothub-errorcode'), 'DeviceNotFound');
  assert.match(answer.body.Message, /^ErrorCode:DeviceNotFound;./);
  assert.match(answer.body.ExceptionMessage, /^Tracking ID:[0-9a-fA-F]+-G:\d+-TimeStamp:\d\d\/\d\d\/\d{4} \d\d:\d\d:\d\d/);

  for (const [method, path] of [['GET', '/no/such/route'], ['POST', '/devices/x/modules'], ['PATCH', '/devices/x']]) {
    const refused = await hub.request(method, `${path}?${version}`, { body: method === 'GET' ? undefined : {} });
    assert.ok(refused.status >= 400 && refused.status < 500, `${method} ${path}: ${refused.status}`);
    assert.match(refused.body.Message, /^ErrorCode:\w+;/, `${method} ${path}`);
    assert.ok(refused.headers.get('iothub-errorcode'), `${method} ${path}`);
  }
});

test('If-Match: every form of the wildcard, the etag, and another etag', async () => {
  const path = `/devices/match?${version}`;
  let { body: device } = await hub.request('PUT', path, { body: { deviceId: 'match' } });
  for (const match of ['*', '"*"', () => device.etag, () => `"${device.etag}"`, () => `W/"${device.etag}"`]) {
    const value = typeof match === 'function' ? match() : match;
    const answer = await hub.request('PUT', path, { body: { deviceId: 'match' }, headers: { 'if-match': value } });
    assert.equal(answer.status, 200, `If-Match: ${value}: ${answer.text}`);
    device = answer.body;
  }
  const before = device.etag;
  const stale = await hub.request('PUT', path, { body: { deviceId: 'match', status: 'disabled' }, headers: { 'if-match': '"MA=="' } });
  assert.equal(stale.status, 412);
  assert.equal(stale.headers.get('iothub-errorcode'), 'PreconditionFailed');
  const after = await hub.request('GET', path);
  assert.equal(after.body.etag, before, 'what was refused changed nothing');
  assert.equal(after.body.status, 'enabled');
});

test('modules: create, read, list, update by etag, remove', async () => {
  await registry.create({ deviceId: 'with-modules' });
  const { responseBody: made } = await registry.addModule({ deviceId: 'with-modules', moduleId: 'meter' });
  assert.equal(made.moduleId, 'meter');
  assert.ok(made.authentication.symmetricKey.primaryKey);
  await assert.rejects(registry.addModule({ deviceId: 'with-modules', moduleId: 'meter' }), { name: 'DeviceAlreadyExistsError' });
  await assert.rejects(registry.addModule({ deviceId: 'no-such', moduleId: 'meter' }), { name: 'DeviceNotFoundError' });

  const { responseBody: list } = await registry.getModulesOnDevice('with-modules');
  assert.deepEqual(list.map((m) => m.moduleId).sort(), ['azureiotsecurity', 'meter']);

  const { responseBody: changed } = await registry.updateModule({ ...made, managedBy: 'ops' });
  assert.equal(changed.managedBy, 'ops');
  await assert.rejects(registry.updateModule(made), { name: 'InvalidEtagError' });

  await registry.removeModule('with-modules', 'meter');
  const gone = await hub.request('GET', `/devices/with-modules/modules/meter?${version}`);
  assert.equal(gone.status, 404);
  assert.equal(gone.headers.get('iothub-errorcode'), 'ModuleNotFound');

  await registry.delete('with-modules');
  const orphan = await hub.request('GET', `/devices/with-modules/modules/azureiotsecurity?${version}`);
  assert.equal(orphan.status, 404, 'modules go with their device');
});

test('a device has at most 50 modules, its security module not counted', async () => {
  await registry.create({ deviceId: 'fifty' });
  for (let i = 1; i <= 50; i++) await registry.addModule({ deviceId: 'fifty', moduleId: `m${i}` });
  const over = await hub.request('PUT', `/devices/fifty/modules/m51?${version}`, { body: { deviceId: 'fifty', moduleId: 'm51' } });
  assert.equal(over.status, 413);
  assert.equal(over.headers.get('iothub-errorcode'), 'TooManyModulesOnDevice');
  const { responseBody: list } = await registry.getModulesOnDevice('fifty');
  assert.equal(list.length, 51);
});

test('ids with every legal character are decoded from the path', async () => {
  const deviceId = "a-:.+%_#*?!(),=@;$'1";
  await registry.create({ deviceId });
  const { responseBody: read } = await registry.get(deviceId);
  assert.equal(read.deviceId, deviceId);
  await registry.addModule({ deviceId, moduleId: 'm.#%' });
  const { responseBody: twin } = await registry.getModuleTwin(deviceId, 'm.#%');
  assert.equal(twin.moduleId, 'm.#%');
  await registry.delete(deviceId);
});

test('statistics count what is there', async () => {
  const { responseBody: before } = await registry.getRegistryStatistics();
  await registry.create({ deviceId: 'counted-1' });
  await registry.create({ deviceId: 'counted-2', status: 'disabled' });
  const { responseBody: after } = await registry.getRegistryStatistics();
  assert.equal(after.totalDeviceCount - before.totalDeviceCount, 2);
  assert.equal(after.enabledDeviceCount - before.enabledDeviceCount, 1);
  assert.equal(after.disabledDeviceCount - before.disabledDeviceCount, 1);
  const service = await hub.request('GET', `/statistics/service?${version}`);
  assert.equal(typeof service.body.connectedDeviceCount, 'number');
});

test('policies: a key opens what its policy permits and no more', async () => {
  await registry.create({ deviceId: 'guarded' });
  const { status, body } = await hub.request('GET', '/tvilling/policies');
  assert.equal(status, 200);
  const policies = Object.fromEntries(body.map((p) => [p.name, p]));
  assert.deepEqual(['device', 'iothubowner', 'registryRead', 'registryReadWrite', 'security', 'service'].filter((n) => !(n in policies)), []);
  const as = (policy) => hub.policyToken({ policy, key: policies[policy].primaryKey });
  const expectations = [
    // policy, request, status
    ['registryRead', 'GET', `/devices/guarded?${version}`, 200],
    ['registryRead', 'DELETE', `/devices/guarded?${version}`, 401],
    ['registryRead', 'GET', `/twins/guarded?${version}`, 401],
    ['registryReadWrite', 'PUT', `/devices/guarded-2?${version}`, 200],
    ['service', 'GET', `/twins/guarded?${version}`, 200],
    ['service', 'DELETE', `/devices/guarded?${version}`, 401],
    ['device', 'GET', `/twins/guarded?${version}`, 401],
  ];
  for (const [policy, method, path, want] of expectations) {
    const answer = await hub.request(method, path, {
      authorization: as(policy), body: method === 'PUT' ? { deviceId: 'guarded-2' } : undefined, headers: method === 'DELETE' ? { 'if-match': '*' } : {},
    });
    assert.equal(answer.status, want, `${policy}: ${method} ${path}: ${answer.text}`);
  }
  const none = await hub.request('GET', `/devices/guarded?${version}`, { authorization: '' });
  assert.equal(none.status, 401);
  assert.match(none.body.Message, /^ErrorCode:IotHubUnauthorized/);
  const forged = await hub.request('GET', `/devices/guarded?${version}`, { authorization: hub.policyToken({ key: key() }) });
  assert.equal(forged.status, 401);
});

test('what the hub does not offer yet is refused by name', async () => {
  const jobs = iothub.JobClient.fromConnectionString(hub.owner);
  const attempts = {
    bulk: () => registry.addDevices([{ deviceId: 'bulk-1' }]),
    jobs: () => jobs.getJob('none'),
  };
  for (const [what, attempt] of Object.entries(attempts)) {
    await assert.rejects(attempt(), (err) => {
      assert.equal(err.name, 'ArgumentError', what);
      assert.match(err.responseBody, /not offered/, what);
      return true;
    });
  }
  await assert.rejects(registry.get('bulk-1'), { name: 'DeviceNotFoundError' });
  const method = await hub.request('POST', `/twins/crud-1/methods?${version}`, { body: { methodName: 'reboot' } });
  assert.equal(method.status, 400);
  assert.match(method.text, /not offered/);
});
