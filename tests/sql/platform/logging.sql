-- What the server's log never holds.
begin;
select plan(2);
select ok((select d.setconfig @> array['log_statement=none', 'log_min_error_statement=panic',
                                       'log_min_duration_statement=-1',
                                       'log_parameter_max_length=0']
           from pg_db_role_setting as d
           join pg_database as b on b.oid = d.setdatabase and b.datname = current_database()
           where d.setrole = 0), 'words and values of statements');
select is((select count(*) from pg_roles as r
           where r.rolname in ('fn_health', 'fn_send_email', 'fn_send_outbox')
             and not exists (select from pg_db_role_setting as d
                             where d.setrole = r.oid and d.setdatabase = 0
                               and 'log_min_duration_statement=1000' = any (d.setconfig))),
          0::bigint, 'slow statements of programs are logged');
select * from finish();
rollback;
