// Random payment histories: what a customer, the provider, an attacker and staff do to one order.
// A history follows from its seed alone; nothing here talks to a system.
import { chance } from '../fire.mjs';

export const MOST_EVENTS = 12;

/** How much of each product is in stock, for each history that sells it. */
export const STOCK_SHARES = [1, 1, 1, 1, 0.6, 0.3, 0];

const UP = ['waiting', 'confirming', 'confirmed', 'sending'];

// The lives of a payment, each as often as its weight: the statuses that the provider tells of, and
// which share of what was due arrived.  `odd` changes what the callbacks say.
const LIVES = [
  { weight: 30, name: 'paid', statuses: [...UP, 'finished'], shares: [1, 1, 1, 0.99, 0.995, 1.005] },
  { weight: 6, name: 'overpaid', statuses: [...UP, 'finished'], shares: [1.02, 1.5, 2] },
  { weight: 14, name: 'partial', statuses: [...UP, 'partially_paid'], shares: [0.1, 0.5, 0.6, 0.8, 0.985] },
  { weight: 4, name: 'too little, finished by hand', statuses: [...UP, 'finished'], shares: [0, 0.5, 0.98] },
  { weight: 5, name: 'silent', statuses: ['waiting', 'confirming'], shares: [1] },
  { weight: 6, name: 'expired', statuses: ['waiting', 'expired'], shares: [0] },
  { weight: 8, name: 'expired, then paid', statuses: ['waiting', 'expired', 'confirming', 'confirmed', 'finished'], shares: [1] },
  { weight: 5, name: 'failed', statuses: ['waiting', 'confirming', 'failed'], shares: [1] },
  { weight: 5, name: 'confirmed, then failed', statuses: [...UP, 'failed'], shares: [1] },
  { weight: 3, name: 'a part, then failed', statuses: ['waiting', 'confirming', 'failed'], shares: [0.2, 0.6] },
  { weight: 3, name: 'expired with money', statuses: ['waiting', 'expired'], shares: [0.2, 1], odd: { late: true } },
  { weight: 4, name: 'worth less', statuses: [...UP, 'finished'], shares: [1], odd: { worth: 0.6 } },
  { weight: 2, name: 'worth a little less', statuses: [...UP, 'finished'], shares: [1], odd: { worth: 0.95 } },
  { weight: 4, name: 'failed, then paid', statuses: ['waiting', 'confirming', 'failed', 'finished'], shares: [1] },
  { weight: 8, name: 'refunded', statuses: [...UP, 'finished', 'refunded'], shares: [1] },
  { weight: 4, name: 'partial, refunded', statuses: [...UP, 'partially_paid', 'refunded'], shares: [0.5, 0.8] },
  { weight: 3, name: 'other currency', statuses: [...UP, 'finished'], shares: [1], odd: { price_currency: 'eur' } },
  { weight: 3, name: 'lower price', statuses: [...UP, 'finished'], shares: [1], odd: { price: 0.5 } },
  { weight: 2, name: 'dearer price', statuses: [...UP, 'finished'], shares: [1], odd: { price: 1.2 } },
  { weight: 2, name: 'amount unknown', statuses: ['waiting', 'confirming', 'finished'], shares: [1], odd: { paid: null } },
  { weight: 2, name: 'unknown status', statuses: ['waiting', 'wrong_asset_confirmed', 'finished'], shares: [1] },
];

// The lives of a repeated deposit (child payment).
const CHILD_LIVES = [
  { weight: 6, name: 'child', statuses: ['confirming', 'finished'], shares: [0.1, 0.2, 0.4, 0.5, 1] },
  { weight: 2, name: 'partial child', statuses: ['confirming', 'partially_paid'], shares: [0.2, 0.4] },
  { weight: 1, name: 'child that fails', statuses: ['confirming', 'failed'], shares: [0.5] },
];

export const FORGERIES = ['no signature', 'other secret', 'tampered amount', 'tampered order', 'empty signature', "another body's signature"];
const DECISIONS = ['accept', 'accept', 'accept', 'refund_noted', 'refund_noted', 'cancel', 'by hand', 'by hand', 'chargeback'];

function weighted(random, list) {
  let at = random.below(list.reduce((sum, one) => sum + one.weight, 0));
  return list.find((one) => (at -= one.weight) < 0);
}

function makePayment(random, lives, parent) {
  const life = weighted(random, lives);
  return {
    life: life.name,
    parent, // index of the payment whose address got this deposit; undefined: one of its own
    statuses: life.statuses,
    share: random.pick(life.shares),
    odd: life.odd ?? {},
    due: 500 + random.below(40_000), // in hundredths, so that shares are exact
    otherCoin: parent !== undefined && random.next() < 0.25,
    strings: random.next() < 0.1, // the account option "All-Strings"
    clock: random.next() < 0.8, // callbacks carry updated_at
  };
}

/** Mix several sequences, each in its own order. */
function interleave(random, sequences) {
  const rest = sequences.map((one) => [...one]).filter((one) => one.length > 0);
  const mixed = [];
  while (rest.length > 0) {
    const k = random.next() < 0.6 ? 0 : random.below(rest.length); // mostly one after the other
    mixed.push(rest[k].shift());
    if (rest[k].length === 0) rest.splice(k, 1);
  }
  return mixed;
}

