// What arrives at a function's socket half, wrong, never or all at once.  nginx does none of this;
// a function must survive it and go on serving everybody else.
//
// One private process with one worker, so that whoever holds it up would be seen at once.
// system: shared
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';

import { value } from '../lib/db.mjs';
import {
  ABORT, AUTHORIZER, END, GET_VALUES, GET_VALUES_RESULT, PARAMS, STDIN, begin, pairs, paramsOf, record, requestBytes,
} from '../lib/fcgi.mjs';
import { Private, alive, descriptors } from '../lib/process.mjs';
import { chance, long } from '../lib/fire.mjs';
import { until } from '../lib/wait.mjs';

const READ_LIMIT_MS = 10_000; // of the runtime, for a request to arrive completely

let fn;
let worker;

before(async () => {
  fn = await Private.start('webhook-debug', { DB_CONNECTIONS: '2' }); // so few that descriptors can be counted
  [worker] = fn.workers;
  await ordinary();
});
after(async () => {
  const { code } = await fn.stop();
  assert.equal(code, 0, 'ends cleanly');
});

/** A marked request that ends up in webhook_debug_calls. */
const marked = (mark, more = {}) => ({ body: '{"fire":1}', ...more, params: { QUERY_STRING: mark, ...more.params } });
const newMark = () => `fire-${randomBytes(8).toString('hex')}`;
const stored = (mark) => value('select count(*)::int from public.webhook_debug_calls where query = $1', [mark]);

/** Somebody else's request: answered, soon, and by the same worker as ever. */
async function ordinary({ within = 5000 } = {}) {
  const began = Date.now();
  const answer = await fn.ask('POST', { body: '{}' }, within);
  assert.equal(answer?.status, 200);
  assert.ok(Date.now() - began < within);
  assert.ok(alive(worker), 'the worker lives');
}

const idle = () => descriptors(worker);

/** A connection over which `bytes` were sent. */
async function sent(bytes) {
  const connection = await fn.open();
  await connection.write(bytes);
  return connection;
}

test('half-sent requests hold nobody up and end by themselves', async (t) => {
  const mark = newMark();
  const whole = requestBytes('POST', marked(mark));
  const params = pairs(paramsOf('POST', 'x'.repeat(100), { QUERY_STRING: mark }));
  const paramsRecord = record(PARAMS, 1, params);
  const halves = {
    'half a record header': whole.subarray(0, 5),
    'BEGIN_REQUEST alone': begin(),
    'half of the parameters': Buffer.concat([begin(), paramsRecord.subarray(0, paramsRecord.length >> 1)]),
    'parameters without their end': Buffer.concat([begin(), paramsRecord]),
    'no body': Buffer.concat([begin(), paramsRecord, record(PARAMS, 1)]),
    'a body that is too short': Buffer.concat([begin(), paramsRecord, record(PARAMS, 1), record(STDIN, 1, 'x'.repeat(50))]),
    'a body without its end': whole.subarray(0, whole.length - 8),
  };
  const before = idle();
  const began = Date.now();
  const open = [];
  for (const bytes of Object.values(halves)) open.push(await sent(bytes));

  await t.test('others are served meanwhile', async () => {
    for (let i = 0; i < 50; i++) await ordinary({ within: 1000 });
  });

  await t.test('a request that arrives byte by byte is served', async () => {
    const slow = newMark();
    const connection = await fn.open();
    for (const byte of requestBytes('POST', marked(slow))) await connection.write(Buffer.from([byte]));
    assert.equal((await connection.answer()).status, 200);
    assert.equal(await stored(slow), 1);
    connection.close();
  });

  await t.test('a peer that goes away half-way leaves nothing behind', async () => {
    for (const bytes of Object.values(halves)) (await sent(bytes)).close();
    await until(() => idle() <= before + open.length, 'their descriptors are closed');
  });

  await t.test('the rest is closed after the limit, without an answer', async () => {
    for (const [i, connection] of open.entries()) {
      assert.equal(await connection.closed(READ_LIMIT_MS + 5000), 0, `${Object.keys(halves)[i]} got an answer`);
    }
    assert.ok(Date.now() - began >= READ_LIMIT_MS - 500, 'not before the limit');
    open.forEach((connection) => connection.close());
    await until(() => idle() <= before, 'all descriptors are closed');
    assert.equal(await stored(mark), 0, 'none of them was executed');
  });
});

