\set n :client_id + 100000000000
SELECT * FROM platform.auth_user_of_session(('00000000-0000-4000-8000-' || :n)::uuid, ('00000000-0000-4000-a000-' || :n)::uuid);
