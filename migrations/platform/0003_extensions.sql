-- Extensions have a schema of their own, as on Supabase.

create schema if not exists extensions;
comment on schema extensions is 'Objects of PostgreSQL extensions.';
