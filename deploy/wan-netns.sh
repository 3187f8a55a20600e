#!/bin/sh
# Sites as network namespaces, with the kernel's own TCP and queues between them: to check the emulator in user space
# (integration/src/wan/) against, where there is root. `--help` says how.
set -eu

usage() {
    cat <<'TEXT'
Usage: wan-netns.sh run [--rate RATE] [--delay DELAY] SITE... -- COMMAND [ARGUMENT...]
       wan-netns.sh up  [--rate RATE] [--delay DELAY] SITE...
       wan-netns.sh exec SITE COMMAND [ARGUMENT...]
       wan-netns.sh link FROM TO [--rate RATE] [--delay DELAY]
       wan-netns.sh down

  up    puts each site into a network namespace, and a link of its own between every two of them
  exec  runs a command at a site; the name of each site is in its environment: WAN_frankfurt=10.90.1.1
  link  changes one directed link
  down  removes all sites; processes that still run there keep theirs until they end
  run   up, the command (outside of all sites; it uses exec), and down, however the command ends

  RATE   of each link in each direction, as tc(8) writes it (100mbit); default 100mbit
  DELAY  one way, as tc(8) writes it (15ms); 0ms for none; default 15ms

Needs root, ip and tc (iproute2), and the kernel's tbf and, for delays, netem. Names of sites: letters, digits, underscores.
TEXT
}

PREFIX=narrows-wan-
SELF=$0
rate=100mbit
delay=15ms

fail() { echo "wan-netns.sh: $*" >&2; exit 1; }
sites() { ip netns list | sed -n "s/^$PREFIX\([A-Za-z0-9_]*\).*/\1/p"; }
at() { site=$1; shift; ip netns exec "$PREFIX$site" "$@"; }
# A site's number is that of its address.
number() { at "$1" ip -4 -o address show dev lo | sed -n 's/.* 10\.90\.\([0-9]*\)\.1\/32.*/\1/p'; }

need_root() {
    [ "$(id -u)" = 0 ] || fail "network namespaces need root"
    for tool in ip tc; do command -v $tool >/dev/null 2>&1 || fail "needs $tool (package iproute2)"; done
}

# A queue of a tenth of a second at the rate, as routers have; with a delay before it.
shape() { # site, device
    at "$1" tc qdisc del dev "$2" root 2>/dev/null || true
    case $delay in
    0 | 0ms | 0us | 0s) at "$1" tc qdisc add dev "$2" root tbf rate "$rate" burst 128kb latency 100ms ;;
    *)
        at "$1" tc qdisc add dev "$2" root handle 1: netem delay "$delay" limit 100000 ||
            fail "this kernel has no netem (sch_netem): only --delay 0ms works"
        at "$1" tc qdisc add dev "$2" parent 1:1 handle 10: tbf rate "$rate" burst 128kb latency 100ms
        ;;
    esac
}

connect() { # site, number, site, number
    ip -n "$PREFIX$1" link add "to$4" type veth peer name "to$2" netns "$PREFIX$3"
    ip -n "$PREFIX$1" link set "to$4" up
    ip -n "$PREFIX$3" link set "to$2" up
    ip -n "$PREFIX$1" route add "10.90.$4.1" dev "to$4" src "10.90.$2.1"
    ip -n "$PREFIX$3" route add "10.90.$2.1" dev "to$2" src "10.90.$4.1"
    shape "$1" "to$4"
    shape "$3" "to$2"
}

up() { # site...
    [ $# -ge 2 ] || fail "a network has at least two sites"
    [ -z "$(sites)" ] || fail "there are sites already: $(sites | tr '\n' ' ')(wan-netns.sh down removes them)"
    i=0
    for site in "$@"; do
        case $site in *[!A-Za-z0-9_]*) fail "not a name of a site: $site" ;; esac
        i=$((i + 1))
        ip netns add "$PREFIX$site"
        ip -n "$PREFIX$site" link set lo up
        ip -n "$PREFIX$site" address add "10.90.$i.1/32" dev lo
        j=0
        for other in "$@"; do
            j=$((j + 1))
            [ $j -lt $i ] || break
            connect "$other" "$j" "$site" "$i"
        done
    done
}

down() { for site in $(sites); do ip netns del "$PREFIX$site"; done; }

exec_at() { # site, command...
    [ $# -ge 2 ] || fail "exec needs a site and a command"
    site=$1
    shift
    for other in $(sites); do export "WAN_$other=10.90.$(number "$other").1"; done
    exec ip netns exec "$PREFIX$site" "$@"
}

command=${1:-}
[ $# -eq 0 ] || shift
case $command in
-h | --help | help | "") usage; exit 0 ;;
exec) need_root; exec_at "$@" ;;
down) need_root; down; exit 0 ;;
up | run | link) need_root ;;
*) usage >&2; exit 2 ;;
esac

names=""
while [ $# -gt 0 ]; do
    case $1 in
    --rate) [ $# -ge 2 ] || fail "--rate needs a value"; rate=$2; shift 2 ;;
    --delay) [ $# -ge 2 ] || fail "--delay needs a value"; delay=$2; shift 2 ;;
    --) shift; break ;;
    -*) fail "unknown option $1" ;;
    *) names="$names $1"; shift ;;
    esac
done

case $command in
link)
    # shellcheck disable=SC2086
    set -- $names
    [ $# -eq 2 ] || fail "link needs two sites"
    shape "$1" "to$(number "$2")"
    ;;
up)
    # What a failure leaves half built goes away again.
    trap '[ $? -eq 0 ] || down' EXIT
    # shellcheck disable=SC2086
    up $names
    for site in $(sites); do echo "$site 10.90.$(number "$site").1"; done
    ;;
run)
    [ $# -gt 0 ] || fail "run needs a command after --"
    [ -z "$(sites)" ] || fail "there are sites already (wan-netns.sh down removes them)"
    trap down EXIT
    trap 'exit 130' INT TERM
    # shellcheck disable=SC2086
    up $names
    WAN_NETNS="$SELF" "$@"
    ;;
esac
