// Package screen draws on a terminal what a command has found: a state as a
// tree of lines with colours, once ([Print]) or live ([Watch]).
//
// Colours say nothing that the words do not say: NO_COLOR, a terminal that has
// none and a reader who cannot tell them apart lose nothing. The sixteen
// colours of the terminal's own palette are used and no others, so that they
// fit dark and light ones.
//
// Text from outside gets into a line by [Say] only, which shows what a terminal
// would obey.
//
// Where stdout is no terminal there is no tree: the command writes its plain
// text, which scripts read, and [Repeat] writes it again and again.
package screen
