// The original C agent (version 0.0.5, C SDK 1.3.4 of 2019), replayed byte by
// byte as it was seen on the wire: both of its identities, its start, a change
// of its configuration, its security message of several kilobytes.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { Hub } from './support/hub.mjs';
import { dial, http, incoming, packet, published, text, uint16 } from './support/raw.mjs';

const hub = Hub.of(import.meta.url);
const registry = hub.registry();
const configuration = 'ms_iotn:urn_azureiot_Security_SecurityAgentConfiguration';

/** A token as the C SDK writes it: sr unencoded, lower-case hex in the signature. */
function cToken(sr, key, tail = '') {
  const se = Math.floor(Date.now() / 1000) + 3600;
  const signature = createHmac('sha256', Buffer.from(key, 'base64')).update(`${sr}\n${se}`).digest('base64');
  const encoded = encodeURIComponent(signature).replace(/%[0-9A-F]{2}/g, (hex) => hex.toLowerCase());
  return `SharedAccessSignature sr=${sr}&sig=${encoded}&se=${se}${tail}`;
}

const wrapped = (values) => Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value }]));

/** The settings that the agent reports: all of them, lower-case, defaults included. */
const effective = wrapped({
  hubResourceId: '', highPriorityMessageFrequency: 'PT7M', lowPriorityMessageFrequency: 'PT5H', snapshotFrequency: 'PT13H',
  maxLocalCacheSizeInBytes: 10485760, maxMessageSizeInBytes: 204800, eventPriorityProcessCreate: 'low',
  eventPriorityProcessTerminate: 'low', eventPrioritySystemInformation: 'low', eventPriorityLocalUsers: 'high',
  eventPriorityLogin: 'high', eventPriorityConnectionCreate: 'low', eventPriorityFirewallConfiguration: 'low',
  eventPriorityOSBaseline: 'low', eventPriorityListeningPorts: 'high', eventPriorityDiagnostic: 'low',
  eventPriorityOperational: 'low', baselineCustomChecksEnabled: false, aggregationEnabledProcessCreate: true,
  aggregationIntervalProcessCreate: 'PT1H',
});

/** A security message of the shape and size that the agent sends first. */
function securityMessage(device) {
  const event = (Name, EventType, Payload) => ({
    Category: EventType === 'Operational' ? 'Periodic' : 'Triggered', IsOperational: EventType === 'Operational', Name, EventType,
    PayloadSchemaVersion: '1.0', Id: '8a3e1cf5-0d5f-4b5c-9c3e-2f8f1d1a7b10', TimestampLocal: '2026-09-01T10:00:00UTC', TimestampUTC: '2026-09-01T10:00:00GMT', Payload,
  });
  const ports = Array.from({ length: 30 }, (_, i) => ({ Protocol: 'tcp', LocalAddress: '0.0.0.0', LocalPort: String(1000 + i), RemoteAddress: '0.0.0.0', RemotePort: '*' }));
  return JSON.stringify({
    AgentVersion: '0.0.5', AgentId: '2c1d7cb8-6b5e-4d83-9d73-1c2b36e9f2f3', MessageSchemaVersion: '1.0',
    Events: [
      event('DroppedEventsStatistics', 'Operational', []), event('MessageStatistics', 'Operational', []), event('ConfigurationError', 'Operational', []),
      event('LocalUsers', 'Security', [{ UserName: 'root', UserId: '0', GroupNames: 'root', GroupIds: '0' }]),
      event('ListeningPorts', 'Security', ports),
      event('Login', 'Security', [{ UserName: device, UserId: '1000', Executable: '/usr/sbin/sshd', ProcessId: 4711, Result: 'Success', RemoteAddress: '127.0.0.1' }]),
      ...Array.from({ length: 4 }, (_, i) => event('Diagnostic', 'Diagnostic', [{ Message: `started ${'x'.repeat(400)}`, Severity: 'Information', ProcessId: i }])),
    ],
  });
}

