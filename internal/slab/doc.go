// Package slab keeps many small records in a fixed amount of memory that the garbage
// collector never looks at. A Table maps 128-bit keys to short strings of bytes. It
// does not know what they mean: its user says when each record ends, to which group it
// belongs, and how much it matters (its rank).
//
// # Layout
//
// Memory comes from the operating system, 16 MiB at a time as it is needed, and is
// handed out in pages of 4 KiB (arena.go). It lies outside the Go heap, so a table of
// five million records costs a collection nothing. A record lies in a chain of cells
// of 64 bytes, most records in one (cells.go): 40 bytes of it for the key, its place and
// its label, 24 for the record; each further cell holds 60 bytes. An extendible hash table
// finds the first cell (index.go). What it adds to a record is about 12 bytes.
//
// A table has up to 256 shards, one for each MiB, each with a lock of its own. The
// first bits of a key choose the shard: keys must be keyed hashes, or somebody could
// fill one shard.
//
// # Bounds
//
// The memory of a table never passes the number of bytes it was made with, for cells
// and index together; a few hundred bytes for each shard come on top. Pages are
// reused, and not given back to the system.
//
// An edit moves at most one page of the index at a time, drops at most two records that
// have ended, and evicts at most as many records as it needs cells, each in constant
// time (evict.go). So an edit of a full table of any size costs as much as one of a
// small one.
//
// # Eviction
//
// A record stays until it ends. Only when memory is full is a record evicted before its
// end, and it is counted. Records of a group that takes more than its share are evicted
// first; in a group those of low rank before those of high rank; in a rank those that
// were written longest ago.
//
// # Refusals
//
// A table does not shrink, keeps nothing on disk, has no order of keys, deletes nothing
// on request, and keeps no record of more than MaxRecord bytes.
package slab
