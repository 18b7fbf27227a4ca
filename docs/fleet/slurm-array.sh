#!/bin/bash
# Tunes on the nodes of a Slurm array, one part of every space per task, into one shared directory.
# Submit with:   sbatch --array=1-4 docs/fleet/slurm-array.sh
# Then, once:    npx griffin library merge "$GRIFFIN_FLEET" --library "$HOME/griffin-library"
#SBATCH --job-name=griffin-tune
#SBATCH --array=1-4
#SBATCH --exclusive
#SBATCH --time=02:00:00
#SBATCH --requeue
set -euo pipefail

# A directory that all nodes see. Each task appends to a journal of its own in it.
: "${GRIFFIN_FLEET:=$HOME/griffin-fleet}"
: "${GRIFFIN_DEVICE:=cpu}"
: "${GRIFFIN_SHAPE:=llama-2-7b}"

# A task that is killed and requeued goes on where it stopped.
npx griffin tune --device "$GRIFFIN_DEVICE" --synthetic "$GRIFFIN_SHAPE" --effort normal --shard "${SLURM_ARRAY_TASK_ID}/${SLURM_ARRAY_TASK_COUNT}" --library "$GRIFFIN_FLEET"
