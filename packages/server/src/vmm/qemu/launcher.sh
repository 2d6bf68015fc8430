#!/bin/sh
# Makes the world of one VM and becomes its QEMU, in phases: `host` under the workspace's lock, in the host's namespaces; `parent`,
# which only waits; `inside` as the first process of the VM's own; `keep` writes a log. All but the writers inherit the lock.
#
#   flock -n -F LOCK sh launcher.sh host [CGROUP...] -- QEMU ARG...
#
# Environment: VM_UID VM_DIR LOG_DIR STDERR_FILE EXIT_FILE KERNEL INITRD IMAGE DISK ACCEL LOG_BYTES STDERR_BYTES NPROC
set -eu
self=$0
phase=$1
shift

# Copies standard input to $1, keeping at most two files of LOG_BYTES bytes: the last ones. Ends when the last writer is gone.
# While the host has no room, what comes is dropped, and the log says so afterwards.
# stdbuf: a line is in the file as soon as it is read, not when a buffer is full.
keep_log() {
  lost=0
  while :; do
    [ "$lost" -eq 0 ] || { echo "[$lost bytes or more were lost: the host had no room]" 2>/dev/null >>"$1" && lost=0; } || :
    size=$(stat -c %s "$1" 2>/dev/null || echo 0)
    if [ "$size" -ge "$LOG_BYTES" ]; then
      mv -f "$1" "$1.1"
      size=0
    fi
    want=$((LOG_BYTES - size))
    # What was lost is to be told soon after there is room again.
    [ "$lost" -eq 0 ] || [ "$want" -le 4096 ] || want=4096
    if stdbuf -o0 head -c "$want" >>"$1"; then
      [ "$(stat -c %s "$1" 2>/dev/null || echo 0)" -ge "$((size + want))" ] || exit 0
    else
      # One read: whatever is there. Nothing at all is the end.
      piece=$(dd bs=65536 count=1 2>/dev/null | wc -c)
      [ "$piece" -gt 0 ] || exit 0
      lost=$((lost + piece))
    fi
  done
}

case $phase in
host)
  # Before anything can use memory or fork. 0 is the writing process itself.
  while [ "$1" != -- ]; do
    echo 0 >"$1/cgroup.procs"
    shift
  done
  shift
  # When the host runs out of memory, a VM ends before the daemon or its database.
  echo 500 >/proc/self/oom_score_adj
  cd "$VM_DIR"
  umask 077
  mkfifo console.fifo cmd.fifo stderr.fifo
  chown "$VM_UID:$VM_UID" console.fifo cmd.fifo
  # Opened for reading and writing, so that no open waits. These stay open in QEMU and end with it: the writers then see the end.
  exec 8<>console.fifo 9<>cmd.fifo
  exec 2<>stderr.fifo >&2
  # The writers: root without any capability, for their files are out of reach of the VM's user, and without the lock. Each
  # opens its end of the FIFO before it drops the writing end it inherited. The first bytes of stderr matter, of a log the last.
  # A polite signal to the whole session leaves them to write down what QEMU says of it.
  trap '' HUP INT TERM
  drop='setpriv --bounding-set=-all --inh-caps=-all --no-new-privs'
  $drop stdbuf -o0 head -c "$STDERR_BYTES" <stderr.fifo >>"$STDERR_FILE" 2>/dev/null 3>&- 8>&- 9>&- &
  $drop sh "$self" keep "$LOG_DIR/console.log" <console.fifo >/dev/null 2>&1 3>&- 8>&- 9>&- &
  $drop sh "$self" keep "$LOG_DIR/cmd.log" <cmd.fifo >/dev/null 2>&1 3>&- 8>&- 9>&- &
  trap - HUP INT TERM
  exec 4<"$KERNEL" 5<"$INITRD" 6<"$IMAGE" 7<>"$DISK"
  exec unshare --mount --net --pid --ipc --uts sh "$self" parent "$@"
  ;;
parent)
  # The first child is process 1 of the new namespace: all in it end with it. This shell stays to reap it and to say how it ended,
  # 128 and the number of the signal if by one; unshare --fork fails to tell (util-linux 2.38).
  # A polite signal to the whole session must not take the witness away: it only wakes the wait.
  trap : HUP INT TERM
  sh "$self" inside "$@" &
  code=0
  wait $! || code=$?
  while kill -0 $! 2>/dev/null; do
    code=0
    wait $! || code=$?
  done
  # For a daemon that was not there, in a directory where only root writes. Nothing can be forked once process 1 is gone, so no rename:
  # one write, and without its newline it does not count.
  echo "$code" >"$EXIT_FILE" || :
  exit "$code"
  ;;
keep)
  keep_log "$1"
  ;;
inside)
  mount -t proc -o nosuid,nodev,noexec proc /proc
  # Device nodes of the VM's user, seen by this VM only; those of the host stay root's.
  mount -t tmpfs -o size=64k,mode=0755,nosuid,noexec alcove /dev/net
  mknod -m 0600 /dev/net/tun c 10 200
  if [ "$ACCEL" = kvm ]; then
    mknod -m 0600 /dev/net/kvm c 10 232
    chown "$VM_UID:$VM_UID" /dev/net/kvm
    mount --bind /dev/net/kvm /dev/kvm
  fi
  # Persistent and the user's: QEMU opens it without a capability. It dies with this namespace unless it is moved out.
  ip tuntap add dev tap0 mode tap user "$VM_UID" vnet_hdr
  chown "$VM_UID:$VM_UID" /dev/net/tun
  exec prlimit --core=0 --nofile=1024 --nproc="$NPROC" --memlock=65536 --msgqueue=0 \
    setpriv --reuid="$VM_UID" --regid="$VM_UID" --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs "$@"
  ;;
esac
