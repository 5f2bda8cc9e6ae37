#!/usr/bin/env bash
# Train a tagger if there is none yet, tag every .txt file of a folder that has no .tsv file yet, and act on exit codes.
#
#   examples/tag_new_files.sh CONFIG FOLDER
set -u
config=$1
folder=$2

seqtool config show "$config" > /dev/null || exit   # the mistake in the config has been printed
if ! seqtool inspect tagger --json > /dev/null 2>&1; then
    seqtool train-tagger "$config" --name tagger --quiet > training.tsv
    case $? in
        0) ;;
        2) echo "correct the config or its data" >&2; exit 2 ;;
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
