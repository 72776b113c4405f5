#!/bin/sh
# Packs what is released: every file of the working tree that git does not ignore, without the values of environments.
# The same content gives the same bytes, whoever packs it and when: no time, no name, no setting of git gets in.
set -eu
prefix=$1

root=$(git rev-parse --show-toplevel)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/objects"

# An index and objects of its own: nothing is written into the repository, and a changed tree packs as well as a clean one.
GIT_ALTERNATE_OBJECT_DIRECTORIES=$(cd "$(git rev-parse --git-common-dir)/objects" && pwd)
GIT_OBJECT_DIRECTORY=$scratch/objects
GIT_INDEX_FILE=$scratch/index
export GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_OBJECT_DIRECTORY GIT_INDEX_FILE
cd "$root"
git read-tree HEAD
git -c core.safecrlf=false add --all
git rm -r --quiet --cached --ignore-unmatch -- 'pipelines/environments/*.toml'
tree=$(git write-tree)

# Of a tree alone git would note the current time; of a commit it notes the commit's.
GIT_AUTHOR_DATE='@0 +0000' GIT_COMMITTER_DATE='@0 +0000'
GIT_AUTHOR_NAME=- GIT_AUTHOR_EMAIL=- GIT_COMMITTER_NAME=- GIT_COMMITTER_EMAIL=-
export GIT_AUTHOR_DATE GIT_COMMITTER_DATE
export GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL
commit=$(git -c commit.gpgSign=false commit-tree -m "$prefix" "$tree")

mkdir -p "$(dirname "$ARCHIVE")"
git -c core.autocrlf=false -c tar.umask=0022 archive --format=tar --prefix="$prefix/" --output="$ARCHIVE" "$commit"
echo "$commit" >"$ID"
echo "packed $(wc -c <"$ARCHIVE" | tr -d ' ') bytes as $prefix.tar"
