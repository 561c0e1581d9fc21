# Runs the servers of one cluster, and ends them with the test process.
#
# Standard input is a pipe whose other end only the test process holds: its
# lines are orders (calls of the functions below), and its end means that the
# process is gone, however that came about. Then every server is killed and
# the directory removed.
dir=$1

finish() {
    trap '' HUP INT TERM
    for file in "$dir"/*.pid; do
        [ -f "$file" ] && kill -9 "$(cat "$file")"
    done
    wait
    rm -rf -- "$dir"
    exit 0
}

# start NAME PROGRAM ARGUMENT...: NAME.pid says that it runs, NAME.exit that
# it has ended and how, NAME.log is what it wrote. Returns only when it can be
# killed by its pid, so that no end can overtake a start.
start() {
    name=$1
    shift
    rm -f -- "$dir/$name.exit" "$dir/$name.pid"
    (
        trap - HUP INT TERM
        "$@" </dev/null >>"$dir/$name.log" 2>&1 &
        pid=$!
        echo "$pid" >"$dir/$name.new"
        mv "$dir/$name.new" "$dir/$name.pid"
        wait "$pid"
        code=$?
        rm -f -- "$dir/$name.pid"
        echo "$code" >"$dir/$name.exit.new"
        mv "$dir/$name.exit.new" "$dir/$name.exit"
    ) &
    while [ ! -e "$dir/$name.pid" ] && [ ! -e "$dir/$name.exit" ]; do
        sleep 0.01
    done
}

# signal NAME SIGNAL
signal() {
    [ -f "$dir/$1.pid" ] && kill -"$2" "$(cat "$dir/$1.pid")"
}

trap finish HUP INT TERM
while IFS= read -r order; do
    eval "$order"
done
finish
