// Automatic configurations with the service client, and with devices and
// modules that get what they say.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { desired, deviceClient, moduleClient, open, report, twin } from './support/azure.mjs';
import { Hub } from './support/hub.mjs';

const hub = Hub.of(import.meta.url);
const registry = hub.registry();
const version = 'api-version=2021-04-12';
const agent = 'ms_iotn:urn_azureiot_Security_SecurityAgentConfiguration';

/** Makes a configuration that the test takes away again, and returns what the hub answers. */
async function add(t, configuration) {
  const { responseBody } = await registry.addConfiguration(configuration);
  t.after(() => registry.removeConfiguration(configuration.id).catch(() => {})); // the test may have done so
  return responseBody;
}

async function get(id) {
  return (await registry.getConfiguration(id)).responseBody;
}

/**
 * Resolves to what read gives, once ok is true of it. How far a configuration
 * is makes no event of its own, so it is asked for again and again.
 */
async function until(read, ok, what) {
  for (let tries = 0; tries < 750; tries++) {
    const found = await read();
    if (ok(found)) return found;
    await pause(20);
  }
  throw new Error(`${what}: not so after ${750 * 20} ms`);
}

const readTwin = (device) => async () => (await registry.getTwin(device)).responseBody;
const readModule = (device, module) => async () => (await registry.getModuleTwin(device, module)).responseBody;

/** The values of a desired section, without what the hub adds. */
function values({ $metadata, $version, ...rest }) {
  return rest;
}

const chiller = {
  id: 'chiller',
  content: { deviceContent: { 'properties.desired.chillerWaterSettings': { temperature: 38, pressure: 78 } } },
  metrics: { queries: { waterSettingsPending: "SELECT deviceId FROM devices WHERE properties.reported.chillerWaterSettings.status='pending'" } },
  targetCondition: "properties.reported.chillerProperties.model='4000x'",
  priority: 20,
};

