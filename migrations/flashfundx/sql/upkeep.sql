-- Triggers that many tables share: the time of the last change, the audit, and evidence that nobody
-- takes away.

create or replace trigger prices_updated_at
    before update on public.prices
    for each row execute function platform.update_updated_at_column();
create or replace trigger trading_rules_updated_at
    before update on public.trading_rules
    for each row execute function platform.update_updated_at_column();
create or replace trigger crypto_addresses_updated_at
    before update on public.crypto_addresses
    for each row execute function platform.update_updated_at_column();
create or replace trigger email_templates_updated_at
    before update on public.email_templates
    for each row execute function platform.update_updated_at_column();
create or replace trigger orders_updated_at
    before update on public.orders
    for each row execute function platform.update_updated_at_column();
create or replace trigger delivered_accounts_last_updated
    before update on public.delivered_accounts
    for each row execute function platform.update_last_updated_column();
create or replace trigger reviews_updated_at
    before update on public.reviews
    for each row execute function platform.update_updated_at_column();
create or replace trigger shop_settings_updated_at
    before update on public.shop_settings
    for each row execute function platform.update_updated_at_column();

-- Evidence: for every role, the owner included.
create or replace trigger payment_events_append_only
    before delete or truncate on public.payment_events
    for each statement execute function platform.refuse_change();
create or replace trigger payment_events_as_told
    before update of id, payment_id, status, actually_paid, parent_payment_id, source, raw,
        provider_updated_at, received_at, arguments
    on public.payment_events
    for each statement execute function platform.refuse_change();
create or replace trigger unapplied_callbacks_append_only
    before update or delete or truncate on public.unapplied_callbacks
    for each statement execute function platform.refuse_change();
create or replace trigger credential_reveals_append_only
    before update or delete or truncate on public.credential_reveals
    for each statement execute function platform.refuse_change();

create or replace trigger payments_kept
    before delete on public.payments
    for each statement execute function platform.refuse_change();
create or replace trigger payment_attempts_kept
    before delete on public.payment_attempts
    for each statement execute function platform.refuse_change();
create or replace trigger delivered_accounts_kept
    before delete on public.delivered_accounts
    for each statement execute function platform.refuse_change();
create or replace trigger orders_kept
    before delete on public.orders
    for each row
    when (old.payment_status <> 'pending' or old.delivery_status <> 'pending')
    execute function platform.refuse_change();

create or replace trigger delivered_accounts_as_handed_out
    before update on public.delivered_accounts
    for each row
    when ((old.id, old.user_id, old.order_id, old.container_account_id)
          is distinct from (new.id, new.user_id, new.order_id, new.container_account_id))
    execute function platform.refuse_change();

-- What was decided stays as it was decided; what is open is closed by a decision, and not removed.
create or replace trigger reviews_kept
    before delete on public.reviews
    for each statement execute function platform.refuse_change();
create or replace trigger reviews_as_decided
    before update on public.reviews
    for each row
    when (old.state = 'resolved' and old.* is distinct from new.*)
    execute function platform.refuse_change();
create or replace trigger reconciliation_differences_kept
    before delete on public.reconciliation_differences
    for each statement execute function platform.refuse_change();
create or replace trigger reconciliation_differences_as_resolved
    before update on public.reconciliation_differences
    for each row
    when (old.resolved_at is not null and old.* is distinct from new.*)
    execute function platform.refuse_change();

-- The books: completed rows are money counted. A refund may grow, when the rest goes back as well.
create or replace trigger payment_transactions_kept
    before delete on public.payment_transactions
    for each statement execute function platform.refuse_change();
-- By columns and in a body: a condition of the trigger would be read again for every event.
create or replace trigger payment_transactions_as_booked
    before update of id, order_id, user_id, transaction_type, provider, provider_transaction_id,
        currency, created_at
    on public.payment_transactions
    for each row
    when ((old.id, old.order_id, old.user_id, old.transaction_type, old.provider,
           old.provider_transaction_id, old.currency, old.created_at)
          is distinct from
          (new.id, new.order_id, new.user_id, new.transaction_type, new.provider,
           new.provider_transaction_id, new.currency, new.created_at))
    execute function platform.refuse_change();
create or replace function backend.keep_booked()
returns trigger
language plpgsql
as $$
begin
    if old.status = 'completed'
       and (new.status <> 'completed'
            or (new.amount <> old.amount
                and (old.transaction_type <> 'refund' or new.amount < old.amount)))
    then
        raise exception using
            errcode = '42501',
            message = 'payment_transactions is append-only';
    end if;
    new.updated_at := now();
    return new;
end
$$;
comment on function backend.keep_booked() is
    'Trigger: a completed row of the books stays as it was booked; keeps updated_at.';
create or replace trigger payment_transactions_updated_at
    before update on public.payment_transactions
    for each row execute function backend.keep_booked();

select platform.audit_table('public.user_profiles', 'id', p_own => true),
       platform.audit_table('public.orders', 'order_id', p_own => true);
select platform.audit_table(('public.' || t)::regclass, 'id')
from unnest(array[
    'prices', 'trading_rules', 'crypto_addresses', 'email_templates', 'account_container',
    'delivered_accounts', 'payment_transactions', 'reviews', 'payment_attempts',
    'reconciliation_runs', 'reconciliation_differences', 'stock_alerts']) as t;
select platform.audit_table('public.payments', 'payment_id'),
       -- What the provider said stays; to which order it belongs and what came of it may be written.
       platform.audit_table('public.payment_events', 'id', p_masks => 'raw arguments',
                            p_events => 'insert or update'),
       platform.audit_table('public.payment_checks', 'payment_id'),
       -- Who waits follows from something else.
       platform.audit_table('public.waiting_deliveries', 'order_id',
                            p_events => 'update or delete');
select platform.audit_table('public.shop_settings', 'name');

select platform.guard_table('public.crypto_addresses', 'change where money goes'),
       platform.guard_table('public.shop_settings', 'change the shop''s settings');
