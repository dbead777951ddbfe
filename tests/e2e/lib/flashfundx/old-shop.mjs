// The tables of the shop that was there before, as its own schema makes them.
import { randomInt } from 'node:crypto';

import { OldSystem } from '../old-system.mjs';

const TABLES = `
  create table public.user_profiles (
    id uuid primary key references auth.users (id) on delete cascade, first_name text, last_name text, email text not null,
    phone text, country text, password text, marketing_consent boolean default false, account_status text default 'active',
    total_orders integer default 0, total_spent numeric(10,2) default 0, signup_ip text, last_login_at timestamptz,
    referral_source text, created_at timestamptz default now(), updated_at timestamptz default now());
  create table public.orders (
    id uuid primary key default gen_random_uuid(), order_id text unique, user_id uuid references public.user_profiles (id) on delete cascade,
    account_type text not null, account_size numeric(15,2) not null, platform_type text not null, amount numeric(10,2) not null,
    currency text default 'USD', discount_amount numeric(10,2) default 0, final_amount numeric(10,2) not null,
    order_status text default 'pending', payment_status text default 'pending', delivery_status text default 'pending',
    payment_method text, payment_provider text, payment_provider_id text, transaction_id text, crypto_currency text,
    crypto_amount numeric(20,8), crypto_address text, payment_proof text, created_at timestamptz default now(),
    paid_at timestamptz, delivered_at timestamptz, updated_at timestamptz default now());
  create table public.trading_rules (
    id uuid primary key default gen_random_uuid(), account_type text not null, account_size numeric(15,2) not null,
    challenge_profit_target numeric(15,2), challenge_max_daily_loss numeric(15,2), challenge_max_total_loss numeric(15,2),
    challenge_min_trading_days integer, phase_1_profit_target numeric(15,2), phase_1_max_daily_loss numeric(15,2),
    phase_1_max_total_loss numeric(15,2), phase_1_min_trading_days integer, phase_2_profit_target numeric(15,2),
    phase_2_max_daily_loss numeric(15,2), phase_2_max_total_loss numeric(15,2), phase_2_min_trading_days integer,
    live_max_daily_loss numeric(15,2) not null, live_max_total_loss numeric(15,2) not null, profit_share_percentage integer default 80,
    created_at timestamptz default now(), updated_at timestamptz default now(), unique (account_type, account_size));
  create table public.account_container (
    id uuid primary key default gen_random_uuid(), account_size numeric(15,2) not null, platform_type text not null,
    server_name text not null, login_id text not null, password text not null, investor_password text, status text default 'available',
    reserved_for_order_id text references public.orders (order_id), reserved_at timestamptz, notes text,
    created_at timestamptz default now(), updated_at timestamptz default now());
  create table public.delivered_accounts (
    id uuid primary key default gen_random_uuid(), user_id uuid references public.user_profiles (id) on delete cascade,
    order_id text references public.orders (order_id), container_account_id uuid references public.account_container (id),
    trading_rules_id uuid references public.trading_rules (id), account_type text not null, account_size numeric(15,2) not null,
    platform_type text not null, server_name text not null, login_id text not null, password text not null, investor_password text,
    current_phase text not null, phase_status text default 'active', challenge_status text default 'pending',
    phase_1_status text default 'pending', phase_2_status text default 'pending', live_status text default 'pending',
    challenge_completed_at timestamptz, phase_1_completed_at timestamptz, phase_2_completed_at timestamptz, live_activated_at timestamptz,
    account_status text default 'active', email_sent boolean default false, email_sent_at timestamptz,
    delivered_at timestamptz default now(), last_updated timestamptz default now());
  create table public.payment_transactions (
    id uuid primary key default gen_random_uuid(), order_id text references public.orders (order_id),
    user_id uuid references public.user_profiles (id), transaction_type text not null, amount numeric(10,2) not null, currency text default 'USD',
    provider text not null, provider_transaction_id text, provider_status text, provider_response jsonb, status text default 'pending',
    created_at timestamptz default now(), processed_at timestamptz, updated_at timestamptz default now());
  create table public.crypto_addresses (
    id uuid primary key default gen_random_uuid(), crypto_name text not null, network text not null, wallet_address text not null,
    qr_code_url text, display_name text not null, is_active boolean default true, sort_order integer default 0, notes text,
    created_at timestamptz default now(), updated_at timestamptz default now());
  create table public.email_templates (
    id uuid primary key default gen_random_uuid(), template_name text unique not null, template_type text not null, subject text not null,
    html_content text not null, text_content text, variables jsonb default '[]', is_active boolean default true,
    created_at timestamptz default now(), updated_at timestamptz default now());`;

