//! inet: an address with an optional prefix length, in the form PostgreSQL prints. It is carried and shown, not computed with.

use std::net::Ipv6Addr;

use crate::error::{Error, Result};
use crate::pgsem::errors::invalid_syntax;

pub fn parse_inet(text: &str) -> Result<String> {
    let wrong = || invalid_syntax(text, "inet");
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let (address, bits) = if address.contains(':') {
        (ipv6(address.parse().map_err(|_| wrong())?)?, 128)
    } else {
        (ipv4(address).ok_or_else(wrong)?, 32)
    };
    match prefix {
        None => Ok(address),
        Some(prefix) => {
            let digits = !prefix.is_empty() && prefix.bytes().all(|c| c.is_ascii_digit());
            match prefix.parse::<u32>() {
                Ok(length) if digits && length == bits => Ok(address),
                Ok(length) if digits && length < bits => Ok(format!("{address}/{length}")),
                _ => Err(wrong()),
            }
        }
    }
}

fn ipv4(text: &str) -> Option<String> {
    let parts = text.split('.').map(|part| {
        let digits = !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
        part.parse::<u8>().ok().filter(|_| digits).map(|n| n.to_string())
    });
    let parts = parts.collect::<Option<Vec<_>>>()?;
    (parts.len() == 4).then(|| parts.join("."))
}

fn ipv6(address: Ipv6Addr) -> Result<String> {
    // PostgreSQL writes these with the last half as an IPv4 address.
    if address.to_ipv4().is_some() && address.to_ipv4_mapped().is_none() && address.segments()[6..] > [0, 1][..] {
        return Err(Error::unsupported("an IPv4-compatible IPv6 address"));
    }
    Ok(address.to_string())
}
