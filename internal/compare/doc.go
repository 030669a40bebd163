// Package compare finds the rows by which two tables on two servers differ,
// as two given snapshots see them. It locks nothing that a reader does not,
// and writes nothing.
//
//	totals    each end: count and sum of the rows' hashes      equal: done
//	buckets   the same, by the hash of the key                 which differ
//	rows      those of the buckets that differ, as text        which, and how
//
// Most tables are equal, so the first step is the one that has to be cheap: it
// groups nothing. Each step reads the table in slices of blocks, so that it can
// be shared among connections, and can give way to others between two slices.
//
// # Hashes
//
// A row's hash is a chain: each column is hashed with the hash of those before
// it as the seed. A difference in one column changes the seed of all that
// follow, so values that are swapped between columns, or between rows, change
// the sum. (hash_record_extended, which looks made for this, adds its columns'
// hashes up: to swap a column between two rows does not change the sum. Sums
// must be of hashes that are not themselves sums.)
//
// What is hashed is the text of a value, or its bytes where they say as much:
// the server's own hash functions serve its idea of equality, by which 1.0 is
// 1.00, 5 hashes as -5 does, and 4294967296 as 1. The exact choice per type is
// in columns.go. The functions used are those of hash partitioning, which
// cannot change between versions; a canary, hashed at both ends first, tells
// whether these two servers agree, and where they do not md5 serves.
//
// The seed, and what stands for NULL, are drawn for each comparison.
//
// # Snapshots
//
// A table that was rewritten or emptied since its snapshot was taken shows no
// rows to it. So each slice looks, under its lock on the table, whether the
// file is the one that the snapshot's catalogue names: ErrRewritten.
package compare
