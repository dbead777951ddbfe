-- What the data API has to know beside the catalog.

create table platform.sealed_columns (
    table_schema  text not null,
    table_name    text not null,
    column_name   text not null,
    row_id_column text not null,
    reader        text not null check (reader like '_%._%'),
    primary key (table_schema, table_name, column_name)
);
comment on table platform.sealed_columns is
    'Columns of tables and views whose values are sealed (sql/seals.sql). Who asks the data API for '
    'one gets reader (row_id_column, column_name, the value) instead: a function, as schema.name. '
    'A view shows them likewise where it has both columns.';

alter table platform.sealed_columns enable row level security;
revoke all on platform.sealed_columns from public;
