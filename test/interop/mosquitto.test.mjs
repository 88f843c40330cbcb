// Debian's mosquitto clients on the raw topics.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import readline from 'node:readline';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { Hub } from './support/hub.mjs';
import { credentials } from './support/mqttjs.mjs';
import { within } from './support/time.mjs';

const hub = Hub.of(import.meta.url);
const registry = hub.registry();
const run = promisify(execFile);

function args(identity) {
  const { clientId, username, password } = credentials(hub, identity);
  return ['-h', hub.host, '-p', String(hub.ports.mqtt), '--cafile', path.join(hub.data, 'ca.pem'), '-V', 'mqttv311', '-i', clientId, '-u', username, '-P', password];
}

test('mosquitto_pub sends telemetry with properties', async () => {
  const device = await hub.device('pub');
  await run('mosquitto_pub', [...args(device), '-q', '1', '-t', 'devices/pub/messages/events/%24.ct=application%2Fjson&level=3', '-m', '{"n":1}']);
  const [kept] = await hub.messages('telemetry', { device: 'pub' });
  assert.deepEqual(kept.body, { n: 1 });
  assert.ok(JSON.stringify(kept).includes('level'));
});

test('mosquitto_pub sends a security message as a module', async () => {
  await hub.device('secpub');
  const { responseBody: module } = await registry.getModule('secpub', 'azureiotsecurity');
  await run('mosquitto_pub', [...args(module), '-q', '1', '-m', '{"Events":[]}',
    '-t', 'devices/secpub/modules/azureiotsecurity/messages/events/%24.ifid=urn%3aazureiot%3aSecurity%3aSecurityAgent%3a1']);
  assert.equal((await hub.messages('security', { device: 'secpub' })).length, 1);
  assert.equal((await hub.messages('telemetry', { device: 'secpub' })).length, 0);
});

test('mosquitto_sub receives desired changes', async (t) => {
  const device = await hub.device('sub');
  // stdbuf: into a pipe mosquitto_sub would keep its lines to itself.
  const sub = spawn('stdbuf', ['-oL', 'mosquitto_sub', ...args(device), '-v', '-d', '-C', '1', '-t', '$iothub/twin/PATCH/properties/desired/#'], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => sub.kill());
  const lines = [];
  await within((async () => {
    for await (const line of readline.createInterface({ input: sub.stdout })) {
      lines.push(line);
      // -d tells of the SUBACK: from then on changes arrive.
      if (line.startsWith('Subscribed')) await registry.updateTwin('sub', { properties: { desired: { fps: 30 } } }, '*');
    }
  })(), 'the end of mosquitto_sub');
  assert.ok(lines.includes('$iothub/twin/PATCH/properties/desired/?$version=2 {"fps":30,"$version":2}'), lines.join('\n'));
});

test('mosquitto_pub with a wrong key is refused', async () => {
  const device = await hub.device('wrong');
  const forged = { ...device, authentication: { symmetricKey: { primaryKey: Buffer.alloc(32, 1).toString('base64') } } };
  await assert.rejects(run('mosquitto_pub', [...args(forged), '-q', '1', '-t', 'devices/wrong/messages/events/', '-m', 'x']),
    (err) => /not authori[sz]ed/i.test(err.stderr));
});
