// The program that docs/how-to/connect-a-device.md shows, run as it stands there.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { Hub } from './support/hub.mjs';

const hub = Hub.of(import.meta.url);

test('the Node.js program of the how-to connects, reports and sends', async (t) => {
  const text = await readFile(new URL('../../docs/how-to/connect-a-device.md', import.meta.url), 'utf8');
  const program = /```js\n(\/\/ pump\.mjs\n[^]*?)```/.exec(text)?.[1];
  assert.ok(program, 'the how-to has no block that begins with // pump.mjs');
  // Beside the packages that it imports.
  const file = new URL('./.pump.tmp.mjs', import.meta.url);
  await writeFile(file, program);
  t.after(() => rm(file));
  const device = await hub.device('pump-1');
  await hub.registry().updateTwin('pump-1', { properties: { desired: { interval: 30 } } }, '*');
  const { stdout } = await promisify(execFile)(process.execPath, [file.pathname], {
    env: { ...process.env, CONNECTION_STRING: hub.connectionString(device, device.authentication.symmetricKey.primaryKey) }, timeout: 30_000,
  });
  assert.match(stdout, /desired \{"interval":30,/);
  assert.match(stdout, /sent/);
  const { responseBody: twin } = await hub.registry().getTwin('pump-1');
  assert.equal(twin.properties.reported.firmware, '1.4.0');
});
