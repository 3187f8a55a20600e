//! Who may log in. Passwords are never kept: a user has a SCRAM verifier, which lets a client in and gives nothing away.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pgwire::api::auth::sasl::scram::{ScramSecret, gen_salted_password};

use crate::config::UserConfig;

pub const ITERATIONS: usize = 4096;

/// `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`, as PostgreSQL keeps it in `pg_authid`.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    iterations: usize,
    salt: Vec<u8>,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

impl Verifier {
    pub fn from_password(password: &str) -> Self {
        Self::derive(password, rand::random::<[u8; 16]>().to_vec())
    }

    /// For a user that does not exist: the exchange goes its usual way and fails at the end, with the same salt every time,
    /// so that nobody can find out which users there are.
    pub fn mock(user: &str, server_secret: &[u8]) -> Self {
        let mut salt = gen_salted_password(user, server_secret, 1);
        salt.truncate(16);
        // No client can prove to know a random key.
        let (stored_key, server_key) = (rand::random::<[u8; 32]>().to_vec(), rand::random::<[u8; 32]>().to_vec());
        Self { iterations: ITERATIONS, salt, stored_key, server_key }
    }

    fn derive(password: &str, salt: Vec<u8>) -> Self {
        let salted = gen_salted_password(password, &salt, ITERATIONS);
        match ScramSecret::verifier_from_salted_password(salt, salted, ITERATIONS) {
            ScramSecret::Verifier { salt, iterations, stored_key, server_key } => {
                Self { iterations, salt, stored_key, server_key }
            }
            ScramSecret::SaltedPassword { .. } => unreachable!("a verifier was asked for"),
        }
    }

    pub fn secret(&self) -> ScramSecret {
        ScramSecret::Verifier {
            salt: self.salt.clone(),
            iterations: self.iterations,
            stored_key: self.stored_key.clone(),
            server_key: self.server_key.clone(),
        }
    }
}

impl FromStr for Verifier {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (head, keys) = text.trim().strip_prefix("SCRAM-SHA-256$")?.split_once('$')?;
            let (iterations, salt) = head.split_once(':')?;
            let (stored, server) = keys.split_once(':')?;
            let verifier = Self {
                iterations: iterations.parse().ok().filter(|n| *n > 0)?,
                salt: STANDARD.decode(salt).ok()?,
                stored_key: STANDARD.decode(stored).ok().filter(|k| k.len() == 32)?,
                server_key: STANDARD.decode(server).ok().filter(|k| k.len() == 32)?,
            };
            (!verifier.salt.is_empty()).then_some(verifier)
        };
        parse().ok_or_else(|| {
            "password_verifier is not a SCRAM-SHA-256 verifier: make one with `narrows hash-password`".to_string()
        })
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [salt, stored, server] = [&self.salt, &self.stored_key, &self.server_key].map(|b| STANDARD.encode(b));
        write!(f, "SCRAM-SHA-256${}:{salt}${stored}:{server}", self.iterations)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(…)")
    }
}

/// The users a gateway knows. Without any, everybody is trusted; the configuration allows that on loopback only.
#[derive(Clone, Debug, Default)]
pub struct Users(HashMap<String, UserConfig>);

impl Users {
    pub fn new(users: &[UserConfig]) -> Self {
        Self(users.iter().map(|u| (u.name.clone(), u.clone())).collect())
    }

    pub fn trusts_everybody(&self) -> bool {
        self.0.is_empty()
    }

    pub fn get(&self, name: &str) -> Option<&UserConfig> {
        self.0.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_made_by_postgresql_is_read_and_made() {
        // `CREATE ROLE a PASSWORD 'sécret pass'` on PostgreSQL 15.
        let text = "SCRAM-SHA-256$4096:kA6SF9y3pFmBbUNB/gsYsw==$CcyMw9eavUGR5SjjKUexcdS/dB0GDwHHkyXUn6XJu6Q=:k3yvMNCdk7B0MiBFG0YQCjrCbCarsq4tsot1hpTVALA=";
        let verifier: Verifier = text.parse().unwrap();
        assert_eq!(Verifier::derive("sécret pass", verifier.salt.clone()), verifier);
        assert_ne!(Verifier::derive("secret pass", verifier.salt.clone()), verifier);
        assert_eq!(verifier.to_string(), text);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "md5abc", "SCRAM-SHA-256$4096:$:", "SCRAM-SHA-256$0:AAAA$AAAA:AAAA"] {
            assert!(text.parse::<Verifier>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_unknown_user_meets_the_same_salt_every_time() {
        let salt = |user: &str, secret: &[u8]| Verifier::mock(user, secret).salt;
        assert_eq!(salt("nobody", b"k"), salt("nobody", b"k"));
        assert_ne!(salt("nobody", b"k"), salt("somebody", b"k"));
        assert_ne!(salt("nobody", b"k"), salt("nobody", b"l"));
    }
}
