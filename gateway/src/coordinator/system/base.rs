//! `pg_namespace`, `pg_database`, the roles and `pg_settings`.

use std::collections::BTreeSet;

use planner::catalog::name_oid;

use super::View;
use super::rows::Rows;
use crate::pg::preset_settings;

/// `pg_enc` of UTF8.
const UTF8: i32 = 6;

impl View<'_> {
    pub(super) fn pg_namespace(&self, rows: Rows) -> Rows {
        let all = &self.catalog.schema_oids;
        rows.with("oid", all.values().copied()).with("nspname", all.keys()).all("nspowner", self.owner())
    }

    pub(super) fn pg_database(&self, rows: Rows) -> Rows {
        rows.with("oid", [name_oid(&["database", self.database])])
            .all("datname", self.database)
            .all("datdba", self.owner())
            .all("encoding", UTF8)
            .all("datlocprovider", "c")
            .all("datallowconn", true)
            .all("datconnlimit", -1)
            .all("dattablespace", 1663)
            .all("datcollate", "C")
            .all("datctype", "C")
    }

    /// The configured users, and whoever asks.
    fn users(&self) -> BTreeSet<&str> {
        self.catalog.users.iter().map(String::as_str).chain([self.principal]).collect()
    }

    pub(super) fn roles(&self, view: &str, rows: Rows) -> Rows {
        let all = self.users();
        let oids = all.iter().map(|user| name_oid(&[user]));
        if matches!(view, "pg_user" | "pg_shadow") {
            let rows = rows.with("usename", all.iter().copied()).with("usesysid", oids);
            let rows =
                rows.all("usecreatedb", false).all("usesuper", false).all("userepl", false).all("usebypassrls", false);
            return if view == "pg_user" { rows.all("passwd", "********") } else { rows };
        }
        let rows = rows
            .with("rolname", all.iter().copied())
            .with("oid", oids)
            .all("rolsuper", false)
            .all("rolinherit", true)
            .all("rolcreaterole", false)
            .all("rolcreatedb", false)
            .all("rolcanlogin", true)
            .all("rolreplication", false)
            .all("rolconnlimit", -1)
            .all("rolbypassrls", false);
        if view == "pg_roles" { rows.all("rolpassword", "********") } else { rows }
    }

    /// Those settings that no session can change: of the others, SHOW knows the value.
    pub(super) fn pg_settings(&self, rows: Rows) -> Rows {
        let all: Vec<_> = preset_settings().collect();
        rows.with("name", all.iter().map(|s| s.name))
            .with("setting", all.iter().map(|s| s.default))
            .with("short_desc", all.iter().map(|s| s.description))
            .all("category", "Preset Options")
            .all("context", "internal")
            .all("vartype", "string")
            .all("source", "default")
            .with("boot_val", all.iter().map(|s| s.default))
            .with("reset_val", all.iter().map(|s| s.default))
            .all("pending_restart", false)
    }
}
