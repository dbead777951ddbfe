// Orders that the database cannot work on.
import { rows } from '../db.mjs';

/** Raises an error. */
export const fail = `raise exception 'broken on purpose'`;
/** Ends the backend that works on it: nobody can catch that. */
export const kill = 'perform pg_terminate_backend(pg_backend_pid()); return new';

/** Break every change of an order, or its delivery; returns what undoes it. */
export async function breakOrder(order, how = fail, what = 'update on public.orders') {
  const name = `broken_${order.order_id.toLowerCase()}`;
  await rows(`create function public.${name}() returns trigger language plpgsql as
    $$ begin ${how}; end $$`);
  await rows(`create trigger ${name} before ${what} for each row
    when (new.order_id = '${order.order_id}') execute function public.${name}()`);
  return () => rows(`drop function public.${name}() cascade`);
}
