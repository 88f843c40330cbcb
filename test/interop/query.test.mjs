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

test('projections are raw, with the names and members that were asked for', async () => {
  const query = registry.createQuery("SELECT deviceId, tags.floor AS level, properties.desired.level * 2 AS twice, tags.none FROM devices WHERE deviceId = 'q05'");
  const { result, message } = await query.next();
  assert.equal(message.headers['x-ms-item-type'], 'Raw');
  assert.deepEqual(result, [{ deviceId: 'q05', level: 0, twice: 5 }]);
});

test('aggregates and groups', async () => {
  const where = "WHERE IS_DEFINED(tags.floor)";
  assert.deepEqual((await all(`SELECT COUNT() AS n FROM devices ${where}`)).rows, [{ n: 25 }]);
  assert.deepEqual(
    (await all(`SELECT COUNT() AS n, AVG(tags.floor) AS mean, SUM(tags.floor) AS sum, MIN(properties.desired.level) AS low, MAX(properties.desired.level) AS high FROM devices ${where}`)).rows,
    [{ n: 25, mean: 2, sum: 50, low: 0, high: 12 }],
  );
  const { rows, pages } = await all(`SELECT tags.site, tags.floor, COUNT() AS n FROM devices ${where} GROUP BY tags.site, tags.floor`, 4);
  assert.equal(pages, 3, 'groups come in pages, too');
  assert.equal(rows.length, 10);
  assert.deepEqual(rows[0], { site: 'north', floor: 0, n: 2 });
  assert.deepEqual(rows[9], { site: 'south', floor: 4, n: 3 });
});

test('TOP bounds the whole result, page by page', async () => {
  const { rows, pages } = await all("SELECT TOP 7 deviceId FROM devices WHERE tags.site = 'south'", 3);
  assert.deepEqual(rows.map((r) => r.deviceId), ['q10', 'q11', 'q12', 'q13', 'q14', 'q15', 'q16']);
  assert.equal(pages, 3);
});

test('jobs have the type of their rows, and none yet', async () => {
  const query = registry.createQuery("SELECT * FROM devices.jobs WHERE devices.jobs.status = 'completed'");
  const { result, message } = await query.next();
  assert.deepEqual(result, []);
  assert.equal(message.headers['x-ms-item-type'], 'DeviceJob');
  assert.equal(query.hasMoreResults, false);
});

test('pages of an order go on behind the last row', async () => {
  const { rows } = await all('SELECT deviceId, tags.floor FROM devices WHERE IS_DEFINED(tags.floor) ORDER BY tags.floor DESC, deviceId', 6);
  assert.equal(rows.length, 25);
  assert.deepEqual(rows.map((r) => r.floor), rows.map((r) => r.floor).sort((a, b) => b - a));
  assert.equal(new Set(rows.map((r) => r.deviceId)).size, 25);
});

test('a query sees what was answered before it began', async () => {
  for (let i = 0; i < 20; i++) {
    await registry.updateTwin('q20', { tags: { turn: i } }, '*');
    const { rows } = await all(`SELECT deviceId FROM devices WHERE tags.turn = ${i}`);
    assert.deepEqual(rows, [{ deviceId: 'q20' }]);
  }
});

test("the client's errors say what is wrong with a query, and where", async () => {
  const failure = async (sql) => {
    try {
      await registry.createQuery(sql).next();
    } catch (err) {
      return err;
    }
    assert.fail(`${sql} is answered`);
  };
  const err = await failure('SELECT * FROM devices WHERE tags.site == 3');
  assert.equal(err.name, 'ArgumentError');
  assert.match(err.responseBody, /The query is invalid at line 1, column 39: == is not in the query language, write = to compare/);
  assert.equal((await failure("SELECT * FROM devices WHERE deviceId = 'a' GROUP BY deviceId")).name, 'ArgumentError');
  assert.equal((await failure(`SELECT * FROM devices WHERE ${'('.repeat(5000)}`)).name, 'ArgumentError');
  assert.equal((await failure(`SELECT * FROM devices WHERE tags.a = '${'x'.repeat(9000)}'`)).name, 'ArgumentError');
});

test('a continuation is good for its own query alone', async () => {
  const query = registry.createQuery('SELECT deviceId FROM devices', 2);
  await query.next();
  for (const [text, token] of [['SELECT * FROM devices', query.continuationToken], ['SELECT deviceId FROM devices', 'bm9uc2Vuc2U']]) {
    const answer = await hub.request('POST', `/devices/query?${version}`, { body: { query: text }, headers: { 'x-ms-continuation': token } });
    assert.equal(answer.status, 400, answer.text);
    assert.match(answer.body.Message, /^ErrorCode:ArgumentInvalid;.*continuation/);
  }
});

test('EXPLAIN tells how a query is answered', async () => {
  const { rows } = await all("EXPLAIN SELECT * FROM devices WHERE tags.site = 'north'");
  assert.equal(rows.length, 1);
  assert.equal(rows[0].page.rows, 10);
  assert.ok(['index', 'scan'].includes(rows[0].plan), rows[0].plan);
  const told = await hub.request('GET', `/tvilling/query/explain?run=false&query=${encodeURIComponent("SELECT * FROM devices WHERE deviceId = 'q01'")}`);
  assert.equal(told.status, 200, told.text);
  assert.equal(told.body.plan, 'device');
  assert.equal(told.body.page, undefined);
});