const THEN = '2024-03-01T00:00:00Z';

export class OldShop extends OldSystem {
  static make() {
    return super.make(TABLES);
  }

  /** A row of a table, with its times in the past; the whole of it. */
  async add(table, row) {
    const all = { created_at: THEN, [table === 'delivered_accounts' ? 'last_updated' : 'updated_at']: THEN, ...row };
    if (table === 'delivered_accounts') delete all.created_at;
    const names = Object.keys(all);
    return (await this.query(`insert into public.${table} (${names.join(', ')}) values (${names.map((_, n) => `$${n + 1}`).join(', ')}) returning *`,
      Object.values(all)))[0];
  }

  async addCustomer({ user = {}, ...more } = {}) {
    const made = await this.addUser(user);
    await this.add('user_profiles', { id: made.id, email: made.email, first_name: 'Ida', last_name: 'Old', country: 'AT', password: 'in-clear-1', ...more });
    return made;
  }

  addOrder(user, more = {}) {
    return this.add('orders', {
      order_id: `FFX${String(randomInt(1e9)).padStart(9, '0')}`, user_id: user.id, account_type: 'two_step', account_size: '10000',
      platform_type: 'mt5', amount: '119', final_amount: '119', ...more });
  }

  addAccount(more = {}) {
    const login = `old-${randomInt(1e9)}`;
    return this.add('account_container', {
      account_size: '10000', platform_type: 'mt5', server_name: 'Old-Server', login_id: login, password: `pw ${login}\\`, investor_password: `iv-${login}`, ...more });
  }

  /** An order that was paid and delivered: {order, account, delivered, payment}. */
  async addSale(user, more = {}) {
    const order = await this.addOrder(user, {
      order_status: 'completed', payment_status: 'paid', delivery_status: 'delivered', paid_at: THEN, delivered_at: THEN, payment_method: 'nowpayments', ...more });
    const account = await this.addAccount({ status: 'delivered', reserved_for_order_id: order.order_id, reserved_at: THEN });
    const delivered = await this.addDelivered(order, account);
    const payment = await this.addPayment(order);
    return { order, account, delivered, payment };
  }

  addDelivered(order, account, more = {}) {
    return this.add('delivered_accounts', {
      user_id: order.user_id, order_id: order.order_id, container_account_id: account.id, account_type: order.account_type,
      account_size: order.account_size, platform_type: order.platform_type, server_name: account.server_name, login_id: account.login_id,
      password: account.password, investor_password: account.investor_password, current_phase: 'phase_1', phase_1_status: 'active',
      email_sent: true, delivered_at: THEN, ...more });
  }

  addPayment(order, more = {}) {
    return this.add('payment_transactions', {
      order_id: order.order_id, user_id: order.user_id, transaction_type: 'payment', amount: order.final_amount, provider: 'nowpayments',
      provider_transaction_id: String(randomInt(1e12)), provider_response: { a: 'b\t"' }, status: 'completed', processed_at: THEN, ...more });
  }

  /** Nothing in it any more. */
  clear() {
    return this.query(`truncate public.payment_transactions, public.delivered_accounts, public.account_container, public.orders,
      public.user_profiles, public.trading_rules, public.crypto_addresses, public.email_templates; delete from auth.users`);
  }
}
