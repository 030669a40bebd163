// Package conf reads Skytools' ini files as Python's ConfigParser does.
//
// The format, as far as files in the field depend on it:
//
//	[londiste]                      one section named after the program
//	# comment     ; comment         whole lines only: "a#b" is a value
//	job_name = lmaster              key = value, key: value; keys fold to lower case
//	logfile = ~/log/%(job_name)s.log
//	provider_db = dbname=foo        deeper indented lines go on with the value
//	    host=127.0.0.1
//	[DEFAULT]                       keys for all sections
//
// %(name)s is replaced by another key's value, %% is a percent sign. A key or
// section given twice is an error, as is a line without = or :. Every value
// keeps its line, so that messages name file and line; they never print a
// value that may hold a password.
//
// Programs describe their keys in a table of [Key]: it prints `--ini`, and
// [Section.Unknown] holds the file against it. Keys that mean something to
// another Skytools program only are accepted; [Section.Ignored] names them
// with what replaces them.
//
// Reading is done once at the door: the typed getters of a [Section] collect
// their errors, [Section.Err] returns all at once.
package conf
