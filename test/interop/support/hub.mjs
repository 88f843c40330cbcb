// The hub of a test file: where it is, its owner's key, its REST interface.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import iothub from 'azure-iothub';
import { start, stop } from './process.mjs';
import { parse, token } from './sas.mjs';

export class Hub {
  /** The hub that run.mjs started for the test file at url. */
  static of(url) {
    const table = process.env.TVILLING_INTEROP_HUBS;
    if (!table) throw new Error('run the tests with `node run.mjs`: it starts the hubs');
    const name = path.basename(new URL(url).pathname);
    const hub = JSON.parse(readFileSync(table, 'utf8')).hubs.find((h) => h.name === name);
    if (!hub) throw new Error(`run.mjs started no hub for ${name}`);
    return new Hub(hub);
  }

  constructor(hub) {
    Object.assign(this, hub);
    this.ca = readFileSync(path.join(hub.data, 'ca.pem'), 'utf8');
    this.owner = readFileSync(path.join(hub.data, 'owner.connection-string'), 'utf8').trim();
    this.ownerParts = parse(this.owner);
  }

  /** The service client, as an application uses it. */
  registry() {
    return iothub.Registry.fromConnectionString(this.owner);
  }

  /** A token of a shared access policy, the owner's by default. */
  policyToken({ policy = this.ownerParts.SharedAccessKeyName, key = this.ownerParts.SharedAccessKey } = {}) {
    return token({ sr: this.host, key, policy });
  }

  /**
   * One raw request. The answer has status, headers and body (parsed, where it
   * is JSON).
   */
  async request(method, target, { body, headers = {}, authorization = this.policyToken() } = {}) {
    const answer = await fetch(`https://${this.host}:${this.ports.https}${target}`, {
      method,
      headers: { ...(authorization ? { authorization } : {}), ...(body === undefined ? {} : { 'content-type': 'application/json; charset=utf-8' }), ...headers },
      body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
      signal: AbortSignal.timeout(15_000),
    });
    const text = await answer.text();
    const json = (answer.headers.get('content-type') ?? '').includes('application/json');
    return { status: answer.status, headers: answer.headers, text, body: json && text ? JSON.parse(text) : text };
  }

  /** The messages that the hub keeps of a kind, oldest first. */
  async messages(kind, { device, module, after = 0 } = {}) {
    const query = new URLSearchParams({ kind, after: String(after) });
    if (device) query.set('device', device);
    if (module) query.set('module', module);
    const answer = await this.request('GET', `/tvilling/messages?${query}`);
    if (answer.status !== 200) throw new Error(`GET messages: ${answer.status} ${answer.text}`);
    return answer.text.split('\n').filter(Boolean).map((line) => JSON.parse(line));
  }

  /** Registers a device with the service client and returns it. */
  async device(deviceId, more = {}) {
    const { responseBody } = await this.registry().create({ deviceId, ...more });
    return responseBody;
  }

  /** The connection string of a device or module by a symmetric key. */
  connectionString(identity, key = identity.authentication.symmetricKey.primaryKey) {
    const module = identity.moduleId ? `;ModuleId=${identity.moduleId}` : '';
    return `HostName=${this.host};DeviceId=${identity.deviceId}${module};SharedAccessKey=${key}`;
  }

  /** Ends the hub at once, as a power cut would, and starts it again on the same data. */
  async crashAndRestart() {
    const { pid } = this;
    process.kill(pid, 'SIGKILL');
    await gone(pid);
    const again = await start(this);
    this.child = again.child;
    this.pid = again.child.pid;
    this.ready = again.ready;
  }

  /** Stops a hub that crashAndRestart started; run.mjs stops its own. */
  async stopAgain() {
    if (!this.child) return;
    const problem = await stop(this);
    if (problem) throw new Error(`the hub ${problem}`);
  }
}

/**
 * Resolves when no process has the id. The process is a child of run.mjs, so
 * its end is no event here: look for it, a bounded number of times.
 */
async function gone(pid) {
  for (let tries = 0; tries < 400; tries++) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await pause(10);
  }
  throw new Error(`process ${pid} is still there after SIGKILL`);
}
