-- The words of the mails.
begin;
select plan(1);
select is_empty($$ select template_name from email_templates
                    where concat(subject, html_content, text_content) ~* '\mrepl(y|ies)\M' $$,
                'none asks for a reply: the sender may be one that nobody reads');
select * from finish();
rollback;
