//! A source at a site elsewhere.

use std::sync::Arc;

use async_trait::async_trait;
use cost_model::SourceId;
use planner::catalog::{EngineKind, SourceSchema};
use planner::error::state;
use planner::{Error, PgType, Result};

use super::session::RemoteLease;
use super::site::{RemoteSite, Shared};
use crate::connector::ConnectorStatus;
use crate::engine::SessionRequest;
use crate::site::{Lease, SourceHandle};
use crate::wire::proto::{self, reply, request};
use crate::wire::{malformed, names_and_types};

pub struct RemoteSource {
    site: RemoteSite,
    id: SourceId,
    kind: EngineKind,
}

impl RemoteSource {
    pub(super) fn new(site: RemoteSite, id: SourceId, kind: EngineKind) -> Self {
        Self { site, id, kind }
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.site.shared
    }

    /// Files and steps are answered by the site's own functions, with SQL that relies on them.
    fn check_functions(&self) -> Result<()> {
        let connected = self.shared().connected()?;
        if !matches!(self.kind, EngineKind::Files | EngineKind::Site) || connected.same_functions {
            return Ok(());
        }
        let site = self.shared().site();
        let message = format!("site \"{site}\" runs another build of Narrows ({})", connected.version);
        Err(Error::new(state::CANNOT_CONNECT, message)
            .with_site(site.clone())
            .with_source_id(self.id.clone())
            .with_hint("Sources of files need the same build at the site and the gateway."))
    }
}

#[async_trait]
impl SourceHandle for RemoteSource {
    fn kind(&self) -> EngineKind {
        self.kind
    }

    async fn introspect(&self) -> Result<SourceSchema> {
        self.check_functions()?;
        let call = request::Call::Introspect(proto::Introspect { source: self.id.to_string() });
        match self.shared().call(call).await? {
            reply::Result::Schema(schema) => schema.try_into(),
            _ => Err(malformed("a reply")),
        }
    }

    async fn describe(&self, sql: &str) -> Result<Vec<(String, PgType)>> {
        self.check_functions()?;
        let call = request::Call::Describe(proto::Describe { source: self.id.to_string(), sql: sql.to_string() });
        match self.shared().call(call).await? {
            reply::Result::Columns(columns) => names_and_types(columns),
            _ => Err(malformed("a reply")),
        }
    }

    async fn estimate(&self, sql: &str) -> Result<Option<f64>> {
        let call = request::Call::Estimate(proto::Estimate { source: self.id.to_string(), sql: sql.to_string() });
        match self.shared().call(call).await? {
            reply::Result::Estimated(estimated) => Ok(estimated.rows),
            _ => Err(malformed("a reply")),
        }
    }

    async fn lease(&self, request: &SessionRequest) -> Result<Arc<dyn Lease>> {
        self.check_functions()?;
        let lease = RemoteLease::take(self.site.clone(), &self.id, request, true).await?;
        Ok(Arc::new(lease.ok_or_else(|| malformed("a reply"))?))
    }

    async fn try_lease(&self, request: &SessionRequest) -> Result<Option<Arc<dyn Lease>>> {
        self.check_functions()?;
        let lease = RemoteLease::take(self.site.clone(), &self.id, request, false).await?;
        Ok(lease.map(|lease| Arc::new(lease) as Arc<dyn Lease>))
    }

    fn status(&self) -> ConnectorStatus {
        self.shared().status(&self.id, self.kind)
    }
}