function disturb(random, events) {
  if (random.next() < 0.4) events = events.filter(() => random.next() > 0.25); // gaps
  if (random.next() < 0.35)
    for (let i = 1 + random.below(3); i > 0 && events.length > 1; i--) {
      const k = random.below(events.length - 1);
      [events[k], events[k + 1]] = [events[k + 1], events[k]];
    }
  if (random.next() < 0.08) events = random.shuffle(events);
  const insert = (event) => events.splice(random.below(events.length + 1), 0, event);
  if (random.next() < 0.4 && events.length > 0)
    for (let i = 1 + random.below(3); i > 0; i--) insert(random.pick(events)); // repeats
  if (random.next() < 0.1 && events.length > 0) events.push(events[0]); // long after
  return events;
}

/** {seed, product, payments[], events[]}; `product` is an index into STOCK_SHARES. */
export function makeHistory(seed) {
  const random = chance(seed);
  const payments = [makePayment(random, LIVES)];
  while (payments.length < 4 && random.next() < 0.3)
    payments.push(random.next() < 0.6 ? makePayment(random, CHILD_LIVES, 0) : makePayment(random, LIVES));
  const callbacks = payments.map((payment, index) =>
    payment.statuses.map((status) => ({ kind: 'callback', payment: index, status })));
  const events = disturb(random, interleave(random, callbacks));
  const insert = (event) => events.splice(random.below(events.length + 1), 0, event);
  while (random.next() < 0.25)
    insert({ kind: 'forged', payment: 0, status: 'finished', how: random.pick(FORGERIES) });
  while (random.next() < 0.2)
    events.splice(events.length - random.below(events.length / 2 + 1), 0,
      { kind: 'staff', action: random.pick(DECISIONS), chance: random.next() });
  if (random.next() < 0.05) insert({ kind: 'stock' });
  while (events.length > MOST_EVENTS) events.splice(random.below(events.length), 1);
  if (events.length === 0) events.push(callbacks[0].at(-1));
  // Some come at the same moment as the one before.
  const crowded = random.next() < 0.35;
  return {
    seed,
    product: random.below(STOCK_SHARES.length),
    payments,
    events: events.map((event, n) => ({
      ...event,
      n: n + 1,
      together: crowded && n > 0 && random.next() < 0.5,
      held: event.kind === 'callback' && random.next() < 0.003, // somebody holds the order for longer than the callback may wait
    })),
  };
}

// Before a payment is seen on the chain nothing has arrived.
const arrived = (status, odd) => status !== 'waiting' && (status !== 'expired' || odd.late === true);

/** What a callback event says: the fields it changes, and which share of the price it brings. */
export function tell(history, event, { price, started, ids }) {
  const payment = history.payments[event.payment];
  const parent = payment.parent === undefined ? undefined : history.payments[payment.parent];
  const { odd } = payment;
  // A deposit in another coin is worth what the provider settles for it.
  const due = (payment.otherCoin ? payment.due : (parent ?? payment).due) / 100;
  const amount = (share) => Number((due * share).toFixed(6));
  const paid = odd.paid === null && event.status === 'finished' ? null : arrived(event.status, odd) ? amount(payment.share) : 0;
  const fields = {
    payment_id: ids[event.payment],
    parent_payment_id: parent ? ids[payment.parent] : null,
    payment_status: event.status,
    pay_amount: parent ? amount(payment.share) : due,
    actually_paid: paid,
    pay_currency: payment.otherCoin ? 'usdcbsc' : 'usdtbsc',
    price_amount: Number((price * (parent ? payment.share : (odd.price ?? 1))).toFixed(2)),
    price_currency: odd.price_currency ?? 'usd',
    // In dollars when it tells something; else in a coin without a known price.
    outcome_amount: !arrived(event.status, odd) ? null
      : Number(((odd.worth ? price * odd.worth : 1000) * payment.share).toFixed(6)),
    outcome_currency: odd.worth ? 'usdttrc20' : 'trx',
    updated_at: payment.clock ? started + 1000 * (payment.statuses.indexOf(event.status) + 1) : null,
  };
  if (payment.strings)
    for (const [name, value] of Object.entries(fields)) if (typeof value === 'number') fields[name] = String(value);
  const worthless = odd.price_currency || odd.price < 1 || paid === null;
  // The shop gives away a tenth.
  const worth = odd.worth < 0.9 ? odd.worth : 1;
  return { fields, share: worthless || !arrived(event.status, odd) ? 0 : payment.share * worth };
}

/** One line per event, for people. */
export const describe = (event) =>
  `${String(event.n).padStart(2)}${event.together ? '+' : '.'} ` +
  { callback: () => `callback  payment ${event.payment} ${event.status}${event.held ? ', while the order is held' : ''}`,
    forged: () => `forged    payment ${event.payment} ${event.status}: ${event.how}`,
    staff: () => `staff     ${{ 'by hand': 'books the order as paid by hand', chargeback: 'records a chargeback' }[event.action] ?? `${event.action} a review`}`,
    stock: () => 'staff     adds one account' }[event.kind]();
