#!/bin/sh
# `make install`: what is installed works alone, away from the tree: netc compiles a spec, netc.pc
# says how the C is compiled, and the program runs.
. tests/lib.sh
tree=$PWD root=$PWD/$B/tests/install
rm -rf "$root"
$MAKE -s install DESTDIR="$root/stage" PREFIX=/usr
verdict "make install" $?
for file in bin/netc bin/netc-study lib/libnetc.a lib/pkgconfig/netc.pc include/netc/netc.h \
    include/netc/runtime.h share/netc/main.c; do
    test -s "$root/stage/usr/$file"
    verdict "$file is installed" $?
done
grep -q "$root" "$root/stage/usr/lib/pkgconfig/netc.pc"
test $? -eq 1
verdict "netc.pc does not name DESTDIR" $?

$MAKE -s install PREFIX="$root/local"
verdict "make install PREFIX=" $?
cp specs/mlp_baseline.net "$root"
cd "$root" || exit 1
local/bin/netc mlp_baseline.net -o .
verdict "the installed netc compiles a spec" $?
export PKG_CONFIG_PATH="$root/local/lib/pkgconfig"
$CC -O1 -w -DNETC_NET=mlp_baseline mlp_baseline.c "$(pkg-config --variable=main netc)" \
    $(pkg-config --cflags --libs netc) -o mlp_baseline
verdict "its output compiles with netc.pc" $?
./mlp_baseline summary | grep -q 109386 # parameters
verdict "the program runs" $?
local/bin/netc study mlp_baseline.net --seeds 1 --epochs 1 --limit 200 -o study &&
    grep -q '^mlp_baseline,1,done,' study/results.csv
verdict "the installed netc makes a study" $?

cd "$tree" || exit 1
$MAKE -s uninstall DESTDIR="$root/stage" PREFIX=/usr
find "$root/stage" ! -type d | grep .
test $? -eq 1
verdict "make uninstall leaves no file" $?

summary
