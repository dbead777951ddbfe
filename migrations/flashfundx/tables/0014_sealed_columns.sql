-- What the data API shows of trading passwords: own_credential (sql/credentials.sql), never the column.

insert into platform.sealed_columns (table_schema, table_name, column_name, row_id_column, reader)
values
    ('public', 'delivered_accounts', 'password',          'container_account_id', 'public.own_credential'),
    ('public', 'delivered_accounts', 'investor_password', 'container_account_id', 'public.own_credential'),
    ('public', 'account_container',  'password',          'id', 'public.own_credential'),
    ('public', 'account_container',  'investor_password', 'id', 'public.own_credential');
