//! Sites elsewhere, as a gateway sees them.
//!
//! A [`RemoteSite`] keeps the connection to one site: an actor ([`proxy`]) greets, sends heartbeats, notices a loss, and connects
//! again; a guardian brings the actor back should it panic. What the rest of the process uses are the site's sources
//! ([`RemoteSource`]), which queries cannot tell from those of this process. Rows do not pass the actor: each scan fetches its
//! own over a connection of its own ([`channels`], [`fetch`](mod@fetch)). Sites fetch from each other the same way, without actors.

mod channels;
mod dial;
mod fetch;
mod proxy;
mod session;
mod site;
mod source;
mod stream;

pub use channels::Channels;
pub use dial::{RemoteSiteOptions, RemoteTls};
pub use fetch::{Arrived, Fetch, Progress, Supply, fetch};
pub use site::{RemoteSite, SiteState};
pub use source::RemoteSource;
