#!/bin/sh
# `make deps`: does nothing where all is there, asks apt-get for what is missing, says what is
# needed on a system without it. Tried with commands of its own in the path.
. tests/lib.sh
dir=$PWD/$B/tests/packages
rm -rf "$dir"
mkdir -p "$dir/bin" "$dir/few" "$dir/data"
command_in() { # FOLDER NAME TEXT
    printf '#!/bin/sh\n%s\n' "$3" > "$1/$2"
    chmod +x "$1/$2"
}
# What would change the system only says so.
for name in apt-get sudo; do command_in "$dir/bin" $name 'echo "$(basename "$0") $*"'; done
# A path with little in it: no compiler, no apt-get.
for name in sh awk cat env id basename; do ln -s "$(command -v $name)" "$dir/few/"; done
touch "$dir/data/train-images-idx3-ubyte.gz"

none "with all there" "$(PATH="$dir/bin:$PATH" NETC_DATA=$dir/data sh tests/deps.sh 2>&1)"

says() { # WHAT OUTPUT PATTERN...: the output has each pattern
    what=$1 output=$2
    shift 2
    for pattern; do
        none "$what: no '$pattern' in" \
            "$(echo "$output" | grep -q -e "$pattern" || echo "${output:-nothing}")"
    done
}
command_in "$dir/few" gcc 'exit 1' # no headers
output=$(PATH="$dir/few" NETC_DATA= sh tests/deps.sh 2>&1)
none "another system: succeeds" "$(PATH="$dir/few" sh tests/deps.sh 2> /dev/null && echo 0)"
says "another system" "$output" make bison flex pkg-config zlib1g-dev libpng-dev libjansson-dev \
    check NETC_DATA

ln -s "$dir/bin/apt-get" "$dir/bin/sudo" "$dir/few/"
output=$(PATH="$dir/few" NETC_DATA=$dir/data sh tests/deps.sh 2>&1)
says "Debian" "$output" "apt-get update" "apt-get install -y.* bison flex.* zlib1g-dev"
none "Debian: asks for more than is missing" \
    "$(echo "$output" | grep -e dataset -e ' gcc ' -e gnuplot -e clang)"
output=$(PATH="$dir/few" NETC_DATA=$dir/data STUDY=1 sh tests/deps.sh 2>&1)
says "for studies" "$output" " gnuplot-nox graphviz"

summary
