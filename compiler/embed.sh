#!/bin/sh
# Print a C file with the given text files as the table prelude_files (compiler/prelude.h).
echo '#include "prelude.h"'
echo 'const PreludeFile prelude_files[] = {'
for f in "$@"; do
    printf '    {"%s",\n' "$(basename "$f")"
    sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/     "/' -e 's/$/\\n"/' "$f"
    echo '     ""},'
done
echo '};'
echo 'const int n_prelude_files = sizeof prelude_files / sizeof *prelude_files;'
