/* elaborate_layer.c: the body of a layer or loss, statement by statement. */
#include "elaborate_parts.h"

bool layer_body(Elab *e, const Def *d, Scope *s) {
    for (int i = 0; i < d->body.n && !e->stopped; i++) {
        const Stmt *st = d->body.at[i];
        switch (st->kind) {
        case STMT_PARAM:
        case STMT_STATE: declare_stored(e, s, st); break;
        case STMT_DEFINE: define(e, s, s, st); break;
        default: scan_body(e, s, st);
        }
    }
    Bind *out = scope_find(s, "out");
    if (!out) elab_error(e, d->name.span, "`%s` defines no `out`", d->name.text);
    return out != NULL;
}
