\set counter :counter + 1
\set session :first + :client_id + 100000000000
SELECT * FROM platform.auth_refresh(('00000000-0000-4000-a000-' || :session)::uuid, :counter, '', '127.0.0.1', 10, 0, 0);
