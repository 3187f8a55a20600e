//! Every setting a client may name: PostgreSQL's own that clients send or ask for, and those under `narrows.`.
//!
//! A setting that means nothing here is still accepted with the values PostgreSQL takes, because drivers and tools set dozens
//! of them without being asked; one that would change results in a way Narrows cannot follow is refused.

/// What values a setting takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Bool,
    /// Whole number within bounds; base unit of the number, if it has one.
    Int {
        min: i64,
        max: i64,
        unit: Unit,
    },
    Real {
        min: f64,
        max: f64,
    },
    Enum(&'static [&'static str]),
    Text,
    /// One value only; PostgreSQL knows others, which are refused with 0A000.
    Only(&'static [&'static str]),
    TimeZone,
    DateStyle,
    SearchPath,
    ClientEncoding,
    /// May be read only.
    Internal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    None,
    Milliseconds,
    Seconds,
    Kilobytes,
    Pages,
}

#[derive(Debug)]
pub struct Setting {
    /// As SHOW prints it.
    pub name: &'static str,
    pub kind: Kind,
    pub default: &'static str,
    /// The client is told of every change.
    pub reported: bool,
    pub description: &'static str,
}

const fn setting(name: &'static str, kind: Kind, default: &'static str, description: &'static str) -> Setting {
    Setting { name, kind, default, reported: false, description }
}

const fn reported(setting: Setting) -> Setting {
    Setting { reported: true, ..setting }
}

const fn int(min: i64, max: i64, unit: Unit) -> Kind {
    Kind::Int { min, max, unit }
}

const MILLISECONDS: Kind = int(0, i32::MAX as i64, Unit::Milliseconds);
const KILOBYTES: Kind = int(64, i32::MAX as i64, Unit::Kilobytes);
const COUNT: Kind = int(0, i32::MAX as i64, Unit::None);
const COST: Kind = Kind::Real { min: 0.0, max: f64::MAX };
const ISOLATION: Kind = Kind::Enum(&["serializable", "repeatable read", "read committed", "read uncommitted"]);
const MESSAGES: Kind =
    Kind::Enum(&["debug5", "debug4", "debug3", "debug2", "debug1", "debug", "log", "notice", "warning", "error"]);
const LOCALE: Kind = Kind::Only(&["C", "POSIX", ""]);

/// What `server_version` says: a PostgreSQL version, because clients choose their queries by it.
pub const SERVER_VERSION: &str = concat!("15.8 (Narrows ", env!("CARGO_PKG_VERSION"), ")");

