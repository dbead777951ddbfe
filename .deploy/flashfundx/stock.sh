# shellcheck shell=bash
# stock: trading accounts from a CSV into the stock.

# The lines of a CSV on standard input as rows for COPY, each with its number and what is wrong with
# its form.  Ends with status 3 and a word about it when the first line is no list of columns.
stock_rows() {
    perl -e '
        use strict;
        my @known = qw(account_size platform_type server_name login_id password investor_password notes);
        my ($quoted, $separator, $from, @head) = (0, undef, 1);
        local $/ = "\n";
        sub stop { print STDERR "line 1: $_[0]\n"; exit 3 }
        sub put { print join("\t", map { !defined ? "\\N" : s/([\\\t\n\r])/{"\\"=>"\\\\","\t"=>"\\t","\n"=>"\\n","\r"=>"\\r"}->{$1}/ger } @_), "\n" }
        sub row {
            my ($number, $text) = @_;
            my (@fields, $problem);
            $text =~ s/\r?\n\z//;
            stop("it is empty") if !@head && $text =~ /^\s*\z/;
            return if $text =~ /^\s*\z/;
            my $copy = $text;
            $problem = "is not UTF-8" if !utf8::decode($copy);
            $problem = "has a NUL" if $text =~ /\0/;
            my $s = quotemeta($separator //= $text =~ /,/ ? "," : ";");
            while (!$problem) {
                if ($text =~ /\G\s*"((?:[^"]|"")*)"\s*(?=$s|\z)/gc) { push @fields, $1 =~ s/""/"/gr }
                elsif ($text =~ /\G([^"]*?)(?=$s|\z)/gc) { push @fields, $1 }
                else { $problem = "has a quote where none may stand"; last }
                last if $text !~ /\G$s/gc;
            }
            if (!@head) {
                stop("it $problem") if $problem;
                @head = map { lc s/^\s+|\s+\z//gr } @fields;
                my %seen;
                for my $name (@head) {
                    stop("\"$name\" is no column; there are: @known") if !grep { $_ eq $name } @known;
                    stop("\"$name\" stands there twice") if $seen{$name}++;
                }
                for my $name (@known[0 .. 4]) { stop("the column $name is missing") if !$seen{$name} }
                return;
            }
            $problem //= sprintf "has %d fields, not %d", scalar @fields, scalar @head if @fields != @head;
            my %field;
            @field{@head} = @fields if !$problem;
            put($number, $problem, @field{@known});
        }
        my $text = "";
        while (my $line = <STDIN>) {
            $line =~ s/^\xEF\xBB\xBF// if $. == 1;
            $text .= $line;
            $quoted ^= ($line =~ tr/"//) % 2;
            next if $quoted;
            row($from, $text);
            ($text, $from) = ("", $. + 1);
        }
        row($from, $text) if $text ne "";
        stop("there is none") if !@head;'
}

# One session and one transaction: the rows go in by COPY, through a trigger that stores each or says
# why not.  A script that breaks off stores nothing.
stock_script() { # commit|rollback, CSV on standard input
    cat <<-'SQL'
		begin;
		copy backend.stock_import (line, problem, account_size, platform_type, server_name, login_id,
		    password, investor_password, notes) from stdin;
	SQL
    stock_rows || return
    cat <<-SQL
		\\.
		select good, duplicate, broken, duplicate + broken > 0 as refused
		  from backend.stock_import_counts() \\gset
		\\echo :good good, :duplicate duplicate, :broken broken
		\\if :refused
		rollback;
		\\echo nothing was stored
		\\else
		$1;
		\\echo $([[ $1 == commit ]] && echo "all were stored" || echo "nothing was stored: a dry run")
		\\endif
	SQL
}

# stock_import commit|rollback, CSV on standard input: says what becomes of each line; false when
# nothing is stored, or would be.
stock_import() {
    stock_script "$1" | with_credential_keys owner_psql -v VERBOSITY=terse -f - 2>&1 |
        sed -u 's/^psql:<stdin>:[0-9]*: //; s/^NOTICE: */  /' | {
        local line=''
        while IFS= read -r line; do
            printf '%s\n' "$line"
            said=$line
        done
        [[ ${said:-} == 'all were stored' || ${said:-} == *': a dry run' ]]
    }
}
