// Starting and stopping a hub as a process.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, closeSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import net from 'node:net';
import readline from 'node:readline';
import { within } from './time.mjs';

/** Tells whether this process may listen on host:port. */
export async function canBind(host, port) {
  const server = net.createServer();
  try {
    const listening = once(server, 'listening'); // rejects on 'error'
    server.listen(port, host);
    await listening;
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}

/**
 * Starts `tvilling serve` and resolves when it has printed its ready line, with
 * what is needed to reach it, stop it and start it again.
 */
export async function start({ name, binary, host, data, mqtt, https }) {
  await mkdir(data, { recursive: true, mode: 0o700 });
  const log = `${data}.log`;
  const fd = openSync(log, 'a', 0o600);
  const child = spawn(binary,
    ['serve', '--data', data, '--host', host, '--mqtt', mqtt, '--https', https, '--admin', `${host}:0`],
    { stdio: ['ignore', 'pipe', fd] });
  closeSync(fd);
  const exited = once(child, 'exit');
  const ready = await within(Promise.race([
    readyLine(child.stdout),
    exited.then(async ([code]) => {
      throw new Error(`the hub of ${name} exited with ${code} before it was ready:\n${await readFile(log, 'utf8')}`);
    }),
    once(child, 'error').then(([error]) => { throw error; }),
  ]), `the ready line of the hub of ${name}`, 30_000);
  const port = (url) => Number(new URL(url.replace(/^mqtts:/, 'https:')).port || 443);
  return {
    name, binary, host, data, log, child, ready,
    // Bind to the same ports at a restart.
    mqtt: `${host}:${port(ready.mqtt)}`, https: `${host}:${port(ready.https)}`,
    ports: { mqtt: port(ready.mqtt), https: port(ready.https) },
  };
}

/** Reads "ready mqtt=… https=… admin=…" from a hub's standard output. */
async function readyLine(stdout) {
  const lines = readline.createInterface({ input: stdout });
  for await (const line of lines) {
    const [first, ...rest] = line.split(' ');
    if (first !== 'ready') throw new Error(`the hub printed ${JSON.stringify(line)}, not its ready line`);
    stdout.resume();
    return Object.fromEntries(rest.map((pair) => {
      const at = pair.indexOf('=');
      return [pair.slice(0, at), pair.slice(at + 1)];
    }));
  }
  throw new Error('the hub closed its standard output without a ready line');
}

/**
 * Stops a hub as an operator does and resolves to what was wrong with that:
 * undefined when it left with status 0.
 */
export async function stop({ child }) {
  if (child.exitCode !== null) return `had exited with status ${child.exitCode}`;
  if (child.signalCode !== null) return undefined; // a test killed it on purpose
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  try {
    const [code, signal] = await within(exited, 'the end of the hub', 30_000);
    return code === 0 ? undefined : `left with status ${code ?? signal} on SIGTERM`;
  } catch {
    child.kill('SIGKILL');
    return 'did not stop on SIGTERM';
  }
}
