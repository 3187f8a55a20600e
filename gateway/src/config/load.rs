//! From TOML text to tables, with errors that name file, line and the nearest known name.

use std::ops::{Deref, Range};

use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::model::{GATEWAY_TABLES, Gateway, Link, Residency, SITE_TABLES, Site, SiteProcess, Source, Table, User};
use super::schema::{Key, Section};

pub const VERSION: i64 = 1;

/// Something wrong with the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// 0: the file as a whole.
    pub line: usize,
    pub message: String,
}

/// A table together with the line it starts on.
#[derive(Clone, Debug)]
pub struct Located<T> {
    pub line: usize,
    pub value: T,
}

impl<T> Deref for Located<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

/// A gateway's file as it stands, not yet checked for sense.
#[derive(Debug)]
pub struct Raw {
    pub gateway: Located<Gateway>,
    pub sites: Vec<Located<Site>>,
    pub sources: Vec<Located<Source>>,
    pub tables: Vec<Located<Table>>,
    pub links: Vec<Located<Link>>,
    pub residency: Vec<Located<Residency>>,
    pub users: Vec<Located<User>>,
}

/// A site's file.
#[derive(Debug)]
pub struct RawSite {
    pub site: Located<SiteProcess>,
    pub sources: Vec<Located<Source>>,
}

pub fn load(text: &str) -> Result<Raw, Vec<Problem>> {
    let (mut reader, root) = Reader::open(text)?;
    let mut gateway = None;
    let (mut sites, mut sources, mut tables, mut users) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut links, mut residency) = (Vec::new(), Vec::new());
    for (key, value) in root {
        match key.get_ref().as_ref() {
            "config_version" => {}
            "gateway" => gateway = reader.table("gateway", value),
            "site" => sites = reader.list("site", value),
            "source" => sources = reader.list("source", value),
            "table" => tables = reader.list("table", value),
            "link" => links = reader.list("link", value),
            "residency" => residency = reader.list("residency", value),
            "user" => users = reader.list("user", value),
            other => reader.unknown(other, key.span(), GATEWAY_TABLES),
        }
    }
    let gateway = gateway.or_else(|| reader.table("gateway", Spanned::new(0..0, DeValue::Table(DeTable::new()))));
    match gateway {
        Some(gateway) if reader.problems.is_empty() => {
            Ok(Raw { gateway, sites, sources, tables, links, residency, users })
        }
        _ => Err(reader.problems),
    }
}

pub fn load_site(text: &str) -> Result<RawSite, Vec<Problem>> {
    let (mut reader, root) = Reader::open(text)?;
    let (mut site, mut sources) = (None, Vec::new());
    let mut found = false;
    for (key, value) in root {
        match key.get_ref().as_ref() {
            "config_version" => {}
            "site" => {
                found = true;
                site = reader.table("site", value);
            }
            "source" => sources = reader.list("source", value),
            other => reader.unknown(other, key.span(), SITE_TABLES),
        }
    }
    if !found {
        reader.problem(0..0, "a site's file needs a table [site] that says which site this is".to_string());
    }
    match site {
        Some(site) if reader.problems.is_empty() => Ok(RawSite { site, sources }),
        _ => Err(reader.problems),
    }
}

/// `; did you mean "x"?` for a name that is close to a known one.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let best = known.map(|k| (strsim::damerau_levenshtein(name, k), k)).min();
    match best {
        Some((distance, k)) if distance <= 1 + name.len().max(k.len()) / 3 => format!("; did you mean \"{k}\"?"),
        _ => String::new(),
    }
}

struct Reader<'a> {
    text: &'a str,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn open(text: &'a str) -> Result<(Self, DeTable<'a>), Vec<Problem>> {
        let mut reader = Self { text, problems: Vec::new() };
        match DeTable::parse(text) {
            Ok(root) => {
                let root = root.into_inner();
                reader.version(&root);
                Ok((reader, root))
            }
            Err(error) => {
                reader.toml_error(error, "");
                Err(reader.problems)
            }
        }
    }
}

