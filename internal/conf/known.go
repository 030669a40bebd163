package conf

// Skytools lists the keys of all Skytools programs, releases 2.1 to 3.12, that
// a file shared with such a program may hold. A program's own table is looked
// at first; what is found only here has no effect, and ReplacedBy says what
// has it instead.
var Skytools = join(
	// Every script.
	keys("job_name is one name for log, pidfile and consumer; set it in this program's section",
		"job_name", "service_name", "host_name", "config_dir", "config_name"),
	keys("only %(name)s interpolation is read", "config_format"),
	keys("set logfile, log_size and log_count; use_skylog = 1 logs to syslog too",
		"logfile", "log_size", "log_count", "use_skylog", "skylog_locations", "logfmt_*", "logdatefmt_*", "syslog", "syslog_ident", "syslog_facility"),
	keys("signals and daemons need pidfile in this program's section", "pidfile"),
	keys("daemons wake by notification; loop_delay is their fallback", "loop_delay", "pgq_keep_lag"),
	keys("errors are retried with a growing delay of at most 20 s", "exception_*", "sql_retry*"),
	keys("connections are kept, and made anew when they fail", "connection_lifetime"),
	keys("give the whole connection string in the key of the database", "*_extra_connstr", "remote_extra_connstr", "base_connstr"),
	keys("status is printed by the status command", "stats_period", "keepalive_stats", "ticker_log_delay"),

	// pgqadm, pgqd.
	keys("this program does not tick; run pgqadm.py TICKER.ini ticker",
		"maint_delay", "maint_delay_min", "queue_refresh_period", "ticker_period", "maint_period", "retry_period", "check_period", "tick_interval"),
	keys("only the ticker reads it, pgqd or pgqadm", "initial_database", "database_list"),
	keys("pgqadm reads db, londiste reads provider_db and subscriber_db", "db", "src_db", "dst_db", "master_db"),

	// londiste 2.1.
	keys("only londiste reads it", "provider_db", "subscriber_db", "pgq_queue_name", "pgq_consumer_id", "lock_timeout", "fake"),
	keys("batches are streamed, their memory is bounded", "pgq_lazy_fetch", "pgq_autocommit"),
	keys("a mirror is a subscriber of its own", "mirror_queue"),
	keys("changes are applied to the subscriber directly", "method", "file_dst"),
	keys("all columns of all rows are compared", "compare_sql", "compare_fmt"),

	// londiste 3, cascades and consumers.
	keys("londiste reads pgq_queue_name and pgq_consumer_id", "queue_name", "consumer_name"),
	keys("ticks are merged while behind", "pgq_batch_collect_events", "pgq_batch_collect_interval"),
	keys("tables are copied side by side, as many as londiste's parallel_copies says", "parallel_copies", "threaded_copy_tables", "threaded_copy_pool_size"),
	keys("a subscriber applies the tables added to it", "local_only", "local_only_drop_execute", "table_filter", "consumer_filter",
		"register_only_tables", "register_skip_tables", "register_only_seqs", "register_skip_seqs"),
	keys("nodes are made from provider_db and subscriber_db", "node_name", "public_node_location", "initial_provider_location"),
	keys("there are no handlers", "handler_modules", "shard_hash_func", "shard_info_sql", "obfuscator_map", "obfuscator_key"),
	keys("the position is told to the provider once a second", "global_wm_publish_period", "local_wm_publish_period"),

	keys("a queue program reads it: pgqadm INI queue_mover, queue_splitter or simple_consumer",
		"dst_queue_name", "queue_field", "dst_query"),

	// Loaders and the rest, which have no counterpart.
	keys("it belongs to a Skytools script that has no counterpart here",
		"fields", "table_mode", "split_mode", "split_part", "split_part_template", "row_mode",
		"bulk_mode", "rename_tables", "mode", "dateformat", "part_template", "dest_table", "part_field", "part_method",
		"load_method", "remap_tables", "dst_schema", "local_tracking_file", "subconsumer_name", "subconsumer_timeout",
		"config_list", "script", "args", "cwd", "user", "disabled",
		"dbread", "fileread", "csv_delimiter", "csv_quotechar", "sql_get_pk_list", "dbwrite", "sql_modify", "dbbefore",
		"sql_before_run", "dbafter", "sql_after_run", "after_zero_rows", "dbcrash", "sql_on_crash", "dbthrottle", "sql_throttle",
		"with_hold", "fetch_count", "autocommit", "commit_delay",
		"users", "groups", "roles", "auto_seq", "seq_name", "seq_usage", "on.*",
		"table_list", "source_query", "target_query", "consumer_query", "where_expr", "extra_connstr", "check_type"),
	keys("standbys and backups are PostgreSQL's own (pg_basebackup, streaming replication)",
		"master_data", "master_config", "master_bin", "master_restart_cmd", "slave", "slave_*", "walmgr_data", "completed_wals",
		"partial_wals", "full_backup", "config_backup", "keep_backups", "keep_symlinks", "compression", "hot_standby",
		"backup_datadir", "use_xlog_functions", "primary_conninfo", "periodic_command", "command_interval"),
)

func keys(replacedBy string, names ...string) []Key {
	var all []Key
	for _, n := range names {
		all = append(all, Key{Name: n, ReplacedBy: replacedBy})
	}
	return all
}

func join(lists ...[]Key) []Key {
	var all []Key
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}