pub static SETTINGS: &[Setting] = &[
    setting(
        "narrows.pushdown",
        Kind::Enum(&["full", "filter", "off"]),
        "full",
        "How much of a query the sources may answer: whole fragments, single-table filters and columns, or nothing but whole tables.",
    ),
    setting(
        "narrows.reduction",
        Kind::Enum(&["on", "off", "force"]),
        "on",
        "Whether the join keys of one part of a query filter another one at its source before its rows move: where it pays, never, or wherever it can.",
    ),
    setting(
        "narrows.placement",
        Kind::Enum(&["on", "off"]),
        "on",
        "Whether joins across sites, and what follows them, take place at the sites where that is predicted to be fastest, or all in the gateway.",
    ),
    setting(
        "narrows.placement_seed",
        COUNT,
        "0",
        "For tests: a number other than 0 picks the order and the sites of joins by chance, the same ones for the same number.",
    ),
    setting(
        "narrows.aggregation",
        Kind::Enum(&["on", "off", "force"]),
        "on",
        "Whether the sources aggregate their rows before these are joined or united with others: where it pays, never, or wherever they can.",
    ),
    reported(setting(
        "application_name",
        Kind::Text,
        "",
        "Sets the application name to be reported in statistics and logs.",
    )),
    setting("array_nulls", Kind::Only(&["on"]), "on", "Enable input of NULL elements in arrays."),
    setting(
        "backslash_quote",
        Kind::Enum(&["safe_encoding", "on", "off"]),
        "safe_encoding",
        "Sets whether \"\\'\" is allowed in string literals.",
    ),
    setting("block_size", Kind::Internal, "8192", "Shows the size of a disk block."),
    setting("bytea_output", Kind::Only(&["hex"]), "hex", "Sets the output format for bytea."),
    setting(
        "check_function_bodies",
        Kind::Bool,
        "on",
        "Check routine bodies during CREATE FUNCTION and CREATE PROCEDURE.",
    ),
    reported(setting("client_encoding", Kind::ClientEncoding, "UTF8", "Sets the client's character set encoding.")),
    setting("client_min_messages", MESSAGES, "notice", "Sets the message levels that are sent to the client."),
    setting(
        "constraint_exclusion",
        Kind::Enum(&["partition", "on", "off"]),
        "partition",
        "Accepted for compatibility.",
    ),
    setting("cpu_index_tuple_cost", COST, "0.005", "Accepted for compatibility."),
    setting("cpu_operator_cost", COST, "0.0025", "Accepted for compatibility."),
    setting("cpu_tuple_cost", COST, "0.01", "Accepted for compatibility."),
    setting("cursor_tuple_fraction", Kind::Real { min: 0.0, max: 1.0 }, "0.1", "Accepted for compatibility."),
    reported(setting("DateStyle", Kind::DateStyle, "ISO, MDY", "Sets the display format for date and time values.")),
    setting("default_statistics_target", int(1, 10_000, Unit::None), "100", "Accepted for compatibility."),
    setting("default_table_access_method", Kind::Text, "heap", "Accepted for compatibility."),
    setting("default_tablespace", Kind::Text, "", "Accepted for compatibility."),
    setting("default_text_search_config", Kind::Text, "pg_catalog.simple", "Accepted for compatibility."),
    setting("default_toast_compression", Kind::Enum(&["pglz", "lz4"]), "pglz", "Accepted for compatibility."),
    setting(
        "default_transaction_deferrable",
        Kind::Bool,
        "off",
        "Sets the default deferrable status of new transactions.",
    ),
    setting(
        "default_transaction_isolation",
        ISOLATION,
        "read committed",
        "Sets the transaction isolation level of each new transaction.",
    ),
    reported(setting(
        "default_transaction_read_only",
        Kind::Bool,
        "on",
        "Sets the default read-only status of new transactions.",
    )),
    setting("effective_cache_size", int(1, i32::MAX as i64, Unit::Pages), "4GB", "Accepted for compatibility."),
    setting("effective_io_concurrency", int(0, 1000, Unit::None), "1", "Accepted for compatibility."),
    setting("enable_bitmapscan", Kind::Bool, "on", "Accepted for compatibility."),
    setting("enable_hashagg", Kind::Bool, "on", "Accepted for compatibility."),
    setting("enable_hashjoin", Kind::Bool, "on", "Accepted for compatibility."),
    setting("enable_indexonlyscan", Kind::Bool, "on", "Accepted for compatibility."),
    setting("enable_indexscan", Kind::Bool, "on", "Accepted for compatibility."),
    setting("enable_material", Kind::Bool, "on", "Accepted for compatibility."),
    setting("enable_memoize", Kind::Bool, "on", "Accepted for compatibility."),
    setting("enable_mergejoin", Kind::Bool, "on", "Accepted for compatibility."),
    setting("enable_nestloop", Kind::Bool, "on", "Accepted for compatibility."),
    setting("enable_parallel_append", Kind::Bool, "on", "Accepted for compatibility."),
    setting("enable_parallel_hash", Kind::Bool, "on", "Accepted for compatibility."),
    setting("enable_partition_pruning", Kind::Bool, "on", "Accepted for compatibility."),
    setting("enable_partitionwise_aggregate", Kind::Bool, "off", "Accepted for compatibility."),
    setting("enable_partitionwise_join", Kind::Bool, "off", "Accepted for compatibility."),
    setting("enable_seqscan", Kind::Bool, "on", "Accepted for compatibility."),
    setting("enable_sort", Kind::Bool, "on", "Accepted for compatibility."),
    setting("enable_tidscan", Kind::Bool, "on", "Accepted for compatibility."),
    setting("escape_string_warning", Kind::Bool, "on", "Warn about backslash escapes in ordinary string literals."),
    setting("exit_on_error", Kind::Bool, "off", "Accepted for compatibility."),
    setting(
        "extra_float_digits",
        int(-15, 3, Unit::None),
        "1",
        "Sets the number of digits displayed for floating-point values; here always the shortest exact form.",
    ),
    setting("from_collapse_limit", int(1, i32::MAX as i64, Unit::None), "8", "Accepted for compatibility."),
    setting("geqo", Kind::Bool, "on", "Accepted for compatibility."),
    setting("gin_fuzzy_search_limit", COUNT, "0", "Accepted for compatibility."),
    setting("hash_mem_multiplier", Kind::Real { min: 1.0, max: 1000.0 }, "2", "Accepted for compatibility."),
    setting(
        "idle_in_transaction_session_timeout",
        MILLISECONDS,
        "0",
        "Sets the maximum allowed idle time between queries, when in a transaction.",
    ),
    setting(
        "idle_session_timeout",
        MILLISECONDS,
        "0",
        "Sets the maximum allowed idle time between queries, when not in a transaction.",
    ),
    reported(setting("in_hot_standby", Kind::Internal, "off", "Shows whether hot standby is currently active.")),
    reported(setting("integer_datetimes", Kind::Internal, "on", "Shows whether datetimes are integer based.")),
    reported(setting(
        "IntervalStyle",
        Kind::Only(&["postgres"]),
        "postgres",
        "Sets the display format for interval values.",
    )),
    reported(setting("is_superuser", Kind::Internal, "off", "Shows whether the current user is a superuser.")),
    setting("jit", Kind::Bool, "off", "Accepted for compatibility."),
    setting("join_collapse_limit", int(1, i32::MAX as i64, Unit::None), "8", "Accepted for compatibility."),
    setting("lc_collate", Kind::Internal, "C", "Shows the collation order locale."),
    setting("lc_ctype", Kind::Internal, "C", "Shows the character classification and case conversion locale."),
    setting("lc_messages", LOCALE, "C", "Sets the language in which messages are displayed."),
    setting("lc_monetary", LOCALE, "C", "Sets the locale for formatting monetary amounts."),
    setting("lc_numeric", LOCALE, "C", "Sets the locale for formatting numbers."),
    setting("lc_time", LOCALE, "C", "Sets the locale for formatting date and time values."),
    setting("lo_compat_privileges", Kind::Bool, "off", "Accepted for compatibility."),
    setting("lock_timeout", MILLISECONDS, "0", "Sets the maximum allowed duration of any wait for a lock."),
    setting("maintenance_work_mem", KILOBYTES, "64MB", "Accepted for compatibility."),
    setting("max_identifier_length", Kind::Internal, "63", "Shows the maximum identifier length."),
    setting("max_index_keys", Kind::Internal, "32", "Shows the maximum number of index keys."),
    setting("max_parallel_workers", int(0, 1024, Unit::None), "8", "Accepted for compatibility."),
    setting("max_parallel_workers_per_gather", int(0, 1024, Unit::None), "2", "Accepted for compatibility."),
    setting("min_parallel_table_scan_size", COUNT, "1024", "Accepted for compatibility."),
    setting("parallel_setup_cost", COST, "1000", "Accepted for compatibility."),
    setting("parallel_tuple_cost", COST, "0.1", "Accepted for compatibility."),
    setting(
        "password_encryption",
        Kind::Only(&["scram-sha-256"]),
        "scram-sha-256",
        "Chooses the algorithm for encrypting passwords.",
    ),
    setting(
        "plan_cache_mode",
        Kind::Enum(&["auto", "force_generic_plan", "force_custom_plan"]),
        "auto",
        "Accepted for compatibility.",
    ),
    setting("quote_all_identifiers", Kind::Bool, "off", "Accepted for compatibility."),
    setting("random_page_cost", COST, "4", "Accepted for compatibility."),
    setting("role", Kind::Only(&["none"]), "none", "Sets the current role."),
    setting("row_security", Kind::Bool, "on", "Enable row security."),
    setting(
        "search_path",
        Kind::SearchPath,
        "\"$user\", public",
        "Sets the schema search order for names that are not schema-qualified.",
    ),
    setting("seed", Kind::Real { min: -1.0, max: 1.0 }, "0", "Accepted for compatibility."),
    setting("seq_page_cost", COST, "1", "Accepted for compatibility."),
    reported(setting("server_encoding", Kind::Internal, "UTF8", "Shows the server (database) character set encoding.")),
    reported(setting("server_version", Kind::Internal, SERVER_VERSION, "Shows the server version.")),
    setting("server_version_num", Kind::Internal, "150008", "Shows the server version as an integer."),
    reported(setting("session_authorization", Kind::Internal, "", "Sets the session user name.")),
    setting("session_replication_role", Kind::Only(&["origin"]), "origin", "Accepted for compatibility."),
    setting("ssl_renegotiation_limit", int(0, 0, Unit::None), "0", "Accepted for compatibility."),
    reported(setting(
        "standard_conforming_strings",
        Kind::Only(&["on"]),
        "on",
        "Causes '...' strings to treat backslashes literally.",
    )),
    setting("statement_timeout", MILLISECONDS, "0", "Sets the maximum allowed duration of any statement."),
    setting("synchronize_seqscans", Kind::Bool, "on", "Accepted for compatibility."),
    setting(
        "synchronous_commit",
        Kind::Enum(&["local", "remote_write", "remote_apply", "on", "off"]),
        "on",
        "Accepted for compatibility.",
    ),
    setting("tcp_keepalives_count", COUNT, "0", "Accepted for compatibility."),
    setting("tcp_keepalives_idle", int(0, i32::MAX as i64, Unit::Seconds), "0", "Accepted for compatibility."),
    setting("tcp_keepalives_interval", int(0, i32::MAX as i64, Unit::Seconds), "0", "Accepted for compatibility."),
    setting("tcp_user_timeout", MILLISECONDS, "0", "Accepted for compatibility."),
    setting("temp_buffers", int(100, 1_073_741_823, Unit::Pages), "8MB", "Accepted for compatibility."),
    setting("temp_tablespaces", Kind::Text, "", "Accepted for compatibility."),
    reported(setting(
        "TimeZone",
        Kind::TimeZone,
        "UTC",
        "Sets the time zone for displaying and interpreting time stamps.",
    )),
    setting("transaction_deferrable", Kind::Bool, "off", "Whether to defer a read-only serializable transaction."),
    setting("transaction_isolation", ISOLATION, "read committed", "Sets the current transaction's isolation level."),
    setting("transaction_read_only", Kind::Bool, "on", "Sets the current transaction's read-only status."),
    setting("transform_null_equals", Kind::Only(&["off"]), "off", "Treats \"expr=NULL\" as \"expr IS NULL\"."),
    setting("vacuum_cost_delay", Kind::Real { min: 0.0, max: 100.0 }, "0", "Accepted for compatibility."),
    setting("work_mem", KILOBYTES, "4MB", "Accepted for compatibility."),
    setting("xmlbinary", Kind::Enum(&["base64", "hex"]), "base64", "Accepted for compatibility."),
    setting("xmloption", Kind::Enum(&["content", "document"]), "content", "Accepted for compatibility."),
];

/// Those that have one value for ever.
pub fn preset_settings() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(|s| s.kind == Kind::Internal && !s.default.is_empty())
}

/// A setting by name, in any case.
pub fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|s| s.name.eq_ignore_ascii_case(name))
}
