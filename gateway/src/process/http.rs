//! `/metrics` for Prometheus, `/health` for whoever decides whether this gateway gets clients.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use metrics::{describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use secrecy::ExposeSecret;
use serde_json::json;
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;

use crate::pg::Shared;
use crate::queries::Phase;

/// Seconds a query takes: from a cached point query to an hour.
const BUCKETS: &[f64] = &[0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3600.0];

/// Starts collecting metrics for this process.
pub fn recorder() -> Result<PrometheusHandle, String> {
    let cannot = |error: &dyn std::fmt::Display| format!("cannot start metrics: {error}");
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_string()), BUCKETS)
        .map_err(|e| cannot(&e))?
        .install_recorder()
        .map_err(|e| cannot(&e))?;
    describe_gauge!("narrows_connections", "client connections");
    describe_gauge!("narrows_queries_running", "queries that run");
    describe_gauge!("narrows_queries_queued", "queries that wait for their turn");
    describe_counter!("narrows_queries_total", "queries that ended, by outcome (ok or SQLSTATE)");
    describe_counter!("narrows_errors_total", "errors sent to clients, by SQLSTATE");
    describe_counter!("narrows_rows_sent_total", "rows sent to clients");
    describe_histogram!("narrows_query_seconds", "seconds from a query's arrival to its last row");
    Ok(handle)
}

struct Pages {
    shared: Arc<Shared>,
    metrics: PrometheusHandle,
}

pub async fn serve(shared: Arc<Shared>, listener: TcpListener, metrics: PrometheusHandle) {
    let pages = Arc::new(Pages { shared, metrics });
    let router = router(pages);
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!("the HTTP listener stopped: {error}");
    }
}

fn router(pages: Arc<Pages>) -> Router {
    let router = Router::new().route("/metrics", get(metrics_page)).route("/health", get(health));
    router.layer(from_fn_with_state(pages.clone(), authenticate)).with_state(pages)
}

/// 401 for who does not know the token, if there is one.
async fn authenticate(State(pages): State<Arc<Pages>>, request: Request, next: Next) -> Response {
    let live = pages.shared.live.load();
    let Some(token) = &live.http_token else { return next.run(request).await };
    let given =
        request.headers().get(header::AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    if given.is_some_and(|given| given.ct_eq(token.expose_secret().as_bytes()).into()) {
        return next.run(request).await;
    }
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response()
}

async fn metrics_page(State(pages): State<Arc<Pages>>) -> impl IntoResponse {
    pages.metrics.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], pages.metrics.render())
}

/// 503 while the gateway drains, so that no new clients are sent here.
async fn health(State(pages): State<Arc<Pages>>) -> impl IntoResponse {
    let draining = pages.shared.shutdown.drain.is_cancelled();
    let queries = pages.shared.queries.list();
    let queued = queries.iter().filter(|q| q.phase == Phase::Queued).count();
    let code = if draining { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let body = json!({
        "status": if draining { "draining" } else { "ok" },
        "version": env!("CARGO_PKG_VERSION"),
        "queries": queries.len(),
        "queued": queued,
    });
    (code, Json(body))
}
