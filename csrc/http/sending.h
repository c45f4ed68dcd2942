/* sending.h: the calls that send to a client: send, sendfile, shutdown. */
#ifndef TUX_SENDING_H
#define TUX_SENDING_H

#include "http/http.h"

i64 tux_sending_send(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom);
i64 tux_sending_sendfile(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom);
i64 tux_sending_shutdown(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom);
/* An atom that a worker performs for the run. */
i64 tux_sending_on_worker(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom);
/* For the stage: may the copied bytes of the file be sent? */
bool tux_sending_still_good(struct tux_stage *stage, struct tux_run *run, bool last);

#endif