test('bytes that are no FastCGI end their connection and nothing else', async () => {
  const random = chance();
  const before = idle();
  const noise = [
    Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
    Buffer.alloc(4096),
    Buffer.alloc(100, 0xff),
    Buffer.from([1]), // and then the end
    record(END, 1, Buffer.alloc(8)),
    record(STDIN, 1, 'body without a beginning'),
    record(PARAMS, 1, Buffer.from([0x80, 0, 0, 5])),
    Buffer.concat([begin(), begin()]),
    ...Array.from({ length: long ? 2000 : 200 }, () => Buffer.from(Array.from({ length: 1 + random.below(300) }, () => random.below(256)))),
    // almost right: a request with one byte changed
    ...Array.from({ length: long ? 2000 : 200 }, () => {
      const bytes = requestBytes('GET');
      bytes[random.below(bytes.length)] = random.below(256);
      return bytes;
    }),
  ];
  for (const bytes of noise) {
    const connection = await sent(bytes);
    connection.socket.end();
    await connection.closed();
    connection.close();
  }
  await ordinary();
  await until(() => idle() <= before, 'all descriptors are closed');
});

test('records beside a request', async (t) => {
  await t.test('GET_VALUES is answered or refused, never taken for a request', async () => {
    const connection = await sent(record(GET_VALUES, 0, pairs({ FCGI_MAX_CONNS: '', FCGI_MPXS_CONNS: '' })));
    const first = await connection.read(5000);
    if (first !== null) {
      assert.equal(first.type, GET_VALUES_RESULT);
      assert.equal((await connection.request('POST', { body: '{}' })).status, 200, 'the connection can still be used');
    }
    connection.close();
    await ordinary();
  });

  await t.test('ABORT_REQUEST ends a request that is still arriving', async () => {
    const mark = newMark();
    const bytes = requestBytes('POST', marked(mark));
    const connection = await sent(Buffer.concat([bytes.subarray(0, bytes.length - 8), record(ABORT, 1)]));
    connection.socket.end();
    await connection.closed();
    connection.close();
    await ordinary();
    assert.equal(await stored(mark), 0);
  });

  await t.test('another role than responder is refused', async () => {
    const mark = newMark();
    const bytes = requestBytes('POST', marked(mark));
    const connection = await sent(Buffer.concat([begin(1, { role: AUTHORIZER }), bytes.subarray(16)]));
    connection.socket.end();
    await connection.closed();
    connection.close();
    await ordinary();
    assert.equal(await stored(mark), 0);
  });

  await t.test('two requests in one write: each answered once and in order, or the connection ends', async () => {
    const marks = [newMark(), newMark()];
    const connection = await sent(Buffer.concat([
      requestBytes('POST', marked(marks[0], { id: 1, params: { REQUEST_ID: marks[0] } })),
      requestBytes('POST', marked(marks[1], { id: 2, params: { REQUEST_ID: marks[1] } })),
    ]));
    connection.socket.end(); // nothing else will come: an answer that is missing is missing for ever
    const first = await connection.answer();
    assert.deepEqual([first.id, first.status, first.headers['x-request-id']], [1, 200, marks[0]]);
    const second = await connection.answer();
    if (second !== null) assert.deepEqual([second.id, second.status, second.headers['x-request-id']], [2, 200, marks[1]]);
    assert.equal(await stored(marks[0]), 1);
    assert.equal(await stored(marks[1]), second === null ? 0 : 1, 'executed if and only if answered');
    connection.close();
  });

  await t.test('a second request on a kept connection is answered', async () => {
    const connection = await fn.open();
    for (let i = 1; i <= 20; i++) {
      const mark = newMark();
      const answer = await connection.request('POST', marked(mark, { id: i, params: { REQUEST_ID: mark } }));
      assert.deepEqual([answer.id, answer.status, answer.headers['x-request-id']], [i, 200, mark]);
    }
    connection.close();
  });
});

