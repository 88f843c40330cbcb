// Queries with the service client, page by page.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { Hub } from './support/hub.mjs';

const hub = Hub.of(import.meta.url);
const registry = hub.registry();
const version = 'api-version=2021-04-12';
const configuration = 'ms_iotn:urn_azureiot_Security_SecurityAgentConfiguration';

before(async () => {
  for (let i = 0; i < 25; i++) {
    const deviceId = `q${String(i).padStart(2, '0')}`;
    await hub.device(deviceId);
    await registry.updateTwin(deviceId, {
      tags: { floor: i % 5, site: i < 10 ? 'north' : 'south', 'odd-name': true },
      properties: { desired: { level: i / 2 } },
    }, '*');
  }
  await registry.updateModuleTwin('q03', 'azureiotsecurity', { properties: { desired: { [configuration]: { snapshotFrequency: { value: 'PT1H' } } } } }, '*');
});

/** All rows of a query, with the number of pages they came in. */
async function all(sql, pageSize) {
  const query = registry.createQuery(sql, pageSize);
  const rows = [];
  let pages = 0;
  do {
    // Without the token the client's promise form begins anew.
    const { result } = await query.next(query.continuationToken);
    rows.push(...result);
    pages++;
    assert.ok(pages <= 100, 'a query ends');
  } while (query.hasMoreResults);
  return { rows, pages };
}

test('pages hold what was asked for, nothing twice, nothing left out', async () => {
  const { rows, pages } = await all('SELECT * FROM devices', 7);
  const ids = rows.map((r) => r.deviceId);
  assert.equal(new Set(ids).size, ids.length);
  assert.equal(ids.filter((id) => /^q\d\d$/.test(id)).length, 25);
  assert.ok(pages >= 4);
});

test('a page size may change on the way', async () => {
  const query = registry.createQuery("SELECT deviceId FROM devices WHERE tags.site = 'south'", 4);
  const first = await query.next();
  assert.equal(first.result.length, 4);
  assert.ok(query.hasMoreResults);
  const rest = await hub.request('POST', `/devices/query?${version}`, {
    body: { query: "SELECT deviceId FROM devices WHERE tags.site = 'south'" },
    headers: { 'x-ms-max-item-count': '100', 'x-ms-continuation': query.continuationToken },
  });
  assert.equal(rest.status, 200, rest.text);
  assert.equal(rest.body.length, 11);
  assert.equal(rest.headers.get('x-ms-continuation'), null);
  assert.equal(rest.headers.get('x-ms-item-type'), 'Raw');
});

test('twins of a query are whole and can be changed', async () => {
  const query = registry.createQuery("SELECT * FROM devices WHERE deviceId = 'q01'");
  const { result, message } = await query.nextAsTwin();
  assert.equal(message.headers['x-ms-item-type'], 'Twin');
  assert.equal(result.length, 1);
  assert.equal(result[0].tags.site, 'north');
  await result[0].update({ tags: { found: true } });
  const { rows } = await all('SELECT deviceId FROM devices WHERE tags.found = true');
  assert.deepEqual(rows, [{ deviceId: 'q01' }], 'a query sees what was just written');
});

const cases = [
  ['comparison and AND', "SELECT deviceId FROM devices WHERE tags.site = 'north' AND tags.floor = 3", ['q03', 'q08']],
  ['OR and parentheses', "SELECT deviceId FROM devices WHERE (tags.floor = 1 OR tags.floor = 2) AND tags.site = 'north'", ['q01', 'q02', 'q06', 'q07']],
  ['NOT', "SELECT deviceId FROM devices WHERE NOT tags.site = 'south' AND properties.desired.level < 1", ['q00', 'q01']],
  ['unequal', "SELECT deviceId FROM devices WHERE tags.site != 'south' AND properties.desired.level <= 0.5", ['q00', 'q01']],
  ['escaped name', "SELECT deviceId FROM devices WHERE tags.[[odd-name]] = true AND properties.desired.level >= 12", ['q24']],
  ['keywords in lower case', "select deviceId from devices where tags.floor > 3 and tags.site = 'north'", ['q04', 'q09']],
  ['a missing property matches nothing', "SELECT deviceId FROM devices WHERE tags.nothere != 1", []],
  ['IS_DEFINED', 'SELECT deviceId FROM devices WHERE IS_DEFINED(tags.nothere)', []],
];
for (const [name, sql, want] of cases) {
  test(`conditions: ${name}`, async () => {
    const { rows } = await all(sql, 3);
    assert.deepEqual(rows.map((r) => r.deviceId).sort(), want);
  });
}

test('modules are queried apart from devices', async () => {
  const { rows } = await all(`SELECT deviceId FROM devices.modules WHERE moduleId='azureiotsecurity' and IS_DEFINED(properties.desired.[[${configuration}]].snapshotFrequency)`);
  assert.deepEqual(rows.map((r) => r.deviceId), ['q03']);
});

test('a bad query is refused with what is wrong', async () => {
  for (const sql of ['SELECT', 'SELECT * FROM nowhere', 'SELECT * FROM devices WHERE', "SELECT * FROM devices WHERE a = 'open", 'DROP TABLE devices']) {
    const answer = await hub.request('POST', `/devices/query?${version}`, { body: { query: sql } });
    assert.equal(answer.status, 400, sql);
    assert.match(answer.body.Message, /^ErrorCode:ArgumentInvalid;./, sql);
  }
});
