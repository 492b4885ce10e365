//! From requests to answers.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::header::{
    ACCEPT_RANGES, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, LINK, RANGE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use axum::routing::any;
use serde_json::json;
use tokio::task::spawn_blocking;

use super::answer::{self, Refusal};
use super::auth::Users;
use super::catalog::{Catalog, Repository};
use super::content::Pieces;
use super::fault::Fault;
use super::metrics::Metrics;
use super::page;
use super::request::{self, Wanted};
use super::stock::Stock;
use crate::oci::{Descriptor, Digest, OCI_INDEX};
use crate::report::{Event, Progress};

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
/// The page brings its own style and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// What the routes share.
pub(super) struct Registry {
    pub(super) stock: Stock,
    pub(super) catalog: Catalog,
    pub(super) users: Option<Users>,
    pub(super) progress: Arc<dyn Progress>,
}

type Answer = Result<Response<Body>, Refusal>;
type Params = HashMap<String, String>;

/// All routes.
pub(super) fn router(registry: Arc<Registry>) -> Router {
    Router::new()
        .route("/", any(front))
        .route("/metrics", any(metrics))
        .route("/v2", any(version))
        .route("/v2/", any(version))
        .route("/v2/_catalog", any(repositories))
        .route("/v2/{*path}", any(content))
        .fallback(|| async { Refusal::NoSuchPath })
        .layer(middleware::from_fn_with_state(Arc::clone(&registry), guard))
        .with_state(registry)
}

/// Before everything else: who asks, and for reading only.
async fn guard(
    State(registry): State<Arc<Registry>>,
    request: Request,
    next: Next,
) -> Response<Body> {
    // The body of a request is not for several threads.
    let (method, header) =
        (request.method().clone(), request.headers().get(AUTHORIZATION).cloned());
    let mut response = match registry.admit(&method, header.as_ref()).await {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    response.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    registry.metrics().answered(response.status().as_u16());
    response
}

async fn version() -> Response<Body> {
    answer::json(&json!({}))
}

async fn metrics(State(registry): State<Arc<Registry>>) -> Response<Body> {
    let text = registry.metrics().text(registry.stock.names.len());
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

async fn front(State(registry): State<Arc<Registry>>) -> Answer {
    // Sizes of a layout's blobs are asked of the disk.
    let html = spawn_blocking(move || page::render(&registry.catalog, &registry.stock)).await;
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, POLICY)];
    Ok((headers, html.map_err(|_| Refusal::Unreadable)?).into_response())
}

async fn repositories(
    State(registry): State<Arc<Registry>>,
    params: Result<Query<Params>, QueryRejection>,
) -> Answer {
    let Query(params) = params.map_err(|_| Refusal::BadQuery)?;
    let names = registry.catalog.names();
    list("/v2/_catalog", &params, names, |page| json!({ "repositories": page }))
}

async fn content(
    State(registry): State<Arc<Registry>>,
    method: Method,
    path: Result<Path<String>, PathRejection>,
    params: Result<Query<Params>, QueryRejection>,
    headers: HeaderMap,
) -> Answer {
    let Path(path) = path.map_err(|_| Refusal::NoSuchPath)?;
    let Query(params) = params.map_err(|_| Refusal::BadQuery)?;
    let (name, wanted) = request::parse(&path)?;
    let host = request::stands_for(params.get("ns").map(String::as_str));
    let repository = registry.catalog.repository(name, host).ok_or(Refusal::NoSuchRepository)?;
    match wanted {
        Wanted::Tagged(tag) => {
            let digest = *repository.tagged(&tag).ok_or(Refusal::NoSuchManifest)?;
            registry.document(repository, digest).await
        }
        Wanted::Document(digest) => registry.document(repository, digest).await,
        Wanted::Blob(digest) => {
            if !repository.has_blob(&digest) {
                return Err(Refusal::NoSuchBlob);
            }
            // RFC 9110, 14.2: ranges are for GET alone.
            let range = headers.get(RANGE).filter(|_| method == Method::GET);
            let range = range.and_then(|range| range.to_str().ok());
            blob(Arc::clone(&registry), digest, range, method == Method::HEAD).await
        }
        Wanted::Tags => {
            let path = format!("/v2/{name}/tags/list");
            let tags = repository.tags().map(|(tag, _)| tag);
            list(&path, &params, tags, |page| json!({ "name": name, "tags": page }))
        }
        Wanted::Referrers(digest) => {
            Ok(registry.referrers(repository, &digest, params.get("artifactType")))
        }
    }
}

