// What every bench needs of a system: its settings, and a provider in the sandbox's place.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const here = dirname(fileURLToPath(import.meta.url));

/** A file of KEY=value lines. */
export const settings = (file) => Object.fromEntries(readFileSync(file, 'utf8').split('\n').filter(Boolean)
  .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));

/** A provider that answers after `ms`, where the settings say that it is. */
export async function providerStart(env, ms) {
  const url = new URL(env.NOWPAYMENTS_SANDBOX_API_URL);
  const child = spawn(process.execPath, [join(here, 'provider.mjs'), url.port, String(ms)], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve, reject) => {
    child.stdout.once('data', resolve);
    child.once('exit', () => reject(new Error('the provider did not start')));
  });
  return { url: url.origin, stop: () => child.kill() };
}
