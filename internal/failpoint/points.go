package failpoint

// Point names a commit: the two failpoints lie before and after it.
type Point string

// The commits of the project, in the order in which a table's life meets them.
const (
	Install    Point = "install"     // schema of one database
	Register   Point = "register"    // a table's, sequence's or consumer's registration
	Tick       Point = "tick"        // one tick of one queue
	Notify     Point = "notify"      // consumers woken after a tick
	Rotate     Point = "rotate"      // switch of event tables, step 1 or 2
	Maintain   Point = "maintain"    // any other maintenance call
	Batch      Point = "batch"       // a consumer's batch opened
	Deliver    Point = "deliver"     // what a consumer's handler wrote, and the position
	Finish     Point = "finish"      // a consumer's batch ended, with its retries
	Claim      Point = "claim"       // consumer claimed at the provider, lease taken at the subscriber
	Position   Point = "position"    // consumer registered at the provider, position written down
	Apply      Point = "apply"       // rows and position of one batch
	Settle     Point = "settle"      // position made durable, with sequences or an error beside it
	Ack        Point = "ack"         // position told to the provider
	Fkey       Point = "fkey"        // a foreign key saved and dropped, or restored
	Witness    Point = "witness"     // the token that a crash takes away with a server's unlogged rows
	Emptied    Point = "emptied"     // tokens noted, tables that a crash has emptied marked to be copied anew
	CopyStart  Point = "copy-start"  // table marked in-copy, its consumer registered
	CopyLedger Point = "copy-ledger" // an attempt of a copy begun
	CopyData   Point = "copy-data"   // the copied rows, in one stream
	CopyChunk  Point = "copy-chunk"  // a chunk of the rows and its line in the ledger
	CopyReport Point = "copy-report" // how far copies are, for those who look on
	CopyCatch  Point = "copy-catch"  // a batch of the copied table's own events
	CopyIndex  Point = "copy-index"  // an index or constraint rebuilt
	CopyState  Point = "copy-state"  // a change of merge_state
	CopyFinish Point = "copy-finish" // copy consumer gone
	Barrier    Point = "barrier"     // a tick with the snapshot of a comparison, and the barrier's end
	Export     Point = "export"      // a subscriber's snapshot noted for a comparison
	Fetch      Point = "fetch"       // that snapshot fetched
	Compare    Point = "compare"     // what a comparison found
	Repair     Point = "repair"      // rows told once more
	ParkHold   Point = "park-hold"   // consumer registered that holds a parked table's events
	Park       Point = "park"        // rows, position and the tables that were left out of a batch
	ParkEnd    Point = "park-end"    // a table parked again, or given up
	PartFound  Point = "part-found"  // keys that a comparison has found, for a resync of them
	PartAside  Point = "part-aside"  // a table set aside, of which a part is to be copied anew
	PartRows   Point = "part-rows"   // the rows of the part, with the events before them
	Cluster    Point = "cluster"     // clusters of a PL/Proxy database
)

var points = []Point{
	Install, Register, Tick, Notify, Rotate, Maintain, Batch, Deliver, Finish, Claim, Position, Apply, Settle, Ack, Fkey,
	Witness, Emptied,
	CopyStart, CopyLedger, CopyData, CopyChunk, CopyReport, CopyCatch, CopyIndex, CopyState, CopyFinish, Barrier, Export, Fetch, Compare, Repair,
	ParkHold, Park, ParkEnd, PartFound, PartAside, PartRows, Cluster,
}