async fn blob(registry: Arc<Registry>, digest: Digest, range: Option<&str>, head: bool) -> Answer {
    let size = registry.stock.size(digest).await.inspect_err(|fault| registry.found(fault))?;
    let size = size.ok_or(Refusal::NoSuchBlob)?;
    let range = range.map(|range| request::range(range, size)).transpose()?.flatten();
    let part = range.clone().unwrap_or(0..size);
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_DIGEST, digest.to_string()),
        (CONTENT_LENGTH, (part.end - part.start).to_string()),
        (ACCEPT_RANGES, "bytes".to_owned()),
    ];
    if head {
        return Ok((headers, Body::empty()).into_response());
    }
    let body = Body::from_stream(Pieces::open(registry, digest, part.start, part.end).await?);
    Ok(match range {
        None => (headers, body).into_response(),
        Some(part) => {
            let range = format!("bytes {}-{}/{size}", part.start, part.end - 1);
            (StatusCode::PARTIAL_CONTENT, headers, [(CONTENT_RANGE, range)], body).into_response()
        }
    })
}

impl Registry {
    pub(super) fn stock(&self) -> &Stock {
        &self.stock
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.stock.metrics
    }

    /// Counts what is wrong with the content and says so.
    pub(super) fn found(&self, fault: &Fault) {
        match fault {
            Fault::Damaged(_) => self.metrics().damaged(),
            Fault::Unreadable(_) => self.metrics().unreadable(),
        }
        self.progress.event(Event::Doubt { what: format!("not served: {fault}") });
    }

    async fn admit(&self, method: &Method, header: Option<&HeaderValue>) -> Result<(), Refusal> {
        if let Some(users) = &self.users {
            if !users.admit(header.map(HeaderValue::as_bytes)).await {
                return Err(Refusal::Unauthorised);
            }
        }
        match *method {
            Method::GET | Method::HEAD => Ok(()),
            _ => Err(Refusal::ReadOnly),
        }
    }

    async fn document(&self, repository: &Repository, digest: Digest) -> Answer {
        let document = repository.document(&digest, &self.stock.documents);
        let descriptor = document.ok_or(Refusal::NoSuchManifest)?.descriptor.clone();
        let headers = [
            (CONTENT_TYPE, descriptor.media_type.to_string()),
            (CONTENT_DIGEST, digest.to_string()),
        ];
        let raw = self.stock.document(descriptor).await.inspect_err(|fault| self.found(fault))?;
        Ok((headers, raw.ok_or(Refusal::NoSuchManifest)?).into_response())
    }

    fn referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
        kind: Option<&String>,
    ) -> Response<Body> {
        let referrers = repository.referrers(subject, &self.stock.documents).into_iter();
        let referrers = referrers.map(|document| &document.descriptor);
        let fits = |found: &&Descriptor| kind.is_none() || found.artifact_type.as_ref() == kind;
        let manifests: Vec<&Descriptor> = referrers.filter(fits).collect();
        let index = json!({
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": manifests,
        });
        let mut response = answer::json(&index);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(OCI_INDEX));
        if kind.is_some() {
            headers.insert(FILTERS_APPLIED, HeaderValue::from_static("artifactType"));
        }
        response
    }
}

/// A page of a list, with a link to the next one.
fn list<'a>(
    path: &str,
    params: &Params,
    all: impl Iterator<Item = &'a str>,
    body: impl Fn(&[&str]) -> serde_json::Value,
) -> Answer {
    let (n, last) = (params.get("n").map(String::as_str), params.get("last").map(String::as_str));
    let (page, more) = request::page(all, n, last)?;
    let mut response = answer::json(&body(&page));
    if let (true, Some(n), Some(last)) = (more, n, page.last()) {
        if let Ok(link) = format!("<{path}?n={n}&last={last}>; rel=\"next\"").parse() {
            response.headers_mut().insert(LINK, link);
        }
    }
    Ok(response)
}
