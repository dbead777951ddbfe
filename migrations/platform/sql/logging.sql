-- What the server's log never holds, whoever connects and from wherever: the words of a statement, in
-- which somebody may have typed a password, the values of its parameters, and the rows that a detail or
-- a context shows (a line of an import). Errors are logged with their messages. Programs send their values apart, so that their slow statements are still logged
-- (access.sql).
do $$
declare
    v_setting text;
begin
    foreach v_setting in array array[
        'log_error_verbosity=terse', 'log_statement=none', 'log_min_error_statement=panic', 'log_min_duration_statement=-1',
        'log_min_duration_sample=-1', 'log_transaction_sample_rate=0', 'log_parameter_max_length=0',
        'log_parameter_max_length_on_error=0']
    loop
        execute format('alter database %I set %s = %L', current_database(),
                       split_part(v_setting, '=', 1), split_part(v_setting, '=', 2));
    end loop;
end
$$;
