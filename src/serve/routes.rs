//! From requests to answers.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LINK, RANGE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use axum::routing::any;
use serde_json::json;
use tokio::task::spawn_blocking;

use super::answer::{self, Refusal};
use super::catalog::{Catalog, Repository};
use super::content::{Pieces, Proofs};
use super::request::{self, Wanted};
use crate::layout::{LayoutError, Store};
use crate::oci::{Descriptor, Digest, OCI_INDEX};

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// What the routes share.
pub(super) struct Registry {
    store: Arc<dyn Store>,
    catalog: Catalog,
    proofs: Proofs,
}

type Answer = Result<Response<Body>, Refusal>;
type Params = HashMap<String, String>;

/// All routes.
pub(super) fn router(registry: Arc<Registry>) -> Router {
    Router::new()
        .route("/v2", any(version))
        .route("/v2/", any(version))
        .route("/v2/_catalog", any(repositories))
        .route("/v2/{*path}", any(content))
        .fallback(|| async { Refusal::NoSuchPath })
        .layer(middleware::from_fn(read_only))
        .with_state(registry)
}

async fn read_only(request: Request, next: Next) -> Response<Body> {
    let mut response = match *request.method() {
        Method::GET | Method::HEAD => next.run(request).await,
        _ => Refusal::ReadOnly.into_response(),
    };
    response.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    response
}

async fn version() -> Response<Body> {
    answer::json(&json!({}))
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
    let repository = registry.catalog.repository(name).ok_or(Refusal::NoSuchRepository)?;
    match wanted {
        Wanted::Tagged(tag) => {
            let digest = *repository.tagged(&tag).ok_or(Refusal::NoSuchManifest)?;
            registry.document(repository, digest).await
        }
        Wanted::Document(digest) => registry.document(repository, digest).await,
        Wanted::Blob(digest) => {
            // RFC 9110, 14.2: ranges are for GET alone.
            let range = headers.get(RANGE).filter(|_| method == Method::GET);
            registry.blob(repository, digest, range.and_then(|range| range.to_str().ok())).await
        }
        Wanted::Tags => {
            let path = format!("/v2/{name}/tags/list");
            list(&path, &params, repository.tags(), |page| json!({ "name": name, "tags": page }))
        }
        Wanted::Referrers(digest) => {
            Ok(registry.referrers(repository, &digest, params.get("artifactType")))
        }
    }
}

impl Registry {
    pub(super) fn new(store: Arc<dyn Store>, catalog: Catalog) -> Registry {
        Registry { store, catalog, proofs: Proofs::default() }
    }

    async fn document(&self, repository: &Repository, digest: Digest) -> Answer {
        let document = self.catalog.document(repository, &digest);
        let descriptor = document.ok_or(Refusal::NoSuchManifest)?.descriptor.clone();
        let store = Arc::clone(&self.store);
        let manifest = spawn_blocking(move || store.manifest(&descriptor)).await;
        let manifest = manifest.map_err(|_| Refusal::Unreadable)?.map_err(|error| match error {
            LayoutError::Missing(_) => Refusal::NoSuchManifest,
            LayoutError::Manifest(_) => Refusal::Damaged,
            _ => Refusal::Unreadable,
        })?;
        let headers = [
            (CONTENT_TYPE, manifest.descriptor().media_type.to_string()),
            (CONTENT_DIGEST, digest.to_string()),
        ];
        Ok((headers, manifest.raw().to_vec()).into_response())
    }

    async fn blob(&self, repository: &Repository, digest: Digest, range: Option<&str>) -> Answer {
        if !repository.has_blob(&digest) {
            return Err(Refusal::NoSuchBlob);
        }
        let section = self.store.open(&digest).map_err(|_| Refusal::Unreadable)?;
        let section = section.ok_or(Refusal::NoSuchBlob)?;
        match self.proofs.holds(digest, section.clone()).await {
            Ok(true) => {}
            Ok(false) => return Err(Refusal::Damaged),
            Err(_) => return Err(Refusal::Unreadable),
        }
        let size = section.size();
        let range = range.map(|range| request::range(range, size)).transpose()?.flatten();
        let part = range.clone().unwrap_or(0..size);
        let length = part.end - part.start;
        let headers = [
            (CONTENT_TYPE, "application/octet-stream".to_owned()),
            (CONTENT_DIGEST, digest.to_string()),
            (CONTENT_LENGTH, length.to_string()),
            (ACCEPT_RANGES, "bytes".to_owned()),
        ];
        let body = Body::from_stream(Pieces::new(section.part(part.start, length)));
        Ok(match range {
            None => (headers, body).into_response(),
            Some(part) => {
                let range = format!("bytes {}-{}/{size}", part.start, part.end - 1);
                (StatusCode::PARTIAL_CONTENT, headers, [(CONTENT_RANGE, range)], body)
                    .into_response()
            }
        })
    }

    fn referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
        kind: Option<&String>,
    ) -> Response<Body> {
        let referrers = self.catalog.referrers(repository, subject).into_iter();
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
