//! Who may use this site: whoever knows the token. Both services ask, rows as much as control.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
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
        match given.is_some_and(|given| given.ct_eq(token.expose_secret().as_bytes()).into()) {
            true => Ok(request),
            false => Err(Status::unauthenticated("the site asks for a token that this gateway does not know")),
        }
    }
}
