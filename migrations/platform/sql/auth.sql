-- Who the present request acts for, as on Supabase: policies written for it work unchanged. The
-- data API sets the claims of the request's token before anything else runs.

create or replace function auth.uid()
returns uuid
language sql stable
as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim.sub', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
    )::uuid
$$;
comment on function auth.uid() is 'The user the present request acts for; null without one.';
grant execute on function auth.uid() to anon, authenticated, service_role;

create or replace function auth.role()
returns text
language sql stable
as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim.role', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
    )
$$;
comment on function auth.role() is 'The role claim of the present request''s token.';
grant execute on function auth.role() to anon, authenticated, service_role;

create or replace function auth.email()
returns text
language sql stable
as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim.email', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email'
    )
$$;
comment on function auth.email() is 'The e-mail claim of the present request''s token.';
grant execute on function auth.email() to anon, authenticated, service_role;

create or replace function auth.jwt()
returns jsonb
language sql stable
as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')
    )::jsonb
$$;
comment on function auth.jwt() is 'All claims of the present request''s token.';
grant execute on function auth.jwt() to anon, authenticated, service_role;
