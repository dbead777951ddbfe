// Processes that die at a named point, and database sessions that end at a write (see
// common/base/killpoint.h; the system's build must be `killpoints`).
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { appendFileSync, chmodSync, closeSync, existsSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { row, rows, value } from './db.mjs';
import { settingsOf } from './process.mjs';
import { home, spec } from './system.mjs';
import { until } from './wait.mjs';

const fileOf = (name, suffix) => join(home, 'run', `${name}.${suffix}`);
/** The functions' own account: processes that we start take over the system's sockets. */
const account = () => {
  const { uid, gid } = statSync(join(home, 'run'));
  return process.getuid() === 0 ? { uid, gid } : {};
};

const running = new Set();
process.on('exit', () => running.forEach((victim) => victim.end()));

/** A master of a function with one worker, in place of the system's service of that name. */
export class Victim {
  static async start(name, settings = {}) {
    const self = new Victim();
    self.name = name;
    self.logFile = join(home, 'log', `victim-${name}.log`);
    appendFileSync(self.logFile, '');
    self.logStart = statSync(self.logFile).size;
    const log = openSync(self.logFile, 'a');
    self.process = spawn(join(home, 'bin', name), {
      env: { PATH: process.env.PATH, ...settingsOf(name), ...settings, WORKERS: '1' },
      cwd: '/', detached: true, stdio: ['ignore', log, log], ...account(),
    });
    closeSync(log);
    running.add(self);
    self.exit = new Promise((resolve) => self.process.once('exit', resolve));
    self.exit.then(() => { self.over = true; running.delete(self); });
    await until(() => self.over || self.log().includes('"started"'), `${name} is ready`, { every: 5 });
    if (self.over) throw new Error(`${name} ended at once: ${self.log()}`);
    return self;
  }

  log() {
    return readFileSync(this.logFile).subarray(this.logStart).toString();
  }

  /** All its processes, at once. */
  end() {
    if (!this.over) process.kill(-this.process.pid, 'SIGKILL');
  }

  /** Of what has a schedule the run that is under way comes to its end; nginx's connections are not waited for. */
  async stop() {
    if (!spec(this.name).route && !this.over) this.process.kill('SIGTERM');
    else this.end();
    await this.exit;
  }
}

/** The points of a scheduled function's first turn; more come with the next one. */
function firstTurn(points) {
  const second = points.findIndex((point) => point.endsWith('platform.claim_schedule before #2'));
  return second < 0 ? points : points.slice(0, second);
}

/** The points that a function passes are written down. */
export function watchPoints(name) {
  const file = fileOf(name, 'kill-log');
  writeFileSync(file, '');
  chmodSync(file, 0o666);
  const read = () => firstTurn(readFileSync(file, 'utf8').split('\n').filter(Boolean));
  return {
    now: read,
    end: () => {
      const points = read();
      rmSync(file, { force: true });
      return points;
    },
  };
}

/** The process that passes this point dies there, once. */
export function killAt(name, point) {
  const file = fileOf(name, 'kill-at');
  writeFileSync(file, `${point}\n`);
  chmodSync(file, 0o644);
  return {
    struck: () => !existsSync(file),
    /** It is over, and it was that. */
    confirm: (victim) => until(() => /"worker_died".*"code":9\b/.test(victim.log()), `a process killed at ${point}`),
    disarm: () => rmSync(file, { force: true }),
  };
}

// ---- writes inside of SQL functions ----

/**
 * Triggers before and after every row that is written to a table of the shop or of auth. They count what a
 * chosen role writes, and end its session at the write of a chosen number. Counting goes on after
 * that (sequences are not rolled back), so that nothing strikes twice.
 */
export async function installWriteKills() {
  await rows(`
    drop schema if exists kill_writes cascade;
    create schema kill_writes;
    create sequence kill_writes.passed;
    create sequence kill_writes.struck;
    create table kill_writes.armed (role text, at bigint);
    insert into kill_writes.armed values ('', 0);
    create table kill_writes.seen (n bigint, what text);
    create function kill_writes.pass() returns trigger
    language plpgsql security definer set search_path = pg_catalog, kill_writes as $$
    declare
      v_armed armed;
      v_n bigint;
    begin
      select * into v_armed from armed;
      if session_user = v_armed.role then
        v_n := nextval('passed');
        insert into seen values (v_n, lower(tg_when || ' ' || tg_op) || ' ' || tg_table_name);
        if v_n = v_armed.at then
          perform nextval('struck');
          perform pg_terminate_backend(pg_backend_pid());
          perform pg_sleep(60); -- ends here
        end if;
      end if;
      if tg_op = 'DELETE' then
        return old;
      end if;
      return new;
    end $$;
    do $$
    declare
      v_table regclass;
    begin
      -- Whose turn a scheduled function has is no business of the shop.
      for v_table in select c.oid from pg_class as c
        where c.relkind = 'r' and c.relname <> 'schedules'
          and (c.relnamespace in ('public'::regnamespace, 'auth'::regnamespace) or c.oid = 'platform.jobs'::regclass) loop
        execute format('create trigger aaa_kill before insert or update or delete on %s
          for each row execute function kill_writes.pass()', v_table);
        execute format('create trigger zzz_kill after insert or update or delete on %s
          for each row execute function kill_writes.pass()', v_table);
      end loop;
    end $$`);
}

const arm = (role, at) =>
  rows(`with a as (update kill_writes.armed set role = $1, at = $2), d as (delete from kill_writes.seen)
    select setval('kill_writes.passed', 1, false), setval('kill_writes.struck', 1, false)`, [role, at]);
const roleOf = (name) => `fn_${name.replaceAll('-', '_')}`;

/**
 * Nothing that a killed process had sent is under way any more: the database notices that a client
 * is gone when it answers, and a statement may take effect some time after its sender's death.
 */
export const statementsEnded = (name) =>
  until(async () => await value(
    `select count(*)::int from pg_stat_activity where usename = $1 and state is distinct from 'idle'`, [roleOf(name)]) === 0,
  `no statement of ${name} is under way`);

/** What a function writes is written down. */
export async function watchWrites(name) {
  await arm(roleOf(name), 0);
  return {
    end: async () => {
      const seen = await rows('select what from kill_writes.seen order by n');
      await arm('', 0);
      return seen.map((write) => write.what);
    },
  };
}

/** The session of a function ends at its write of this number, once. */
export async function killAtWrite(name, at) {
  await arm(roleOf(name), at);
  const state = () => row('select is_called, last_value::int from kill_writes.struck');
  return {
    struck: async () => (await state()).is_called,
    confirm: async () => assert.equal((await state()).last_value, 1, 'it struck once'),
    disarm: () => arm('', 0),
  };
}
