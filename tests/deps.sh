#!/bin/sh
# Install what building netc and training need, where something is missing; with STUDY set also what
# studies and the tests need, with JIT what `netc --jit` needs, with ALL all that check-all needs.
# Where all is there it does nothing.
# Installing is left to apt-get, through sudo where this is not root; on a system without apt-get it
# says what is needed.
packages=

need() { # PACKAGE COMMAND...: the package is needed where the command fails
    package=$1
    shift
    "$@" > /dev/null 2>&1 || packages="$packages $package"
}
header() { echo "#include <$1>" | ${CC:-gcc} -E -x c -; }
bison_is_new() { bison --version | awk 'NR == 1 { new = $NF + 0 >= 3.8 } END { exit !new }'; }
any_clang() { command -v clang || ls /usr/bin/clang-[0-9]*; } # Debian's have a version behind
data_set() {
    for folder in "$NETC_DATA" "$NETC_DATA/fashion-mnist" /usr/share/datasets/fashion-mnist; do
        for type in "" .gz; do
            test -f "$folder/train-images-idx3-ubyte$type" && return 0
        done
    done
    return 1
}

need make            command -v make
need gcc             command -v "${CC:-gcc}"
need libc6-dev       header stdio.h
need bison           bison_is_new
need flex            command -v flex
need pkg-config      command -v pkg-config
need zlib1g-dev      header zlib.h
need libpng-dev      header png.h
need libjansson-dev  header jansson.h
need libcmark-dev    header cmark.h
need check           header check.h
need dataset-fashion-mnist  data_set
test -z "$STUDY$ALL" || need gnuplot-nox command -v gnuplot
test -z "$STUDY$ALL" || need graphviz command -v dot
test -z "$ALL" || need clang any_clang
is_llvm_19() { # for netc --jit
    case $(llvm-config-19 --version || llvm-config --version) in 19.*) ;; *) false ;; esac
}
test -z "$JIT" || need llvm-19-dev is_llvm_19
test -z "$packages" && exit 0

if ! command -v apt-get > /dev/null; then
    cat >&2 << END
Missing, by the names of the Debian packages:$packages
Needed are gcc, make, flex, bison (3.8 or later), pkg-config, zlib, libpng, jansson, cmark and the
test framework Check (https://libcheck.github.io/check), all with their headers; for studies gnuplot
and graphviz; and to train, the data set
Fashion-MNIST (https://github.com/zalandoresearch/fashion-mnist), its four files in a folder that
the variable NETC_DATA names.
END
    exit 1
fi
sudo=
if [ "$(id -u)" -ne 0 ]; then
    sudo=sudo
    if ! command -v sudo > /dev/null; then
        echo "Missing:$packages. As root: apt-get install$packages" >&2
        exit 1
    fi
fi
echo "Installing:$packages"
# The lists of packages may be missing, or name versions that are gone.
$sudo apt-get update && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y $packages
