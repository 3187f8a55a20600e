//! Who may use this site: whoever knows the token. Both services ask, rows as much as control.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use tonic::service::Interceptor;
use tonic::{Request, Status};

#[derive(Clone)]
pub struct Auth(Option<Arc<SecretString>>);

impl Auth {
    pub fn new(token: Option<SecretString>) -> Self {
        Self(token.map(Arc::new))
    }
}

impl Interceptor for Auth {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let Some(token) = &self.0 else { return Ok(request) };
        let given = request.metadata().get("authorization").and_then(|v| v.as_bytes().strip_prefix(b"Bearer "));
        match given.is_some_and(|given| same(given, token.expose_secret().as_bytes())) {
            true => Ok(request),
            false => Err(Status::unauthenticated("the site asks for a token that this gateway does not know")),
        }
    }
}

/// Takes as long wherever the difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}
