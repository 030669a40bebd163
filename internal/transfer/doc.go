// Package transfer moves the rows of one table from a connection to another.
// It knows tables and nothing of queues: who may see which rows, what becomes
// of a half-made copy and who else writes are its caller's business.
//
//	source                                      destination
//	COPY (chunk) TO ─▶ blocks in memory ─▶ COPY … FROM            no other rows there
//	                                     └▶ staging ─▶ insert …   rows of another snapshot are there
//	                                                   on conflict do nothing
//
// A [Plan] says which columns go and in which format: binary where the same
// bytes mean the same at both ends, else text, which both sessions must write
// and read alike (DateStyle and its kin are the caller's to pin). A [Pipe]
// runs the one COPY into the other through a ring of blocks, so that neither
// side waits for the other's every row; its memory is the ring's, and one row
// of the source while that is being cut into blocks.
//
// A [Chunk] is a range of a table's pages. Chunks of one snapshot do not
// overlap and miss nothing: the last one has no end, and the size is to be
// asked for after the snapshot was taken. Rows that another snapshot may have
// brought already go through a staging table (see [Plan.Merge]).
package transfer
