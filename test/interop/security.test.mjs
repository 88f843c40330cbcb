// The security module twin: there with the device, apart from the application.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Message, deviceClient, desired, moduleClient, open, refused, report, send, twin } from './support/azure.mjs';
import { Hub } from './support/hub.mjs';
import { token } from './support/sas.mjs';

const hub = Hub.of(import.meta.url);
const registry = hub.registry();
const version = 'api-version=2018-06-30';
const module = 'azureiotsecurity';
const configuration = 'ms_iotn:urn_azureiot_Security_SecurityAgentConfiguration';
const securityInterface = 'urn:azureiot:Security:SecurityAgent:1';
const path = (device) => `/devices/${device}/modules/${module}?${version}`;
const twinPath = (device) => `/twins/${device}/modules/${module}?${version}`;
const key = () => randomBytes(32).toString('base64');

test('the twin is there as soon as the device is', async () => {
  const device = await hub.device('at-once');
  const { responseBody: identity } = await registry.getModule('at-once', module);
  assert.equal(identity.authentication.type, 'sas');
  const keys = [...Object.values(device.authentication.symmetricKey), ...Object.values(identity.authentication.symmetricKey)];
  assert.equal(new Set(keys).size, 4, 'the security module has keys of its own');
  const { responseBody: its } = await registry.getModuleTwin('at-once', module);
  assert.equal(its.moduleId, module);
  assert.deepEqual(its.properties.desired[configuration], {});
  const found = await registry.createQuery(`SELECT deviceId FROM devices.modules WHERE moduleId='${module}' AND deviceId='at-once'`).next();
  assert.deepEqual(found.result, [{ deviceId: 'at-once' }]);
});

test('an agent is configured through it, reports through it and sends security messages', async (t) => {
  await hub.device('agent-1');
  const { responseBody: identity } = await registry.getModule('agent-1', module);
  const client = await open(t, moduleClient(hub, hub.connectionString(identity)));
  const its = await twin(client);
  const changes = await desired(its);
  await registry.updateModuleTwin('agent-1', module, { properties: { desired: { [configuration]: { snapshotFrequency: { value: 'PT1H' } } } } }, '*');
  const delta = await changes.next('the configuration');
  assert.deepEqual(delta[configuration], { snapshotFrequency: { value: 'PT1H' } });
  await report(its, { [configuration]: { snapshotFrequency: { value: 'PT1H' } } });

  const message = new Message(JSON.stringify({ AgentVersion: '0.0.5', Events: [] }));
  message.setAsSecurityMessage();
  message.contentType = 'application/json';
  message.contentEncoding = 'utf-8';
  await send(client, message);
  const plain = new Message('{"not":"security"}');
  plain.properties.add('kind', 'ordinary');
  await send(client, plain);

  const security = await hub.messages('security', { device: 'agent-1' });
  assert.equal(security.length, 1);
  assert.deepEqual(security[0].body, { AgentVersion: '0.0.5', Events: [] });
  const telemetry = await hub.messages('telemetry', { device: 'agent-1' });
  assert.equal(telemetry.length, 1);
  assert.deepEqual(telemetry[0].body, { not: 'security' });
});

test('a device may send security messages, too: they are kept apart', async (t) => {
  const device = await hub.device('marks');
  const client = await open(t, deviceClient(hub, hub.connectionString(device)));
  const message = new Message('{"Events":[]}');
  message.setAsSecurityMessage();
  await send(client, message);
  assert.equal((await hub.messages('telemetry', { device: 'marks' })).length, 0);
  const [kept] = await hub.messages('security', { device: 'marks' });
  assert.ok(JSON.stringify(kept).includes(securityInterface));
});

test('keys do not open each other: device and security module', async () => {
  const device = await hub.device('apart');
  const { responseBody: identity } = await registry.getModule('apart', module);
  const deviceKey = device.authentication.symmetricKey.primaryKey;
  const moduleKey = identity.authentication.symmetricKey.primaryKey;
  assert.equal(await refused(moduleClient(hub, hub.connectionString(identity, deviceKey))), 'UnauthorizedError');
  assert.equal(await refused(deviceClient(hub, hub.connectionString(device, moduleKey))), 'UnauthorizedError');
});

