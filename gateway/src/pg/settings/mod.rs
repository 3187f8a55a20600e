//! A session's settings: what SET, SHOW and RESET work on, and what a query's context is made from.

mod parse;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use planner::context::{Aggregation, Now, Placement, Pushdown, QueryContext, Reduction, TimeZone};
use planner::error::state;
use planner::{Error, Result};

pub use table::preset_settings;
use table::{Kind, SETTINGS, find};

use super::sql::SetValue;

/// Values that differ from the default, by lower-case name.
type Values = BTreeMap<String, String>;

/// What a transaction or savepoint comes back to.
#[derive(Clone, Debug)]
pub struct Mark {
    session: Values,
    local: Values,
}

#[derive(Debug)]
pub struct Settings {
    user: Arc<str>,
    database: Arc<str>,
    /// From the configuration and the client's start-up packet: what RESET comes back to.
    reset: Values,
    session: Values,
    /// SET LOCAL: until the end of the transaction.
    local: Values,
    /// What the client was last told of settings it is told of.
    told: BTreeMap<&'static str, String>,
    context: QueryContext,
    statement_timeout: Option<Duration>,
    idle_timeout: Option<Duration>,
    idle_in_transaction_timeout: Option<Duration>,
}

impl Settings {
    pub fn new(user: &str, database: &str) -> Self {
        let mut settings = Self {
            user: user.into(),
            database: database.into(),
            reset: Values::new(),
            session: Values::new(),
            local: Values::new(),
            told: BTreeMap::new(),
            context: QueryContext::default(),
            statement_timeout: None,
            idle_timeout: None,
            idle_in_transaction_timeout: None,
        };
        settings.derive();
        settings
    }

    /// A value for the whole session that RESET comes back to.
    pub fn set_initial(&mut self, name: &str, value: &str) -> Result<()> {
        let list = match find(name) {
            // In a start-up packet a list is one string.
            Some(setting) if setting.kind == Kind::SearchPath => parse::search_path(value, "$user"),
            _ => vec![value.to_string()],
        };
        let (key, value) = checked(name, &list)?;
        self.reset.insert(key, value);
        self.derive();
        Ok(())
    }

    pub fn set(&mut self, name: &str, value: &SetValue, local: bool) -> Result<()> {
        if name.eq_ignore_ascii_case("session_authorization") {
            return match value {
                SetValue::Default => Ok(()),
                SetValue::List(list) if list.len() == 1 && *list[0] == *self.user => Ok(()),
                SetValue::List(_) => {
                    Err(Error::new(state::INSUFFICIENT_PRIVILEGE, "permission denied to set session authorization"))
                }
            };
        }
        let (key, value) = match value {
            SetValue::List(list) => checked(name, list)?,
            SetValue::Default => {
                let key = known(name)?;
                let value = self.reset.get(&key).cloned().unwrap_or_else(|| default(&key).to_string());
                (key, value)
            }
        };
        if local {
            self.local.insert(key, value);
        } else {
            self.local.remove(&key);
            self.session.insert(key, value);
        }
        self.derive();
        Ok(())
    }

    /// As `set_config` takes values: one string, lists with commas.
    pub fn set_config(&mut self, name: &str, value: &str, local: bool) -> Result<()> {
        let list = match find(name) {
            Some(setting) if setting.kind == Kind::SearchPath => parse::search_path(value, "$user"),
            _ => vec![value.to_string()],
        };
        self.set(name, &SetValue::List(list), local)
    }

    pub fn reset(&mut self, name: Option<&str>) -> Result<()> {
        match name {
            Some(name) => {
                let key = known(name)?;
                if find(&key).is_some_and(|s| s.kind == Kind::Internal) && key != "session_authorization" {
                    let message = format!("parameter \"{name}\" cannot be changed");
                    return Err(Error::new(state::CANT_CHANGE_RUNTIME_PARAM, message));
                }
                self.session.remove(&key);
                self.local.remove(&key);
            }
            None => {
                self.session.clear();
                self.local.clear();
            }
        }
        self.derive();
        Ok(())
    }

    fn value(&self, key: &str) -> &str {
        if key == "session_authorization" {
            return &self.user;
        }
        let set = self.local.get(key).or_else(|| self.session.get(key)).or_else(|| self.reset.get(key));
        match (set, key) {
            (Some(value), _) => value,
            (None, "transaction_isolation" | "transaction_read_only" | "transaction_deferrable") => {
                self.value(&format!("default_{key}"))
            }
            (None, _) => default(key),
        }
    }

