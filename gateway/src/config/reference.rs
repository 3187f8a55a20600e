//! The reference page `docs/configuration.md`, written from the same declarations the loader reads.

use super::model::{Gateway, Link, Residency, Site, SiteProcess, Source, Table, TablePlacement, User};
use super::schema::{Key, Section};

const HEAD: &str = "\
# Configuration

<!-- Generated from gateway/src/config/model.rs: run `NARROWS_WRITE_DOCS=1 cargo test --workspace --lib config` after a change. -->

`narrows gateway --config FILE` reads one TOML file; `narrows check --config FILE` tells whether it is good and whether the
sources answer. A key that Narrows does not know is an error that names the line and the nearest known key. `SIGHUP` makes a
running gateway read the file again: users, limits, time-outs and sources change, running queries keep what they started with,
and a file with an error changes nothing. `listen`, `http_listen`, `data_dir`, `memory_limit`, `spill_limit` and the log's
format change with a restart only.

```toml
config_version = 1

[[source]]
name = \"shop\"
engine = \"postgres\"
host = \"db.example.com\"
database = \"shop\"
user = \"reader\"
password_env = \"SHOP_PASSWORD\"
sslmode = \"verify-full\"

[[source]]
name = \"lake\"
engine = \"files\"
path = \"/data/lake\"

[[user]]
name = \"ana\"
password_verifier = \"SCRAM-SHA-256$…\"
```

The file starts with `config_version = 1`.

A site of its own, `narrows site --config FILE`, has a file with one `[site]` and its `[[source]]` tables; the gateway's file
names it by a `[[site]]` with an `address`. See the end of this page.
";

/// The whole page.
pub fn page() -> String {
    let mut out = HEAD.to_string();
    section::<Gateway>(&mut out, "[gateway]");
    section::<Site>(&mut out, "[[site]]");
    section::<Link>(&mut out, "[[link]]");
    section::<Source>(&mut out, "[[source]]");
    section::<Table>(&mut out, "[[table]]");
    section::<TablePlacement>(&mut out, "[[table.placement]]");
    section::<Residency>(&mut out, "[[residency]]");
    section::<User>(&mut out, "[[user]]");
    section::<SiteProcess>(&mut out, "[site]");
    out
}

fn text(docs: &[&str]) -> String {
    docs.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

fn section<T: Section>(out: &mut String, title: &str) {
    out.push_str(&format!(
        "\n## `{title}`\n\n{}\n\n| key | type | default | meaning |\n|---|---|---|---|\n",
        text(T::DOCS)
    ));
    for Key { name, docs, ty, default, required, .. } in T::KEYS {
        let default = match default {
            Some(default) => format!("`{default}`"),
            None if *required => "required".to_string(),
            None => String::new(),
        };
        out.push_str(&format!("| `{name}` | {ty} | {default} | {} |\n", text(docs).replace('|', "\\|")));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_reference_page_is_up_to_date() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
        let page = super::page();
        if std::env::var_os("NARROWS_WRITE_DOCS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &page).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(found == page, "docs/configuration.md is stale: set NARROWS_WRITE_DOCS=1 and run this test again");
    }
}