test('a device reads its security module with its own key, as agents do at start', async () => {
  const device = await hub.device('boot');
  await hub.device('stranger');
  const own = token({ sr: hub.host, key: device.authentication.symmetricKey.primaryKey });
  const answer = await hub.request('GET', path('boot'), { authorization: own });
  assert.equal(answer.status, 200, answer.text);
  const { responseBody: identity } = await registry.getModule('boot', module);
  assert.equal(answer.body.authentication.symmetricKey.primaryKey, identity.authentication.symmetricKey.primaryKey);
  for (const other of [path('stranger'), `/devices/stranger?${version}`, twinPath('boot'), twinPath('stranger')]) {
    const answer = await hub.request('GET', other, { authorization: own });
    assert.equal(answer.status, 401, `${other}: ${answer.text}`);
  }
  for (const other of [path('stranger'), `/devices/boot?${version}`, `/devices/stranger?${version}`]) {
    const answer = await hub.request('DELETE', other, { authorization: own, headers: { 'if-match': '*' } });
    assert.equal(answer.status, 401, `${other}: ${answer.text}`);
  }
});

test('creating it while it is pristine succeeds and takes the given keys, once', async () => {
  await hub.device('pristine');
  const symmetricKey = { primaryKey: key(), secondaryKey: key() };
  const { responseBody: made } = await registry.addModule({ deviceId: 'pristine', moduleId: module, authentication: { symmetricKey } });
  assert.deepEqual(made.authentication.symmetricKey, symmetricKey);
  const again = await hub.request('PUT', path('pristine'), { body: { deviceId: 'pristine', moduleId: module } });
  assert.equal(again.status, 409);
  assert.equal(again.headers.get('iothub-errorcode'), 'ModuleAlreadyExistsOnDevice');
  const { responseBody: kept } = await registry.getModule('pristine', module);
  assert.deepEqual(kept.authentication.symmetricKey, symmetricKey);
});

test('a deleted one stays away until it is restored', async () => {
  await hub.device('opt-out');
  await registry.removeModule('opt-out', module);
  await registry.update({ deviceId: 'opt-out', statusReason: 'still opted out' });
  assert.equal((await hub.request('GET', path('opt-out'))).status, 404);
  const restored = await hub.request('POST', `/tvilling/devices/opt-out/modules/${module}/restore`, { body: {} });
  assert.equal(restored.status, 200, restored.text);
  assert.equal((await hub.request('GET', path('opt-out'))).status, 200);
});

test('an edge device brings its own by its deployment: the hub makes none', async () => {
  await hub.device('edge', { capabilities: { iotEdge: true } });
  assert.equal((await hub.request('GET', path('edge'))).status, 404);
});

// The batch script that the original service came with
// (Azure/Azure-IoT-Security, Add-SecurityModulesForAllDevicesInIotHub.ps1) ran
// over all devices of a hub. Its requests, in its order: with an empty
// continuation header on first pages, without If-Match, ids and numbers as text.
for (const section of [configuration, 'azureiot*com^securityAgentConfiguration^1*0*0']) {
  test(`the original batch script's requests work unchanged (${section})`, async () => {
    const devices = [1, 2, 3].map((n) => `batch-${section.length}-${n}`);
    for (const device of devices) await hub.device(device);
    const host = encodeURIComponent(hub.host);
    const authorization = token({ sr: host, key: hub.ownerParts.SharedAccessKey, policy: hub.ownerParts.SharedAccessKeyName });
    const rows = async (query) => {
      const found = [];
      let continuation = '';
      do {
        const answer = await hub.request('POST', `/devices/query?${version}`, {
          authorization, headers: { 'x-ms-continuation': continuation }, body: `{"query": "${query}" }`,
        });
        assert.equal(answer.status, 200, answer.text);
        found.push(...answer.body.map((row) => row.deviceId));
        continuation = answer.headers.get('x-ms-continuation') ?? '';
      } while (continuation !== '');
      return found;
    };
    const configured = `SELECT deviceId FROM devices.modules WHERE moduleId = '${module}' and IS_DEFINED(properties.desired.[[${section}]])`;
    const before = await rows(configured);
    const all = await rows('SELECT deviceId FROM devices');
    for (const device of devices) assert.ok(all.includes(device));

    for (const device of devices) {
      const put = await hub.request('PUT', path(device), { authorization, body: { deviceId: device, moduleId: module } });
      assert.equal(put.status, 200, put.text);
      const patch = await hub.request('PATCH', twinPath(device), {
        authorization,
        body: {
          deviceId: device, moduleId: module, tags: { securityGroup: 'default' },
          properties: { desired: { [section]: { highPriorityMessageFrequency: 'PT7M', maxMessageSizeInBytes: '204800', eventPriorityLogin: 'High' } } },
        },
      });
      assert.equal(patch.status, 200, patch.text);
      assert.equal(patch.body.tags.securityGroup, 'default');
      assert.equal(patch.body.properties.desired[section].eventPriorityLogin, 'High');
      // A second run meets what the first one made.
      const again = await hub.request('PUT', path(device), { authorization, body: { deviceId: device, moduleId: module } });
      assert.equal(again.status, 409, 'the script tolerates 409');
    }
    const after = await rows(configured);
    for (const device of devices) assert.ok(after.includes(device), device);
    assert.ok(after.length >= before.length);
  });
}