test('a configuration is made, read, changed by its etag, listed and removed', async (t) => {
  const made = await add(t, structuredClone(chiller));
  assert.equal(made.etag, 'MQ==');
  const found = await get('chiller');
  assert.equal(found.id, 'chiller');
  assert.deepEqual(found.content, chiller.content);
  assert.equal(found.schemaVersion, '1.0');
  assert.equal(found.targetCondition, chiller.targetCondition);
  assert.equal(found.priority, 20);
  assert.deepEqual(found.labels, {});
  assert.deepEqual(found.metrics.queries, chiller.metrics.queries);
  assert.deepEqual(Object.keys(found.systemMetrics.queries).sort(), ['appliedCount', 'targetedCount']);
  assert.equal(found.systemMetrics.queries.appliedCount, "select deviceId from devices where configurations.[[chiller]].status = 'Applied'");
  assert.ok(found.createdTimeUtc.endsWith('Z') && found.lastUpdatedTimeUtc.endsWith('Z'));

  await assert.rejects(registry.addConfiguration(structuredClone(chiller)), (err) => {
    assert.match(err.responseBody, /^{"Message":"ErrorCode:ConfigurationAlreadyExists;/);
    assert.equal(err.response.statusCode, 409);
    assert.equal(err.response.headers['iothub-errorcode'], 'ConfigurationAlreadyExists');
    return true;
  });

  found.labels = { room: 'cellar' };
  found.priority = 21;
  const { responseBody: changed } = await registry.updateConfiguration(found);
  assert.equal(changed.etag, 'Mg==');
  assert.deepEqual(changed.labels, { room: 'cellar' });
  await assert.rejects(registry.updateConfiguration({ ...found, etag: 'MQ==' }), { name: 'InvalidEtagError' });
  const { responseBody: forced } = await registry.updateConfiguration({ ...found, etag: 'MQ==' }, true);
  assert.equal(forced.etag, 'Mw==');

  await add(t, { id: 'chiller-2', content: { moduleContent: { 'properties.desired.a.b': [1, { c: 'å' }] } } });
  const { responseBody: list } = await registry.getConfigurations();
  assert.deepEqual(list.map((c) => c.id), ['chiller', 'chiller-2']);
  assert.deepEqual(list[1].content, { moduleContent: { 'properties.desired.a.b': [1, { c: 'å' }] } });

  await registry.removeConfiguration('chiller');
  await assert.rejects(get('chiller'), (err) => {
    assert.equal(err.response.statusCode, 404);
    assert.match(err.responseBody, /ErrorCode:ConfigurationNotFound;/);
    return true;
  });
  await assert.rejects(registry.removeConfiguration('chiller'), (err) => err.response.statusCode === 404);
});

test('what is wrong with a configuration is said by name and number', async (t) => {
  const good = await add(t, { id: 'good', content: { deviceContent: { 'properties.desired.a': 1 } } });
  for (const [name, configuration, etag] of [
    ['InvalidConfigurationContent', { id: 'bad', content: { deviceContent: { 'tags.a': 1 } } }],
    ['InvalidConfigurationContent', { id: 'bad', content: { deviceContent: { 'properties.desired.a': 1 }, moduleContent: { 'properties.desired.a': 1 } } }],
    ['InvalidConfigurationTargetCondition', { id: 'bad', content: good.content, targetCondition: 'tags.a = ' }],
    ['InvalidConfigurationTargetCondition', { id: 'bad', content: { moduleContent: { 'properties.desired.a': 1 } }, targetCondition: '*' }],
    ['InvalidConfigurationCustomMetricsQuery', { id: 'bad', content: good.content, metrics: { queries: { m: 'SELECT' } } }],
    ['CannotModifyImmutableConfigurationContent', { ...good, content: { deviceContent: { 'properties.desired.a': 2 } } }, good.etag],
    ['ConfigurationNotFound', { id: 'none', content: good.content }, '*'],
    ['ArgumentInvalid', { id: 'Upper Case', content: good.content }],
    ['InvalidOperation', { id: 'bad', content: { modulesContent: { $edgeAgent: {} } } }],
  ]) {
    const answer = await hub.request('PUT', `/configurations/${encodeURIComponent(configuration.id)}?${version}`, {
      body: configuration, headers: etag ? { 'if-match': `"${etag}"` } : {},
    });
    assert.equal(answer.headers.get('iothub-errorcode'), name, answer.text);
    assert.ok(answer.body.Message.startsWith(`ErrorCode:${name};`), answer.text);
    assert.equal(answer.status, name === 'ConfigurationNotFound' ? 404 : 400);
  }
  const { responseBody: list } = await registry.getConfigurations();
  assert.deepEqual(list.map((c) => c.id), ['good'], 'nothing that is refused changes anything');

  const tested = await hub.request('POST', `/configurations/testQueries?${version}`, {
    body: { targetCondition: 'tags.a = ', customMetricQueries: { good: 'SELECT deviceId FROM devices', bad: 'SELECT' } },
  });
  assert.equal(tested.status, 200);
  assert.ok(tested.body.targetConditionError);
  assert.deepEqual(Object.keys(tested.body.customMetricQueryErrors), ['bad']);
  const fine = await hub.request('POST', `/configurations/testQueries?${version}`, { body: { targetCondition: "from devices.modules where moduleId = 'app'", customMetricQueries: {} } });
  assert.deepEqual(fine.body, { targetConditionError: null, customMetricQueryErrors: {} });
});

test('a device that comes to match gets the patch, and its twin says from whom', async (t) => {
  const device = await hub.device('comes');
  const mine = await twin(await open(t, deviceClient(hub, hub.connectionString(device))));
  const patches = await desired(mine);
  await add(t, structuredClone({ ...chiller, id: 'comes' }));
  await report(mine, { chillerProperties: { model: '4000x' }, chillerWaterSettings: { status: 'pending' } });
  assert.deepEqual(await patches.next('the patch of the configuration'), { chillerWaterSettings: { temperature: 38, pressure: 78 }, $version: 2 });

  const after = await until(readTwin('comes'), (found) => found.configurations?.comes, 'the mark in the twin');
  assert.equal(after.configurations.comes.status, 'Applied');
  assert.equal(after.properties.desired.$version, 2);
  const stamp = after.properties.desired.$metadata.chillerWaterSettings.temperature;
  assert.equal(stamp.$lastUpdatedBy, 'comes');
  assert.match(stamp.$lastUpdatedByDigest, /^\d{18}$/);

  const counted = await until(() => get('comes'), (c) => c.metrics.results.waterSettingsPending === 1, 'the metrics');
  assert.deepEqual(counted.systemMetrics.results, { targetedCount: 1, appliedCount: 1 });
  const { result } = await registry.createQuery(counted.systemMetrics.queries.appliedCount).next();
  assert.deepEqual(result, [{ deviceId: 'comes' }]);

  await report(mine, { chillerProperties: { model: '5000' } });
  assert.deepEqual(await patches.next('the patch of the removal'), { chillerWaterSettings: null, $version: 3 });
  const left = await until(readTwin('comes'), (found) => !found.configurations?.comes, 'no mark in the twin');
  assert.deepEqual(values(left.properties.desired), {});
});

test('priority and overlap: each place has the value of the highest, and the next one returns', async (t) => {
  const device = await hub.device('over');
  await registry.updateTwin('over', { tags: { site: 'over' }, properties: { desired: { own: true } } }, '*');
  const mine = await twin(await open(t, deviceClient(hub, hub.connectionString(device))));
  const patches = await desired(mine);
  const where = { targetCondition: "tags.site = 'over'" };
  const state = () => values(mine.properties.desired);

  await add(t, { id: 'low', priority: 1, ...where, content: { deviceContent: { 'properties.desired.net': { mtu: 1500, mode: 'auto' } } } });
  await patches.next('the patch of low');
  await add(t, { id: 'high', priority: 2, ...where, content: { deviceContent: { 'properties.desired.net.mtu': 9000, 'properties.desired.fps': 30 } } });
  assert.deepEqual(values(await patches.next('the patch of high')), { net: { mtu: 9000 }, fps: 30 });
  assert.deepEqual(state(), { own: true, net: { mtu: 9000, mode: 'auto' }, fps: 30 });

  // Of equal ones that which was made last.
  await add(t, { id: 'equal', priority: 2, ...where, content: { deviceContent: { 'properties.desired.fps': 60 } } });
  assert.deepEqual(values(await patches.next('the patch of equal')), { fps: 60 });

  // A hand that takes a configured value is put right; beside it, it is not.
  await registry.updateTwin('over', { properties: { desired: { fps: 1, hand: 2 } } }, '*');
  assert.deepEqual(values(await patches.next('what the hand wrote')), { fps: 1, hand: 2 });
  assert.deepEqual(values(await patches.next('the value set back')), { fps: 60 });

  await registry.removeConfiguration('equal');
  assert.deepEqual(values(await patches.next('the value of high again')), { fps: 30 });
  await registry.removeConfiguration('high');
  assert.deepEqual(values(await patches.next('the value of low again')), { fps: null, net: { mtu: 1500 } });
  await registry.removeConfiguration('low');
  await patches.next('the end of low');
  const last = await until(readTwin('over'), (found) => !found.configurations || Object.keys(found.configurations).length === 0, 'no marks');
  assert.deepEqual(values(last.properties.desired), { own: true, hand: 2 });
  assert.deepEqual(state(), { own: true, hand: 2 });
});

test('a module gets the patch of a module configuration, the device does not', async (t) => {
  await hub.device('withmod');
  const { responseBody: module } = await registry.addModule({ deviceId: 'withmod', moduleId: 'camera' });
  const mine = await twin(await open(t, moduleClient(hub, hub.connectionString(module))));
  const patches = await desired(mine);
  const configuration = { id: 'cameras', targetCondition: "from devices.modules where moduleId = 'camera'", content: { moduleContent: { 'properties.desired': { fps: 25 } } } };
  const made = await add(t, structuredClone(configuration));
  assert.deepEqual(made.content, configuration.content);
  assert.deepEqual(values(await patches.next('the patch of the module')), { fps: 25 });
  const after = await until(readModule('withmod', 'camera'), (found) => found.configurations?.cameras?.status === 'Applied', 'the mark');
  assert.equal(after.properties.desired.$metadata.fps.$lastUpdatedBy, 'cameras');
  const device = await readTwin('withmod')();
  assert.equal(device.properties.desired.$version, 1);
  assert.equal(device.configurations, undefined);
});

test('an agent that takes each patch for the whole configuration ends with the right settings', async (t) => {
  await hub.device('agent');
  const { responseBody: module } = await registry.getModule('agent', 'azureiotsecurity');
  await registry.updateModuleTwin('agent', 'azureiotsecurity', {
    tags: { site: 'agents' }, properties: { desired: { [agent]: { eventPriorityLogin: { value: 'High' } } } },
  }, '*');
  const mine = await twin(await open(t, moduleClient(hub, hub.connectionString(module))));
  const patches = await desired(mine);

  // What the original agents do: a setting that the patch does not name has its default again.
  const settings = (object) => Object.fromEntries(Object.entries(object ?? {}).filter(([, v]) => v !== null).map(([name, v]) => [name, v.value]));
  let held = settings(mine.properties.desired[agent]);
  const take = async (what) => {
    const patch = await patches.next(what);
    if (agent in patch) held = settings(patch[agent]);
  };
  assert.deepEqual(held, { eventPriorityLogin: 'High' });

  const where = { targetCondition: "from devices.modules where moduleId = 'azureiotsecurity' and tags.site = 'agents'" };
  const content = (object) => ({ content: { moduleContent: { [`properties.desired.${agent}`]: object } } });
  await add(t, { id: 'agents-base', priority: 1, ...where, ...content({ snapshotFrequency: { value: 'PT1H' }, maxMessageSizeInBytes: { value: 8192 } }) });
  await take('the patch of agents-base');
  assert.deepEqual(held, { eventPriorityLogin: 'High', snapshotFrequency: 'PT1H', maxMessageSizeInBytes: 8192 });
  await add(t, { id: 'agents-lab', priority: 2, ...where, ...content({ snapshotFrequency: { value: 'PT10M' } }) });
  await take('the patch of agents-lab');
  assert.deepEqual(held, { eventPriorityLogin: 'High', snapshotFrequency: 'PT10M', maxMessageSizeInBytes: 8192 });
  await registry.removeConfiguration('agents-lab');
  await take('the value of agents-base again');
  assert.deepEqual(held, { eventPriorityLogin: 'High', snapshotFrequency: 'PT1H', maxMessageSizeInBytes: 8192 });
  await registry.removeConfiguration('agents-base');
  await take('the end of agents-base');
  assert.deepEqual(held, { eventPriorityLogin: 'High' });
  const { responseBody: last } = await registry.getModuleTwin('agent', 'azureiotsecurity');
  assert.deepEqual(values(last.properties.desired), { [agent]: { eventPriorityLogin: { value: 'High' } } });
});

test('an original client that changes a configuration does not end its rollout', async (t) => {
  for (const deviceId of ['roll-1', 'roll-2', 'roll-3', 'roll-4']) {
    await hub.device(deviceId);
    await registry.updateTwin(deviceId, { tags: { site: 'roll' } }, '*');
  }
  const rollout = { steps: [{ count: 1 }, { percent: 50 }], wait: 'PT1H' };
  await add(t, { id: 'rolling', targetCondition: "tags.site = 'roll'", content: { deviceContent: { 'properties.desired.fw': 5 } }, rollout });
  const first = await until(() => get('rolling'), (c) => c.progress?.state === 'waiting', 'the first step');
  assert.deepEqual(first.rollout, rollout);
  assert.equal(first.progress.step, 1);
  assert.equal(first.progress.reach, 1);
  assert.deepEqual(first.systemMetrics.results, { targetedCount: 4, appliedCount: 1 });

  const { rollout: _, progress: __, ...known } = first; // a client that keeps what it knows
  await registry.updateConfiguration({ ...known, labels: { by: 'an original client' } });
  assert.deepEqual((await get('rolling')).rollout, rollout);

  const on = await hub.request('POST', '/tvilling/configurations/rolling/advance');
  assert.equal(on.status, 200, on.text);
  await until(() => get('rolling'), (c) => c.systemMetrics.results.appliedCount === 2 && c.progress?.state === 'waiting', 'the second step');
  const back = await hub.request('POST', '/tvilling/configurations/rolling/rollback');
  assert.equal(back.status, 200, back.text);
  await until(() => get('rolling'), (c) => c.systemMetrics.results.appliedCount === 0 && c.progress.state === 'rolledBack', 'the roll-back');
  for (const device of ['roll-1', 'roll-2', 'roll-3', 'roll-4']) {
    assert.equal((await readTwin(device)()).properties.desired.fw, undefined);
  }
});

test('a rollout that makes a device unhealthy takes itself back', async (t) => {
  const device = await hub.device('canary');
  await hub.device('miner');
  for (const deviceId of ['canary', 'miner']) await registry.updateTwin(deviceId, { tags: { mine: deviceId } }, '*');
  const mine = await twin(await open(t, deviceClient(hub, hub.connectionString(device))));
  const patches = await desired(mine);
  await add(t, {
    id: 'poison', targetCondition: "tags.mine IN ['canary', 'miner']", content: { deviceContent: { 'properties.desired.fw': 6 } },
    rollout: { steps: [{ count: 1 }], wait: 'PT1H', unhealthy: 'properties.reported.failed = true', onUnhealthy: 'rollback' },
  });
  // Which of the two the step comes to is the hub's choice: a second step comes to both.
  await until(() => get('poison'), (c) => c.progress?.state === 'waiting', 'the first step');
  assert.equal((await hub.request('POST', '/tvilling/configurations/poison/advance')).status, 200);
  assert.deepEqual(values(await patches.next('the new version')), { fw: 6 });
  await report(mine, { failed: true });
  assert.deepEqual(values(await patches.next('the roll-back')), { fw: null });
  const stopped = await until(() => get('poison'), (c) => c.progress?.state === 'rolledBack' && c.systemMetrics.results.appliedCount === 0, 'the end');
  assert.ok(stopped.progress.reason, 'it says why');
  assert.equal((await readTwin('miner')()).properties.desired.fw, undefined);
});

test('applyConfigurationContent is refused by name', async () => {
  await assert.rejects(registry.applyConfigurationContentOnDevice('comes', { deviceContent: { 'properties.desired.a': 1 } }), (err) => {
    assert.match(err.responseBody, /IoT Edge.*not offered/);
    return true;
  });
});
