// Who may what over the data API: what data-api-matrix.test.mjs finds, table by table and function by function, has to
// be what stands here. A new one is written down here first.
//
// Letters: v a visitor, c the customer whose the row is, x another customer; staff with the duty o owner, f finance,
// s support, i inventory; k the service key. reads: the row is among what is shown. adds: it, or what it takes of a
// customer, is inserted, or nothing but the keys and columns of the table stands against that. changes: each column
// gets another value where one can be made up, and who is listed is not refused for want of rights (the value itself
// may be refused); "*" stands for all columns. deletes: the same. calls: not refused for want of rights.
export const tables = {
  account_container: { reads: 'oik', adds: 'oik', deletes: 'oik', changes: { oik: '*' } },
  admin_audit_log: { reads: 'ok', adds: '', deletes: '', changes: {} },
  administrators: { reads: 'ok', adds: 'ok', deletes: 'ok', changes: { ok: '*' } },
  credential_reveals: { reads: 'ok', adds: '', deletes: '', changes: {} },
  crypto_addresses: { reads: 'ofsik', adds: 'ok', deletes: 'ok', changes: { ok: '*' } },
  delivered_accounts: { reads: 'cosk', adds: 'k', deletes: '', changes: {
      osk: 'order_id trading_rules_id account_type account_size platform_type server_name login_id ' +
        'current_phase phase_status challenge_status phase_1_status phase_2_status live_status ' +
        'challenge_completed_at phase_1_completed_at phase_2_completed_at live_activated_at ' +
        'account_status email_sent email_sent_at delivered_at created_at last_updated',
    } },
  email_templates: { reads: 'osk', adds: 'ok', deletes: 'ok', changes: { ok: '*' } },
  orders: { reads: 'cofsk', adds: 'ck', deletes: '', changes: { k: '*' } },
  outbox: { reads: 'osk', adds: '', deletes: '', changes: {} },
  payment_attempts: { reads: 'ofsk', adds: '', deletes: '', changes: {} },
  payment_checks: { reads: 'ofsk', adds: '', deletes: '', changes: {} },
  payment_events: { reads: 'ofsk', adds: '', deletes: '', changes: {} },
  payment_transactions: { reads: 'cofsk', adds: 'k', deletes: '', changes: {
      k: 'order_id provider_status provider_response processed_at updated_at',
    } },
  payments: { reads: 'ofsk', adds: '', deletes: '', changes: {} },
  prices: { reads: 'vcxofsik', adds: 'ok', deletes: 'ok', changes: { ok: '*' } },
  reconciliation_differences: { reads: 'ofk', adds: '', deletes: '', changes: {} },
  reconciliation_runs: { reads: 'ofk', adds: '', deletes: '', changes: {} },
  reconciliation_work: { reads: 'ofk', adds: '', deletes: '', changes: {} },
  reviews: { reads: 'ofsk', adds: 'k', deletes: '', changes: { k: '*' } },
  schedules: { reads: 'ofsik', adds: '', deletes: '', changes: {} },
  shop_settings: { reads: 'ofsik', adds: '', deletes: '', changes: { ok: '*' } },
  stock_alerts: { reads: 'ofsik', adds: '', deletes: '', changes: {} },
  stock_levels: { reads: 'ofsik', adds: '', deletes: '', changes: {} },
  trading_rules: { reads: 'vcxofsik', adds: 'ok', deletes: 'ok', changes: { ok: '*' } },
  unapplied_callbacks: { reads: 'ofk', adds: '', deletes: '', changes: {} },
  user_profiles: { reads: 'cofsk', adds: 'k', deletes: 'k', changes: {
      k: 'id email account_status total_orders total_spent signup_ip last_login_at deleted_at created_at',
      cosk: 'first_name last_name phone country marketing_consent password updated_at',
    } },
  waiting_deliveries: { reads: 'ofsik', adds: '', deletes: '', changes: {} },
  webhook_debug_calls: { reads: 'ofk', adds: '', deletes: '', changes: {} },
};

export const calls = {
  accept_difference: 'ofk',
  book_manual_payment: 'ofk',
  cancel_order: 'ofsk',
  challenge_progress: 'ofk',
  cohorts_report: 'ofk',
  customers_report: 'ofk',
  delete_my_account: 'cxofsi',
  deliver_account_to_user: 'ofsk',
  end_sessions: 'osk',
  export_my_data: 'cxofsi',
  failed_payments_report: 'ofk',
  funnel_report: 'ofk',
  generate_order_id: 'k',
  get_available_accounts_count: 'cxofsik',
  grant_discount: 'ofk',
  inactivity_report: 'ofk',
  inventory_report: 'oik',
  lifetime_value_report: 'ofk',
  month_close: 'ofk',
  own_credential: 'vcxofsik',
  popularity_report: 'ofk',
  reconciliation_report: 'ofk',
  record_chargeback: 'ofk',
  replay_outbox: 'osk',
  reset_factors: 'ok',
  resolve_review: 'ofk',
  reveal_credential: 'osik',
  revenue_report: 'ofk',
  security_events: 'ok',
  sessions_of: 'osk',
  set_customer_standing: 'osk',
  spending_report: 'ofk',
  stuck_orders: 'ofsk',
  times_report: 'ofk',
};
