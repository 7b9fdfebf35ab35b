#!/bin/sh
# Refresh static/vendor from the pinned packages of package.json. Needs node, npm and a network; the product needs neither.
#   sh static/vendor/build/build.sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp "$here"/package.json "$here"/build.mjs "$here"/codemirror-entry.js "$here"/icons.txt "$scratch"
cd "$scratch"
npm install --no-package-lock --ignore-scripts --no-audit --no-fund
node build.mjs "$(dirname "$here")"