/** Plays the agent's MQTT part, from CONNECT to its report after a new configuration. */
async function play(t, device, moduleKey) {
  const socket = await dial(hub, 8883);
  t.after(() => socket.destroy());
  const inbox = incoming(socket);
  const sr = `${hub.host}/devices/${device}/modules/azureiotsecurity`;

  socket.write(packet(0x10, text('MQTT'), 4, 0xc0 /* user, password, CleanSession 0 */, uint16(240),
    text(`${device}/azureiotsecurity`),
    text(`${hub.host}/${device}/azureiotsecurity/?api-version=2017-11-08-preview&DeviceClientType=iothubclient%2f1.3.4%20(native%3b%20Linux%3b%20x86_64)`),
    text(cToken(sr, moduleKey))));
  const connack = await inbox.next('CONNACK');
  assert.deepEqual([connack.first, ...connack.body], [0x20, 0, 0], 'accepted, no session present');

  socket.write(packet(0x82, uint16(2), text('$iothub/twin/res/#'), 0));
  const suback = await inbox.next('SUBACK');
  assert.deepEqual([suback.first, ...suback.body], [0x90, 0, 2, 0]);

  // The twin is asked for and the subscription to changes follows at once, in one write.
  socket.write(Buffer.concat([
    packet(0x30, text('$iothub/twin/GET/?$rid=3')),
    packet(0x82, uint16(4), text('$iothub/twin/PATCH/properties/desired/#'), 0),
  ]));
  const [one, two] = [await inbox.next('the twin or SUBACK'), await inbox.next('the twin or SUBACK')];
  const answer = published(one.first >> 4 === 3 ? one : two);
  const second = one.first >> 4 === 3 ? two : one;
  assert.deepEqual([second.first, ...second.body], [0x90, 0, 4, 0]);
  assert.equal(answer.topic, '$iothub/twin/res/200/?$rid=3');
  const document = JSON.parse(answer.payload);
  assert.deepEqual(Object.keys(document).sort(), ['desired', 'reported']);
  assert.deepEqual(document.desired[configuration], {});
  assert.equal('$metadata' in document.desired, false);

  const report = async (rid, want) => {
    socket.write(packet(0x30, text(`$iothub/twin/PATCH/properties/reported/?$rid=${rid}`), Buffer.from(JSON.stringify({ [configuration]: effective }))));
    const accepted = published(await inbox.next('the answer to the report'));
    assert.equal(accepted.topic, `$iothub/twin/res/204/?$rid=${rid}&$version=${want}`);
    assert.equal(accepted.payload, '');
  };
  await report(5, 2);

  const message = securityMessage(device);
  socket.write(packet(0x32,
    text(`devices/${device}/modules/azureiotsecurity/messages/events/%24.ce=application%2fjson&%24.ifid=urn%3aazureiot%3aSecurity%3aSecurityAgent%3a1`),
    uint16(6), Buffer.from(message)));
  const puback = await inbox.next('PUBACK');
  assert.deepEqual([puback.first, ...puback.body], [0x40, 0, 6]);
  const [kept] = await hub.messages('security', { device });
  assert.deepEqual(kept.body, JSON.parse(message));
  assert.equal((await hub.messages('telemetry', { device })).length, 0);

  // The operator changes the configuration; the agent takes it and reports.
  const { responseBody: before } = await registry.getModuleTwin(device, 'azureiotsecurity');
  await registry.updateModuleTwin(device, 'azureiotsecurity', { properties: { desired: { [configuration]: wrapped({ snapshotFrequency: 'PT2H' }) } } }, '*');
  const change = published(await inbox.next('the desired patch'));
  const version = before.properties.desired.$version + 1;
  assert.equal(change.topic, `$iothub/twin/PATCH/properties/desired/?$version=${version}`);
  assert.deepEqual(JSON.parse(change.payload), { [configuration]: wrapped({ snapshotFrequency: 'PT2H' }), $version: version });
  await report(7, 3);

  socket.write(packet(0xc0)); // PINGREQ
  const pong = await inbox.next('PINGRESP');
  assert.deepEqual([pong.first, pong.body.length], [0xd0, 0]);
  socket.end(packet(0xe0));

  const { responseBody: after } = await registry.getModuleTwin(device, 'azureiotsecurity');
  assert.deepEqual(after.properties.reported[configuration], effective);
}

test('identity SecurityModule: the agent has the module key', async (t) => {
  await hub.device('c-agent-1');
  const { responseBody: module } = await registry.getModule('c-agent-1', 'azureiotsecurity');
  await play(t, 'c-agent-1', module.authentication.symmetricKey.primaryKey);
});

for (const [name, tail] of [['without skn', ''], ['with an empty skn', '&skn=']]) {
  test(`identity Device: the agent fetches the module key with the device key (${name})`, async (t) => {
    const deviceId = `c-agent-device-${tail ? 'skn' : 'plain'}`;
    const device = await hub.device(deviceId);
    const answer = await http(hub, [
      `GET /devices/${deviceId}/modules/azureiotsecurity?api-version=2018-06-30 HTTP/1.1`,
      `Host: ${hub.host}`,
      'Accept: */*',
      `authorization: ${cToken(hub.host, device.authentication.symmetricKey.primaryKey, tail)}`,
    ]);
    assert.equal(answer.status, 200);
    assert.equal(answer.body.moduleId, 'azureiotsecurity');
    await play(t, deviceId, answer.body.authentication.symmetricKey.primaryKey);
  });
}

test('identity Device: a wrong key and a missing module have answers of their own', async () => {
  const device = await hub.device('c-agent-errors');
  const get = (path, key) => http(hub, [
    `GET ${path}?api-version=2018-06-30 HTTP/1.1`, `Host: ${hub.host}`, 'Accept: */*', `authorization: ${cToken(hub.host, key)}`,
  ]);
  const wrong = await get('/devices/c-agent-errors/modules/azureiotsecurity', Buffer.alloc(32, 7).toString('base64'));
  assert.equal(wrong.status, 401);
  await registry.removeModule('c-agent-errors', 'azureiotsecurity');
  const missing = await get('/devices/c-agent-errors/modules/azureiotsecurity', device.authentication.symmetricKey.primaryKey);
  assert.equal(missing.status, 404);
});
