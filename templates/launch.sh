#!/usr/bin/env bash
# Build the image, publish the template, launch one run; docs/how-to/operate/dataflow.md says what must be there before.
#
#   templates/launch.sh build                                          image and template
#   templates/launch.sh run 2026-01-01 --tracks=... --ranker=...       pages as of a moment; further flags of homeshelf run
#
# Settings, from the environment:
#   PROJECT REGION BUCKET                     where; BUCKET without gs://
#   REPOSITORY (homeshelf) TAG (git commit)   the image: REGION-docker.pkg.dev/PROJECT/REPOSITORY/homeshelf:TAG
#   EVENTS OUTPUT                             gs:// paths; OUTPUT defaults to gs://BUCKET/home
#   SERVICE_ACCOUNT (homeshelf-worker) SUBNETWORK (default)
set -euo pipefail
cd "$(dirname "$0")/.."

: "${PROJECT:?is not set}" "${REGION:?is not set}" "${BUCKET:?is not set}"
TAG="${TAG:-$(git rev-parse --short HEAD)}"
IMAGE="$REGION-docker.pkg.dev/$PROJECT/${REPOSITORY:-homeshelf}/homeshelf:$TAG"
TEMPLATE="gs://$BUCKET/templates/home_shelves-$TAG.json"
PYTHON="${PYTHON:-.venv/bin/python}"

build() {
  docker build --file templates/Dockerfile --tag "$IMAGE" .
  docker push "$IMAGE"
  # the spec names the image for workers too, by its digest: a tag can be moved
  local pushed
  pushed="$(docker inspect --format='{{index .RepoDigests 0}}' "$IMAGE")"
  "$PYTHON" -m pipelines.docs.render_template --image="$pushed" | gcloud storage cp - "$TEMPLATE"
  echo "$TEMPLATE"
}

# Parameters are joined by ~ (gcloud topic escaping): values such as --hidden_units=64,32 have commas.
parameters() {
  local joined="^~^events=${EVENTS:?is not set}~output=${OUTPUT:-gs://$BUCKET/home}~as_of=$1"
  shift
  for flag in "$@"; do
    joined+="~${flag#--}"
  done
  echo "$joined"
}

run() {
  local as_of="${1:?run needs the moment that the pages are made for, such as 2026-01-01}"
  local arguments
  arguments="$(parameters "$@")"
  gcloud dataflow flex-template run "homeshelf-$(date -u -d "$as_of" +%Y%m%d)-$(date -u +%H%M%S)" \
    --project="$PROJECT" --region="$REGION" \
    --template-file-gcs-location="$TEMPLATE" \
    --service-account-email="${SERVICE_ACCOUNT:-homeshelf-worker}@$PROJECT.iam.gserviceaccount.com" \
    --subnetwork="regions/$REGION/subnetworks/${SUBNETWORK:-default}" \
    --disable-public-ips \
    --staging-location="gs://$BUCKET/staging" --temp-location="gs://$BUCKET/temp" \
    --worker-machine-type="${MACHINE_TYPE:-n2-highmem-4}" --max-workers="${MAX_WORKERS:-10}" \
    --additional-experiments=use_runner_v2 \
    --parameters="$arguments"
}

command="${1:?build or run?}"
shift
case "$command" in
  build) build ;;
  run) run "$@" ;;
  *) echo "launch.sh: $command is neither build nor run" >&2; exit 2 ;;
esac
