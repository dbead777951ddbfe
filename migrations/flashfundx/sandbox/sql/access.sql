-- The sandbox acts as fn_sandbox, which owns nothing and may only execute functions of its schema.

select platform.make_program_role('fn_sandbox');
grant usage on schema sandbox to fn_sandbox;
