// Runs the interop tests: starts one real hub for each test file, waits for
// its ready line, trusts its certificate authority, then hands over to
// `node --test`. The clients in the tests are the published packages.
//
//   node run.mjs              all files
//   node run.mjs twin agent   those whose names begin so
//
// TVILLING names the binary (../../bin/tvilling by default), REDIRECT=1 has the
// hubs take free ports as if 443 and 8883 could not be bound, HUB_LOGS=1 prints
// the logs of all hubs at the end, as a failure does.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { canBind, start, stop } from './support/process.mjs';

const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const binary = path.resolve(process.env.TVILLING ?? path.join(here, '../../bin/tvilling'));
const wanted = process.argv.slice(2);

const files = (await readdir(here))
  .filter((name) => name.endsWith('.test.mjs'))
  .filter((name) => wanted.length === 0 || wanted.some((prefix) => name.startsWith(prefix)))
  .sort();
if (files.length === 0) {
  console.error(`interop: no test file matches ${wanted.join(', ')}`);
  process.exit(1);
}

const root = await mkdtemp(path.join(tmpdir(), 'tvilling-interop-'));
const hubs = [];
let status = 1;
try {
  status = await run();
} finally {
  const unclean = await Promise.all(hubs.map(stop));
  for (const [i, problem] of unclean.entries()) {
    if (problem) {
      console.error(`interop: the hub of ${hubs[i].name} ${problem}`);
      status = 1;
    }
  }
  if (status !== 0 || process.env.HUB_LOGS) await printLogs();
  await rm(root, { recursive: true, force: true });
}
process.exit(status);

async function run() {
  // Every hub has an address of its own on loopback, so that all of them have
  // the ports that clients have fixed: 8883 and 443. Where these cannot be
  // bound (a user who is not root, another server on all addresses) the hubs
  // take free ports and the clients' connects are redirected to them.
  const direct = !process.env.REDIRECT && await canBind('127.0.77.1', 443) && await canBind('127.0.77.1', 8883);
  for (const [i, name] of files.entries()) {
    const host = `127.0.77.${i + 1}`;
    hubs.push(await start({
      name, binary, host,
      data: path.join(root, path.basename(name, '.test.mjs')),
      mqtt: `${host}:${direct ? 8883 : 0}`,
      https: `${host}:${direct ? 443 : 0}`,
    }));
  }
  const bundle = path.join(root, 'ca.pem');
  const authorities = await Promise.all(hubs.map((h) => readFile(path.join(h.data, 'ca.pem'), 'utf8')));
  await writeFile(bundle, authorities.join('\n'));
  const table = path.join(root, 'hubs.json');
  await writeFile(table, JSON.stringify({ direct, hubs: hubs.map(({ child, ...rest }) => ({ ...rest, pid: child.pid })) }));

  const env = { ...process.env, NODE_EXTRA_CA_CERTS: bundle, TVILLING_INTEROP_HUBS: table };
  if (!direct) {
    console.log('interop: ports 443 and 8883 cannot be bound here; connects are redirected');
    env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --require=${path.join(here, 'support/redirect.cjs')}`;
  }
  const tests = spawn(process.execPath,
    ['--test', '--test-reporter=spec', ...files.map((f) => path.join(here, f))],
    { env, stdio: ['ignore', 'inherit', 'inherit'], cwd: here });
  const [code] = await once(tests, 'exit');
  return code ?? 1;
}

async function printLogs() {
  for (const hub of hubs) {
    const text = await readFile(hub.log, 'utf8').catch(() => '');
    console.error(`\n--- log of the hub of ${hub.name} (last 60 lines)\n${text.trimEnd().split('\n').slice(-60).join('\n')}`);
  }
}