/** Changes settings of the hub for one test. */
async function settings(t, change) {
  const { body: before } = await hub.request('GET', '/tvilling/settings');
  t.after(() => hub.request('PUT', '/tvilling/settings', { body: before }));
  const answer = await hub.request('PUT', '/tvilling/settings', { body: change });
  assert.equal(answer.status, 200, answer.text);
}

test('guarded, the security module twin is out of reach of an application', async (t) => {
  await hub.device('guarded');
  const { body: policies } = await hub.request('GET', '/tvilling/policies');
  const as = (name) => hub.policyToken({ policy: name, key: policies.find((p) => p.name === name).primaryKey });
  const patch = (authorization, n) => hub.request('PATCH', twinPath('guarded'), { authorization, body: { properties: { desired: { n } } } });
  assert.equal((await patch(as('service'), 1)).status, 200, 'open at first, as existing applications expect');

  await settings(t, { guardSecurityTwin: true });
  assert.equal((await patch(as('service'), 2)).status, 401);
  const messages = await hub.request('GET', '/tvilling/messages?kind=security', { authorization: as('service') });
  assert.equal(messages.status, 401);
  assert.equal((await patch(as('security'), 3)).status, 200);
  assert.equal((await hub.request('GET', '/tvilling/messages?kind=security', { authorization: as('security') })).status, 200);
  const device = await hub.request('PATCH', `/twins/guarded?${version}`, { authorization: as('service'), body: { tags: { mine: true } } });
  assert.equal(device.status, 200, 'the device twin stays the application\'s');
  assert.equal((await registry.getModuleTwin('guarded', module)).responseBody.properties.desired.n, 3);
});

test('with module keys hidden, a device credential does not reach its modules', async (t) => {
  const device = await hub.device('hidden');
  const own = token({ sr: hub.host, key: device.authentication.symmetricKey.primaryKey });
  await settings(t, { hideModuleKeys: true });
  const attempts = [['GET', undefined], ['PUT', { deviceId: 'hidden', moduleId: module }], ['DELETE', undefined]];
  for (const [method, body] of attempts) {
    const answer = await hub.request(method, path('hidden'), { authorization: own, body, headers: method === 'DELETE' ? { 'if-match': '*' } : {} });
    assert.equal(answer.status, 401, `${method}: ${answer.text}`);
    assert.match(answer.body.Message, /hideModuleKeys/, 'the refusal says which setting it is');
  }
});

test('what a new security module twin begins with is a setting; switching it on adopts devices', async (t) => {
  await settings(t, { securityModule: { enabled: false } });
  await hub.device('before');
  assert.equal((await hub.request('GET', path('before'))).status, 404);
  await hub.request('PUT', '/tvilling/settings', { body: { securityModule: { enabled: true, desired: { [configuration]: { snapshotFrequency: { value: 'PT3H' } } }, tags: { securityGroup: 'lab' } } } });
  await hub.device('later');
  const { responseBody: later } = await registry.getModuleTwin('later', module);
  assert.equal(later.tags.securityGroup, 'lab');
  assert.equal(later.properties.desired[configuration].snapshotFrequency.value, 'PT3H');
  // Adoption runs in the background and tells when it is through.
  let progress;
  for (let looks = 0; looks < 500; looks++) {
    progress = (await hub.request('GET', '/tvilling/securitymodule')).body;
    if (!progress.running && progress.adopted > 0) break;
  }
  assert.equal(progress.failed, 0, JSON.stringify(progress));
  const { responseBody: adopted } = await registry.getModuleTwin('before', module);
  assert.equal(adopted.tags.securityGroup, 'lab');
});