test('parameters and bodies of the wrong size', async (t) => {
  const refused = async (what, bytes) => {
    const connection = await sent(bytes);
    const answer = await connection.answer();
    assert.ok(answer === null || answer.status >= 400, `${what}: ${answer?.status}`);
    connection.close();
    await ordinary();
    return answer;
  };

  for (const size of [70_000, 500_000, 2_000_000, 5_000_000]) {
    await t.test(`a header of ${size} bytes`, async () => {
      const mark = newMark();
      await refused('a long header', requestBytes('POST', marked(mark, { params: { HTTP_X_LONG: 'x'.repeat(size) } })));
      assert.equal(await stored(mark), 0);
    });
  }
  await t.test('a parameter that announces 2 GB', async () => {
    const lengths = Buffer.from([4, 0xff, 0xff, 0xff, 0]);
    const params = Buffer.concat([lengths, Buffer.alloc(1000, 'x')]);
    const connection = await sent(Buffer.concat([begin(), record(PARAMS, 1, params), record(PARAMS, 1), record(STDIN, 1)]));
    connection.socket.end();
    await connection.closed();
    connection.close();
    await ordinary();
  });
  await t.test('20,000 parameters', async () => {
    const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`HTTP_X_${i}`, 'v']));
    await refused('many headers', requestBytes('POST', marked(newMark(), { params: many })));
  });

  const body = (announced, actual) => requestBytes('POST', { body: 'x'.repeat(actual), params: { CONTENT_LENGTH: announced } });
  for (const [what, announced, actual] of [
    ['longer than announced', 10, 20], ['shorter than announced', 20, 10], ['announced and absent', 10, 0], ['there and not announced', '', 10],
    ['announced as -1', -1, 10], ['announced as 99999999999999999999', '99999999999999999999', 10],
  ]) {
    await t.test(`a body ${what}`, () => refused(what, body(announced, actual)));
  }
  await t.test('a body over the limit is read to its end and answered 413', async () => {
    const connection = await fn.open();
    const answer = await connection.request('POST', { body: 'x'.repeat(100_000) });
    assert.equal(answer.status, 413);
    assert.equal((await connection.request('POST', { body: '{}', id: 2 })).status, 200, 'the connection is in step');
    connection.close();
  });
  await t.test('a body of 8 MB is not read to its end', async () => {
    await refused('8 MB', body(8_000_000, 8_000_000));
  });
});

test('peers that leave while their answer is on its way', async () => {
  const before = idle();
  for (let i = 0; i < (long ? 2000 : 300); i++) {
    const connection = await sent(requestBytes('POST', { body: '{}' }));
    if (i % 3 === 1) await connection.read();
    connection.close();
  }
  await ordinary();
  await until(() => idle() <= before, 'all descriptors are closed');
});

test('500 connections that say nothing', async () => {
  const before = idle();
  const open = await Promise.all(Array.from({ length: 500 }, () => fn.open()));
  await until(() => idle() >= before + 500, 'all are accepted');
  for (let i = 0; i < 20; i++) await ordinary({ within: 1000 });
  // Any of them may begin to speak.
  for (const connection of open.slice(0, 100)) assert.equal((await connection.request('POST', { body: '{}' })).status, 200);
  open.forEach((connection) => connection.close());
  await until(() => idle() <= before, 'all descriptors are closed');
  await ordinary();
});
