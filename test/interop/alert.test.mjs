// What unmodified clients get of the hub's eyes on security: a module client
// sends what an agent sends; a service client reads how the device stands.
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Message, desired, deviceClient, moduleClient, open, refused, report, send, twin } from './support/azure.mjs';
import { Hub } from './support/hub.mjs';

const hub = Hub.of(import.meta.url);
const registry = hub.registry();
const module = 'azureiotsecurity';
const configuration = 'ms_iotn:urn_azureiot_Security_SecurityAgentConfiguration';

/** A security message with one event. */
function securityMessage(name, payload) {
  const now = new Date().toISOString();
  const message = new Message(JSON.stringify({
    AgentVersion: '0.0.5', AgentId: randomUUID(), MessageSchemaVersion: '1.0',
    Events: [{
      Id: randomUUID(), TimestampLocal: now, TimestampUTC: now, Category: 'Triggered', Name: name, EventType: 'Security', IsEmpty: false,
      PayloadSchemaVersion: '1.0', Payload: payload,
    }],
  }));
  message.setAsSecurityMessage();
  message.contentType = 'application/json';
  message.contentEncoding = 'utf-8';
  return message;
}

const command = (CommandLine) => securityMessage('ProcessCreate', [{ Executable: '/bin/sh', CommandLine, ProcessId: 4711, ParentProcessId: 1, UserId: '0' }]);

/** Resolves to what look gives, once it gives something. */
async function eventually(what, look) {
  for (let tries = 0; tries < 150; tries++) {
    const found = await look();
    if (found) return found;
    await pause(100);
  }
  throw new Error(`${what}: not within 15 s`);
}

const alerts = async (device) => {
  const answer = await hub.request('GET', `/tvilling/security/alerts?device=${device}`);
  assert.equal(answer.status, 200, answer.text);
  return answer.body.alerts;
};
const alert = (device, type) => eventually(type, async () => (await alerts(device)).find((a) => a.type === type));

/** The security module of a device, with a client that is connected as it. */
async function agent(t, device) {
  await hub.device(device);
  const { responseBody: identity } = await registry.getModule(device, module);
  return open(t, moduleClient(hub, hub.connectionString(identity)));
}

test('a security message of a module client becomes an alert, and the state of the device in the twin', async (t) => {
  const client = await agent(t, 'mined');
  const its = await twin(client);
  const changes = await desired(its);
  await report(its, { [configuration]: {} });
  const before = (await registry.getModuleTwin('mined', module)).responseBody;

  await send(client, command('sh -c "echo cpuminer-multi"'));
  const found = await alert('mined', 'IoT_CryptoMiner');
  assert.equal(found.status, 'new');
  assert.match(found.evidence[0].item.CommandLine, /cpuminer-multi/);

  const after = await eventually('the state in the twin', async () => {
    const { responseBody: now } = await registry.getModuleTwin('mined', module);
    return now.security?.alerts.medium === 1 && now;
  });
  assert.equal(after.security.agent.version, '0.0.5');
  assert.ok(after.security.score < 100);
  const rows = await registry.createQuery("SELECT deviceId FROM devices.modules WHERE security.state = 'atRisk' AND deviceId = 'mined'").next();
  assert.deepEqual(rows.result, [{ deviceId: 'mined' }]);

  // The hub's word is none of the application's: no version, etag or notification.
  assert.equal(after.etag, before.etag);
  assert.equal(after.version, before.version);
  assert.deepEqual(changes.drain(), []);
  const again = await twin(client);
  assert.equal(again.properties.desired.$version, before.properties.desired.$version);
});

test('a message that an agent sends twice counts once; a new one of the same cause folds', async (t) => {
  const client = await agent(t, 'twice');
  const message = command('sh -c "echo cpuminer-multi"');
  await send(client, message);
  await send(client, message);
  await send(client, command('sh -c "echo xmrig"'));
  // Messages are looked at in their order: with the third, the second was.
  const folded = await eventually('the third message', async () => (await alerts('twice')).find((a) => JSON.stringify(a.evidence).includes('echo xmrig')));
  assert.equal(folded.count, 2);
  assert.equal((await alerts('twice')).length, 1);
});

test('a device client is refused for a wrong key: an alert of that device', async () => {
  const device = await hub.device('tried');
  const wrong = randomBytes(32).toString('base64');
  assert.equal(await refused(deviceClient(hub, hub.connectionString(device, wrong))), 'UnauthorizedError');
  const found = await alert('tried', 'IoT_Invalid_SAS_Token');
  assert.equal(found.evidence[0].name, 'HubAuthentication');
});

test('what the agent reports is compared with what is desired of it', async (t) => {
  const client = await agent(t, 'compared');
  const its = await twin(client);
  await registry.updateModuleTwin('compared', module, { properties: { desired: { [configuration]: { snapshotFrequency: { value: 'PT2H' } } } } }, '*');
  await report(its, { [configuration]: { snapshotFrequency: { value: 'PT13H' } } });
  const answer = await eventually('the difference', async () => {
    const { body } = await hub.request('GET', '/tvilling/security/devices/compared');
    return body.configuration.sync === 'differs' && body;
  });
  const difference = answer.configuration.differences.find((d) => d.property === 'snapshotFrequency');
  assert.equal(difference.effective, 'PT2H');
  assert.ok(difference.why.length > 20);
});

test('a message that cannot be read is acknowledged and becomes a dead letter', async (t) => {
  const client = await agent(t, 'garbled');
  const message = new Message('{"AgentVersion":"0.0.5","Events":"none"}');
  message.setAsSecurityMessage();
  await send(client, message);
  const letter = await eventually('the dead letter', async () => (await hub.request('GET', '/tvilling/security/deadletters?device=garbled')).body.deadLetters[0]);
  assert.equal(letter.path, 'Events');
  assert.match(letter.reason, /array/);
});
