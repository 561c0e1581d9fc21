_kb_complete() {
    local candidate special='[^A-Za-z0-9_./:=@%+,-]' typed=("${COMP_WORDS[@]}") LC_ALL=C
    COMPREPLY=()
    # Behind "=" bash has that as the word, and nothing as what is typed.
    [ -n "$2" ] || typed[COMP_CWORD]=""
    while IFS= read -r candidate; do
        # A candidate is a value, not a word of the shell. With "filenames" bash quotes it
        # as is right for the place; bash 3 has no compopt and does without the candidate.
        if [[ "$candidate" =~ $special ]]; then
            compopt -o filenames 2>/dev/null || continue
        fi
        COMPREPLY+=("$candidate")
    done < <(KB_COMPLETE=bash KB_COMPLETE_INDEX="$COMP_CWORD" kb -- "${typed[@]}")
    if [[ ! "${COMPREPLY[0]-}" =~ [=/:]$ ]]; then
        compopt +o nospace 2>/dev/null
    fi
    return 0
}
complete -o nospace -o bashdefault -F _kb_complete kb
