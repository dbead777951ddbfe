# shellcheck shell=bash
# Usage: ./deploy.sh bench [OPTIONS]
# measure a scratch system and what limits it
#
#   ./deploy.sh bench [--quick] [--only WORK[,WORK…]] [--json FILE] [--compare FILE]
#   ./deploy.sh bench --grow [--orders N,N,…] [--connections N,N,…] [--quick] [--json FILE]
#   ./deploy.sh bench --open [MINUTES] [--json FILE]
#   ./deploy.sh bench --schedules [MINUTES] [--orders N,N,…] [--json FILE]
#   ./deploy.sh bench --count [FOLDER]
#   ./deploy.sh bench --tables FILE…
#
# Measures a scratch system with 100,000 orders, 10,000 customers and 200,000 accounts in stock, and
# what limits it, in turns; prints one table of the medians.  About fifteen minutes, eight with --quick.
#
#   W1 check-payment-status with a stored state that is fresh     limit: pgbench with the same SQL
#   W2 payment-webhook, one in five "finished", durable           limit: pgbench with the same SQL
#   W3 create-crypto-payment over a provider that takes 50 ms     limit: the provider alone
#   W4 W1 beside 500 idle and 100 slow connections                limit: W1
#   auth, in three turns:
#      100 people sign in, each from an address, beside 500       limit: one thread of bcrypt
#         status calls a second; these alone
#      64 sessions are refreshed again and again                   limit: pgbench with the same SQL
#      GET /user with the tokens of 64 sessions                    limit: pgbench with the same SQL
#   data, the data API, as customers:                            limit: pgbench with the same transactions
#      one order by its key; 50 orders with the profile; insert of an order; call of a function
#
#   --quick         fewer and shorter rounds
#   --only          only these turns: nginx, fastcgi, W1, W2, provider, W3, W4, auth, data; with auth and
#                   data their memory is measured, too, with data its start with a hundred tables more;
#                   with growth what the data API costs with ten million rows, a thousand tables and
#                   1 to 1,024 clients
#   --json FILE     write all figures of all rounds
#   --compare FILE  show what changed since that run
#   --grow          instead: what W1 and W2 cost as the shop grows, from ten thousand to ten million
#                   orders with 64 connections (--orders 10000,100000,1000000,10000000), and, at
#                   100,000 orders, as the connections do (--connections 1,16,64,256,1024).  The
#                   largest takes some 30 GB of disk and a quarter of an hour to fill.
#   --open          instead: 1000 mixed requests a minute at random times, for 10 minutes, with
#                   everything running that works in the background; status 1 after an error
#   --schedules     instead: what each SQL call of functions that work on a schedule takes, with
#                   what may wait for it, as the shop grows (--orders 1000000,5000000); then, for 60
#                   minutes (0: not), everything that works in the background beside two sales a
#                   second, with one comparison of provider and books after the other
#   --count         instead: instructions per request of W1, W2 and W3, by callgrind (Debian's
#                   package valgrind); profiles for callgrind_annotate go to FOLDER
#   --tables        instead: put the tables of runs that wrote these files (--json) into
#                   docs/performance.md

main() {
    packages_ensure "${packages_up[@]}" "${packages_bench[@]}"
    exec "$clone/tests/bench/run" "$@"
}
