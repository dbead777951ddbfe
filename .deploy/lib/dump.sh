# shellcheck shell=bash
# dump: rows of tables in what pg_dump writes, for psql.  Nothing in a dump is executed: the rows of the
# tables that are asked for are taken as text, and all else is passed over.

# dump_text SOURCE TABLE…: the dump as text on standard output; SOURCE is a file (text, also with gzip),
# one of pg_dump's own formats, or a database, of which the tables are asked for.
dump_text() {
    local source=$1 asked=() table
    shift
    case $source in
    postgres://* | postgresql://*)
        for table in "$@"; do asked+=(-t "$table"); done
        local -x PGOPTIONS='' # keys of this system's sessions are none of that one's
        # A password stands in no list of processes.
        if url_password_apart "$source"; then
            source=$url_plain
            local -x PGPASSWORD=$url_password
        fi
        pg_dump --data-only --no-owner --no-password --encoding=UTF8 "${asked[@]}" -d "$source"
        ;;
    *)
        if [[ -d $source ]]; then
            pg_restore --data-only -f - "$source"
            return
        fi
        case $(head -c 5 "$source" | tr -d '\0') in
        PGDMP | toc.d) pg_restore --data-only -f - "$source" ;;
        $'\x1f\x8b'*) gzip -dc "$source" ;;
        *) cat "$source" ;;
        esac
        ;;
    esac
}

# dump_sql TABLE=NAME…: from a dump on standard input, SQL for psql that makes a temporary table NAME_in
# of each TABLE: its columns as text, and dump_line, the number of the row's line.  TABLE?=NAME may be
# missing: then NAME_in has no other column and no row.  False: what is wrong has been said.
dump_sql() {
    perl -e '
        use strict;
        my (%name_of, %may_miss, %seen, $table, $count, $rows);
        for (@ARGV) {
            my ($asked, $name) = split /=/;
            my $may = $asked =~ s/\?\z//;
            ($name_of{$asked}, $may_miss{$asked}) = ($name, $may);
        }
        sub stop { print STDERR "line $.: $_[0]\n"; exit 1 }
        sub plain { my $n = shift; $n =~ s/^"(.*)"\z/$1/s; $n =~ s/""/"/g; $n }
        sub names { map { plain($_) } $_[0] =~ /("(?:[^"]|"")*"|[^",\s]+)/g }
        sub put { print @_ or exit 1 }
        sub make { # NAME COLUMN…
            my $name = shift;
            put("create temporary table ${name}_in (dump_line bigint",
                (map { ", \"" . s/"/""/gr . "\" text" } @_), ");\n");
        }
        while (my $line = <STDIN>) {
            if (!defined $table) {
                stop("the dump is in $1, and not in UTF-8: make it with pg_dump --encoding=UTF8")
                    if $line =~ /^SET client_encoding = \x27(.*)\x27;/ && $1 ne "UTF8";
                my ($found) = $line =~ /^(?:COPY|INSERT INTO) ([\w."]+) / or next;
                $found =~ s/"//g;
                next if !$name_of{$found};
                my ($columns) = $line =~ /^COPY \S+ \((.*)\) FROM stdin;\r?$/
                    or stop("$found: rows are read from COPY only; pg_dump without --inserts writes it");
                stop("$found for the second time") if $seen{$found}++;
                my @columns = names($columns);
                ($table, $count, $rows) = ($found, scalar @columns, 0);
                make($name_of{$table}, @columns);
                put("copy $name_of{$table}_in from stdin;\n");
                next;
            }
            $line =~ s/\r?\n\z// or last;
            if ($line eq "\\.") {
                put("\\.\n");
                undef $table;
                next;
            }
            my $fields = 1 + ($line =~ tr/\t//);
            stop("$table: a row of $fields fields, and it has $count") if $fields != $count;
            if ($line =~ /[^\x20-\x7E\t]/) {
                my $copy = $line;
                stop("$table: this is not UTF-8")
                    if !utf8::decode($copy) || $copy =~ /[\x{D800}-\x{DFFF}\x{110000}-\x{7FFFFFFF}]/;
                stop("$table: a character that pg_dump writes in another way") if $line =~ /[\0\r]/;
            }
            stop("$table: a backslash that pg_dump does not write")
                if index($line, "\\") >= 0 && $line =~ /^(?:[^\\]|\\[bfnrtvN\\])*+\\/;
            put("$.\t$line\n");
            print STDERR "$table: $rows rows read\n" if ++$rows % 20000 == 0;
        }
        stop("it ends in the middle of $table: is this all of it?") if defined $table;
        stop("there is none of the tables in it: " . join(" ", sort keys %name_of)) if !%seen;
        for (sort keys %name_of) {
            next if $seen{$_};
            stop("there is no $_ in it") if !$may_miss{$_};
            make($name_of{$_});
        }' "$@"
}

# dump_import SOURCE commit|rollback FILE TABLE=NAME…: the tables as dump_sql makes them, then the SQL in
# FILE, which finds lib/import.sql there; all in one transaction.  False: nothing was changed.
dump_import() {
    local source=$1 end=$2 file=$3 tables=() one
    shift 3
    for one in "$@"; do one=${one%%=*} && tables+=("${one%\?}"); done
    {
        printf 'begin;\n'
        cat "$clone/.deploy/lib/import.sql"
        # Whatever breaks off here leaves psql without the end of its script, and so without a commit.
        dump_text "$source" "${tables[@]}" | dump_sql "$@" || exit 1
        cat "$file"
        printf '%s;\n' "$end"
    } | owner_psql -v VERBOSITY=terse -f - 2>&1 | sed -u 's/^psql:<stdin>:[0-9]*: //; s/^\(NOTICE\|ERROR\): *//'
}

# dump_arguments "$@" of a command: sets `source` and `end`.
dump_arguments() {
    source='' end=commit
    while (($#)); do
        case $1 in
        --dry-run) end=rollback ;;
        -*) refuse "unknown option '$1'" ;;
        *) [[ ! $source ]] || refuse "one dump at a time" && source=$1 ;;
        esac
        shift
    done
    [[ $source ]] || refuse "which dump?"
    [[ $source =~ ^postgres(ql)?:// || ((-f $source || -d $source) && -r $source) ]] || die "$source cannot be read"
}
