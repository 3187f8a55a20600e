//! One declaration per configuration table gives the Rust type, the list of known keys, their defaults and the reference page,
//! so that none of them can drift from the others.

use std::net::SocketAddr;
use std::path::PathBuf;

use secrecy::SecretString;
use serde::de::DeserializeOwned;

/// One key of a table, as the reference page and the check for unknown keys need it.
#[derive(Debug)]
pub struct Key {
    pub name: &'static str,
    pub docs: &'static [&'static str],
    pub ty: &'static str,
    /// TOML text of the default.
    pub default: Option<&'static str>,
    pub required: bool,
    /// The keys of the tables that it is a list of.
    pub tables: &'static [Key],
}

/// A field's name as the file has it.
pub const fn written(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
    }
}

/// A configuration table.
pub trait Section: DeserializeOwned {
    const DOCS: &'static [&'static str];
    const KEYS: &'static [Key];
}

/// A type a key may have.
pub trait Setting: DeserializeOwned {
    const TYPE: &'static str;
    const OPTIONAL: bool = false;
    const TABLES: &'static [Key] = &[];
}

impl<T: Setting> Setting for Option<T> {
    const TYPE: &'static str = T::TYPE;
    const OPTIONAL: bool = true;
    const TABLES: &'static [Key] = T::TABLES;
}

macro_rules! setting_types {
    ($($ty:ty = $label:literal),* $(,)?) => { $(impl Setting for $ty { const TYPE: &'static str = $label; })* };
}
pub(super) use setting_types;

setting_types! {
    String = "string",
    bool = "boolean",
    u16 = "integer",
    u32 = "integer",
    f64 = "number",
    SocketAddr = "address and port",
    PathBuf = "path",
    SecretString = "string (secret)",
    Vec<String> = "list of strings",
}

macro_rules! section {
    (
        $(#[doc = $docs:literal])*
        $name:ident {
            $( $(#[doc = $key_docs:literal])* $key:ident : $ty:ty $(= $default:literal)? ),* $(,)?
        }
    ) => {
        $(#[doc = $docs])*
        #[derive(Clone, Debug, serde::Deserialize)]
        pub struct $name {
            $( $(#[doc = $key_docs])* pub $key: $ty, )*
        }

        impl $crate::config::schema::Section for $name {
            const DOCS: &'static [&'static str] = &[$($docs),*];
            const KEYS: &'static [$crate::config::schema::Key] = &[$({
                let default: &[&'static str] = &[$($default)?];
                let default = if default.is_empty() { None } else { Some(default[0]) };
                $crate::config::schema::Key {
                    name: $crate::config::schema::written(stringify!($key)),
                    docs: &[$($key_docs),*],
                    ty: <$ty as $crate::config::schema::Setting>::TYPE,
                    default,
                    required: default.is_none() && !<$ty as $crate::config::schema::Setting>::OPTIONAL,
                    tables: <$ty as $crate::config::schema::Setting>::TABLES,
                }
            }),*];
        }
    };
}
pub(super) use section;