impl Reader<'_> {
    fn unknown(&mut self, name: &str, span: Range<usize>, tables: &[&str]) {
        let known = tables.iter().copied().chain(["config_version"]);
        self.problem(span, format!("unknown table or key \"{name}\"{}", nearest(name, known)));
    }

    fn line(&self, offset: usize) -> usize {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        1 + before.iter().filter(|b| **b == b'\n').count()
    }

    fn problem(&mut self, span: Range<usize>, message: String) {
        let line = self.line(span.start);
        self.problems.push(Problem { line, message });
    }

    fn toml_error(&mut self, error: toml::de::Error, context: &str) {
        let message = format!("{context}{}", error.message().trim_end().replace('\n', ", "));
        self.problem(error.span().unwrap_or(0..0), message);
    }

    fn version(&mut self, root: &DeTable<'_>) {
        let found = root.iter().find(|(k, _)| k.get_ref() == "config_version");
        match found {
            Some((_, v)) if v.get_ref().as_integer().is_some_and(|i| i.as_str() == VERSION.to_string()) => {}
            Some((_, v)) => {
                self.problem(v.span(), format!("config_version must be {VERSION}: this is what this build reads"))
            }
            None => self.problem(0..0, format!("config_version = {VERSION} is missing at the top of the file")),
        }
    }

    fn list<T: Section>(&mut self, name: &str, value: Spanned<DeValue<'_>>) -> Vec<Located<T>> {
        let span = value.span();
        match value.into_inner() {
            DeValue::Array(items) => items.into_iter().filter_map(|item| self.table(name, item)).collect(),
            _ => {
                self.problem(span, format!("\"{name}\" is a list of tables: write [[{name}]]"));
                Vec::new()
            }
        }
    }

    /// Are all keys known and all that are needed there? The defaults are filled in.
    fn keys(&mut self, name: &str, keys: &[Key], table: &mut DeTable<'_>, span: &Range<usize>) {
        for (key, _) in table.iter() {
            let written = key.get_ref().as_ref();
            if !keys.iter().any(|k| k.name == written) {
                let hint = nearest(written, keys.iter().map(|k| k.name));
                self.problem(key.span(), format!("unknown key \"{written}\" in [{name}]{hint}"));
            }
        }
        for key in keys {
            if !key.tables.is_empty()
                && let Some(DeValue::Array(items)) = table.get_mut(key.name).map(Spanned::get_mut)
            {
                for item in items.iter_mut() {
                    let span = item.span();
                    if let DeValue::Table(inner) = item.get_mut() {
                        self.keys(&format!("{name}.{}", key.name), key.tables, inner, &span);
                    }
                }
            }
            if table.contains_key(key.name) {
                continue;
            }
            if let Some(Ok(default)) = key.default.map(DeValue::parse) {
                table.insert(Spanned::new(span.clone(), key.name.into()), default);
            } else if key.required {
                self.problem(span.clone(), format!("[{name}] needs \"{}\" ({})", key.name, key.ty));
            }
        }
    }

    fn table<T: Section>(&mut self, name: &str, value: Spanned<DeValue<'_>>) -> Option<Located<T>> {
        let span = value.span();
        let DeValue::Table(mut table) = value.into_inner() else {
            self.problem(span, format!("\"{name}\" is a table: write [{name}]"));
            return None;
        };
        let before = self.problems.len();
        self.keys(name, T::KEYS, &mut table, &span);
        if self.problems.len() > before {
            return None;
        }
        // One key at a time, so that an error names its key.
        let line = self.line(span.start);
        match T::deserialize(ValueDeserializer::from(Spanned::new(span.clone(), DeValue::Table(table.clone())))) {
            Ok(value) => Some(Located { line, value }),
            Err(error) => {
                let at = error.span().unwrap_or(span);
                let key = table.iter().find(|(_, v)| v.span() == at).map(|(k, _)| k.get_ref().to_string());
                let context = key.map_or(format!("[{name}]: "), |k| format!("[{name}] {k}: "));
                self.toml_error(error, &context);
                None
            }
        }
    }
}