    /// Name as it is shown, and value.
    pub fn show(&self, name: &str) -> Result<(String, String)> {
        let key = known(name)?;
        let Some(setting) = find(&key) else {
            // A custom setting exists once it was set.
            let value = self.local.get(&key).or_else(|| self.session.get(&key)).or_else(|| self.reset.get(&key));
            return value.map(|value| (name.to_string(), value.clone())).ok_or_else(|| unrecognized(name));
        };
        Ok((setting.name.to_string(), self.value(&key).to_string()))
    }

    /// Name, value, description of everything, in order of names.
    pub fn show_all(&self) -> Vec<(String, String, String)> {
        let mut all: Vec<_> = SETTINGS
            .iter()
            .map(|s| {
                (s.name.to_string(), self.value(&s.name.to_ascii_lowercase()).to_string(), s.description.to_string())
            })
            .collect();
        all.sort_by_key(|(name, _, _)| name.to_ascii_lowercase());
        all
    }

    pub fn mark(&self) -> Mark {
        Mark { session: self.session.clone(), local: self.local.clone() }
    }

    pub fn roll_back_to(&mut self, mark: &Mark) {
        self.session = mark.session.clone();
        self.local = mark.local.clone();
        self.derive();
    }

    /// SET LOCAL ends with the transaction.
    pub fn end_transaction(&mut self) {
        if !self.local.is_empty() {
            self.local.clear();
            self.derive();
        }
    }

    /// Settings the client has to be told of because they changed since the last call.
    pub fn news(&mut self) -> Vec<(&'static str, String)> {
        let mut news = Vec::new();
        for setting in SETTINGS.iter().filter(|s| s.reported) {
            let value = self.value(&setting.name.to_ascii_lowercase());
            if self.told.get(setting.name).is_none_or(|told| told != value) {
                news.push((setting.name, value.to_string()));
            }
        }
        self.told.extend(news.iter().cloned());
        news
    }

    /// `client_min_messages` lets warnings through.
    pub fn wants_warnings(&self) -> bool {
        self.value("client_min_messages") != "error"
    }

    pub fn context(&self, now_micros: i64) -> QueryContext {
        QueryContext { now: Now::at(now_micros), ..self.context.clone() }
    }

    pub fn time_zone(&self) -> TimeZone {
        self.context.time_zone
    }

    pub fn application_name(&self) -> &str {
        self.value("application_name")
    }

    pub fn user(&self) -> &Arc<str> {
        &self.user
    }

    pub fn statement_timeout(&self) -> Option<Duration> {
        self.statement_timeout
    }

    pub fn idle_timeout(&self, in_transaction: bool) -> Option<Duration> {
        if in_transaction { self.idle_in_transaction_timeout } else { self.idle_timeout }
    }

    /// Recomputes what is needed for every query.
    fn derive(&mut self) {
        let timeout =
            |name: &str| Some(parse::milliseconds(self.value(name))).filter(|ms| *ms > 0).map(Duration::from_millis);
        let (statement, idle) = (timeout("statement_timeout"), timeout("idle_session_timeout"));
        let in_transaction = timeout("idle_in_transaction_session_timeout");
        self.context = QueryContext {
            principal: self.user.clone(),
            database: self.database.clone(),
            search_path: parse::search_path(self.value("search_path"), &self.user),
            time_zone: parse::time_zone(self.value("timezone"))
                .map_or(QueryContext::default().time_zone, |(zone, _)| zone),
            date_order: parse::date_order(self.value("datestyle")),
            now: Now::at(0),
            pushdown: match self.value("narrows.pushdown") {
                "filter" => Pushdown::Filter,
                "off" => Pushdown::Off,
                _ => Pushdown::Full,
            },
            reduction: match self.value("narrows.reduction") {
                "off" => Reduction::Off,
                "force" => Reduction::Force,
                _ => Reduction::On,
            },
            placement: match (self.value("narrows.placement"), self.value("narrows.placement_seed").parse()) {
                ("off", _) => Placement::Off,
                (_, Ok(seed)) if seed != 0 => Placement::Random(seed),
                _ => Placement::On,
            },
            aggregation: match self.value("narrows.aggregation") {
                "off" => Aggregation::Off,
                "force" => Aggregation::Force,
                _ => Aggregation::On,
            },
            avoid: BTreeSet::new(),
        };
        self.statement_timeout = statement;
        self.idle_timeout = idle;
        self.idle_in_transaction_timeout = in_transaction;
    }
}

