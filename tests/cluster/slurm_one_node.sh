#!/usr/bin/env bash
# A real SLURM on this machine: one node with all its cores, every file of it in one folder.
# Needs root and Debian's packages slurm-wlm and munge.
#
#   eval "$(tests/cluster/slurm_one_node.sh start FOLDER)"    prints: export SLURM_CONF=...
#   tests/cluster/slurm_one_node.sh stop FOLDER
set -euo pipefail

usage() { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ $# -eq 2 ] || usage
mkdir -p "$2"
folder=$(cd "$2" && pwd)

stop() {
  local name pid
  for name in slurmd slurmctld munged; do
    pid=$(cat "$folder/$name.pid" 2>/dev/null) || continue
    kill "$pid" 2>/dev/null || continue
    for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || continue 2; sleep 0.1; done
    kill -9 "$pid" 2>/dev/null || true
  done
}

configure() {
  local node memory
  node=$(hostname -s)
  memory=$(awk '/^MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)
  mkdir -p "$folder/spool" "$folder/state"
  chmod 755 "$folder"
  if [ ! -f "$folder/munge.key" ]; then
    (umask 077; head -c 1024 /dev/urandom > "$folder/munge.key")
  fi
  cat > "$folder/slurm.conf" <<CONF
ClusterName=one_node
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=${SLURMCTLD_PORT:-16817}
SlurmdPort=${SLURMD_PORT:-16818}
SlurmUser=root
AuthType=auth/munge
CryptoType=crypto/munge
# A requeued job starts again when its credentials have expired: after 5 seconds instead of 120.
AuthInfo=socket=$folder/munge.socket,cred_expire=5
MpiDefault=none
# Without control groups and accounting, which a container seldom has.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
# Seconds from SIGTERM to SIGKILL.
KillWait=20
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
SchedulerParameters=sched_interval=2
NodeName=$node NodeAddr=127.0.0.1 CPUs=$(getconf _NPROCESSORS_ONLN) RealMemory=$memory State=UNKNOWN
PartitionName=all Nodes=$node Default=YES MaxTime=INFINITE State=UP
CONF
}

start() {
  configure
  export SLURM_CONF="$folder/slurm.conf"
  munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" \
    --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" --seed-file="$folder/munged.seed" >&2
  slurmctld >&2
  for _ in $(seq 50); do scontrol ping >/dev/null 2>&1 && break; sleep 0.1; done
  slurmd >&2
  for _ in $(seq 150); do
    if sinfo -h -o %t 2>/dev/null | grep -qx idle; then echo "export SLURM_CONF=$SLURM_CONF"; return; fi
    sleep 0.2
  done
  echo "slurm_one_node.sh: the node did not become idle; see $folder/slurmctld.log and slurmd.log" >&2
  stop
  exit 1
}

case $1 in start) start ;; stop) stop ;; *) usage ;; esac
