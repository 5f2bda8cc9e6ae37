#!/usr/bin/env bash
# Train a tagger if there is none yet, tag every .txt file in a folder that has no .tsv beside it, and act on exit codes.
#
#   examples/tag_new_files.sh CONFIG FOLDER
set -u
config=$1
folder=$2

seqtool config show "$config" > /dev/null || exit   # a mistake in the config is on the screen already
if ! seqtool inspect tagger --json > /dev/null 2>&1; then
    seqtool train-tagger "$config" --name tagger --quiet > training.tsv
    case $? in
        0) ;;
        2) echo "the config or its data need mending" >&2; exit 2 ;;
        3) echo "training diverged: try a smaller training.lr" >&2; exit 3 ;;
        130 | 143) echo "stopped" >&2; exit 130 ;;
        *) echo "please report this" >&2; exit 1 ;;
    esac
fi

failed=0
for text in "$folder"/*.txt; do
    tagged=${text%.txt}.tsv
    [ -e "$tagged" ] && continue
    if seqtool tag --model tagger --file "$text" > "$tagged.new"; then
        mv "$tagged.new" "$tagged"
        echo "$tagged"
    else
        rm -f "$tagged.new"
        failed=$((failed + 1))
    fi
done
[ "$failed" -eq 0 ] || { echo "$failed files could not be tagged" >&2; exit 2; }