fn default(key: &str) -> &'static str {
    find(key).map_or("", |s| s.default)
}

/// The key of a setting that exists. Names with a dot exist as soon as somebody sets them, except Narrows' own.
fn known(name: &str) -> Result<String> {
    let key = name.to_ascii_lowercase();
    let custom = key.contains('.') && !key.starts_with("narrows.");
    if find(&key).is_some() || custom {
        return Ok(key);
    }
    let error = unrecognized(name);
    let hint = crate::config::nearest(&key, SETTINGS.iter().map(|s| s.name));
    Err(if hint.is_empty() { error } else { error.with_hint(sentence(&hint)) })
}

fn unrecognized(name: &str) -> Error {
    Error::new(state::UNDEFINED_OBJECT, format!("unrecognized configuration parameter \"{name}\""))
}

/// `; did you mean "x"?` as a sentence of its own.
fn sentence(hint: &str) -> String {
    hint.trim_start_matches("; ").replacen("did", "Did", 1)
}

fn checked(name: &str, list: &[String]) -> Result<(String, String)> {
    let key = known(name)?;
    let value = match find(&key) {
        Some(setting) => parse::canonical(setting, list)?,
        None => list.join(", "),
    };
    Ok((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(value: &str) -> SetValue {
        SetValue::List(vec![value.to_string()])
    }

    #[test]
    fn local_values_and_rollback() {
        let mut s = Settings::new("ana", "db");
        s.set_initial("timezone", "Europe/Rome").unwrap();
        s.set("timezone", &list("UTC"), false).unwrap();
        let mark = s.mark();
        s.set("TimeZone", &list("Asia/Tokyo"), true).unwrap();
        assert_eq!(s.show("timezone").unwrap(), ("TimeZone".to_string(), "Asia/Tokyo".to_string()));
        s.end_transaction();
        assert_eq!(s.show("timezone").unwrap().1, "UTC");
        s.set("timezone", &list("Asia/Tokyo"), false).unwrap();
        s.roll_back_to(&mark);
        assert_eq!(s.show("timezone").unwrap().1, "UTC");
        s.reset(None).unwrap();
        assert_eq!(s.show("timezone").unwrap().1, "Europe/Rome");
    }

    #[test]
    fn unknown_names() {
        let mut s = Settings::new("ana", "db");
        let error = s.set("serch_path", &list("x"), false).unwrap_err();
        assert_eq!((error.sqlstate(), error.hint()), (state::UNDEFINED_OBJECT, Some("Did you mean \"search_path\"?")));
        assert!(s.set("narrows.speed", &list("x"), false).is_err());
        assert_eq!(s.show("myapp.tenant").unwrap_err().sqlstate(), state::UNDEFINED_OBJECT);
        s.set("myapp.tenant", &list("7"), false).unwrap();
        assert_eq!(s.show("myapp.tenant").unwrap().1, "7");
    }

    #[test]
    fn the_client_is_told_once() {
        let mut s = Settings::new("ana", "db");
        assert!(s.news().iter().any(|(n, v)| *n == "session_authorization" && v == "ana"));
        assert!(s.news().is_empty());
        s.set("application_name", &list("x"), false).unwrap();
        assert_eq!(s.news(), [("application_name", "x".to_string())]);
    }

    #[test]
    fn a_context_follows_the_settings() {
        let mut s = Settings::new("ana", "db");
        s.set_initial("search_path", "a, \"B\"").unwrap();
        s.set("narrows.pushdown", &list("off"), false).unwrap();
        s.set("statement_timeout", &list("2s"), false).unwrap();
        let context = s.context(7);
        assert_eq!(
            (context.search_path.as_slice(), context.pushdown, context.now.micros()),
            (&["a".to_string(), "B".to_string()][..], Pushdown::Off, 7)
        );
        assert_eq!(s.statement_timeout(), Some(Duration::from_secs(2)));
    }
}
