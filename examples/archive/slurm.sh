#!/bin/bash
# An archive in eight shards, one for each task of the array. A task that is requeued goes on where it was.
#   sbatch examples/archive/slurm.sh ARCHIVE OUT
# Afterwards: perceiverflow batch merge OUT --out MERGED
#SBATCH --job-name=perceiverflow-archive
#SBATCH --array=0-7
#SBATCH --cpus-per-task=2
#SBATCH --mem=2G
#SBATCH --requeue
set -u
perceiverflow batch --task flow "$1" --out "$2" --resume --time-limit 600
code=$?
# Some files failed, and the report says which: the task has done what it could.
[ "$code" -eq 3 ] && exit 0
exit "$code"
