// What every answer has, whoever gives it: CORS headers once, and errors in one form.
import assert from 'node:assert/strict';

/** CORS: allowed, and said once. */
export function corsOnce(answer, what) {
  const origins = answer.all.filter(([name]) => name === 'access-control-allow-origin');
  assert.deepEqual(origins, [['access-control-allow-origin', '*']], `${what}: ${JSON.stringify(answer.all)}`);
}

/** A refusal in the one form that errors have. */
export function refused(answer, status, error) {
  assert.equal(answer.status, status, answer.text);
  assert.deepEqual(answer.json, { success: false, error });
}

/** The same with its media type and the CORS headers, so that a browser can read it. */
export function envelope(answer, status, error) {
  refused(answer, status, error);
  assert.match(answer.headers['content-type'], /^application\/json/);
  assert.equal(answer.headers['access-control-expose-headers'], '*', 'a page may read Retry-After');
  assert.equal(answer.headers['cache-control'], 'no-store', 'nobody keeps a refusal');
  assert.match(answer.headers['x-request-id'], /^[0-9a-f]{32}$/, 'it can be found in the logs');
  corsOnce(answer, error);
}
