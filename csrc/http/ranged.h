/* ranged.h: one decision for every single range of a file: its numbers are the engine's to fill in.
 *
 * The judge's response answers the range of its request, and names the two places in its head that depend on the range.
 * For another range the engine makes, for that one answer, bytes of its own (the head, and a small slice behind it),
 * and sets other values in the run's cells.
 *
 * Random 64 KiB of 64 MiB, server CPU per request as a ratio to nginx with sendfile: 3.7 to 4.6 when each was judged,
 * 0.8 to 0.9 from the file, 0.36 to 0.46 with the copy; nginx without sendfile is at 0.37 to 0.48. */
#ifndef TUX_RANGED_H
#define TUX_RANGED_H

#include "http/response.h"

/* A slice up to this length is copied behind its head and leaves with it in one send: sendfile(2) of so little costs
 * twice as much. The file's facts are compared after the copy and before its first byte is sent, so it is never half of
 * a version. */
#define TUX_COPIED_SLICE_BYTES_MAX 65536u
/* Most bytes of such copies in one engine: a slow reader holds its copy for long. Beyond that a slice is sent from its
 * file. */
#define TUX_COPIED_BYTES_MAX (16u << 20)

/* How far a head may grow: both texts with the widest numbers. */
#define TUX_RANGED_ROOM (TUX_SLICE_TEXT_MAX + TUX_NUMBER_BYTES_MAX)

/* Verify the places that the judge names, as if an enemy had named them, and store them. The response is complete
 * otherwise. 0, or -EINVAL and one sentence. */
int tux_ranged_learn(struct tux_response *response, const struct tux_response_options *options,
                     char error[TUX_ERROR_BYTES]);

/* The bytes to be sent for a slice, with a reference for the caller; NULL when out of memory. The caller must
 * check the file's version afterwards. */
struct tux_blob *tux_ranged_blob(const struct tux_response *response, const struct tux_slice *slice, const char *date,
                                 struct tux_metrics *metrics);
/* The cells of a run that is about to send them. */
void tux_ranged_fill(const struct tux_response *response, const struct tux_slice *slice, const struct tux_blob *blob,
                     i64 *cells);

#endif
