//! Answers in the words of the distribution-spec.

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_RANGE, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;

use super::fault::Fault;

/// Why a request is not answered as it was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Nothing is at this path.
    NoSuchPath,
    /// Not a name of a repository.
    BadName,
    /// Not a digest.
    BadDigest,
    /// Not a number of results.
    BadCount,
    /// Not a query.
    BadQuery,
    /// The repository is not here.
    NoSuchRepository,
    /// The document is not here.
    NoSuchManifest,
    /// The blob is not here.
    NoSuchBlob,
    /// Another method than `GET` and `HEAD`.
    ReadOnly,
    /// A range past the end of content of this size.
    BadRange(u64),
    /// The content is here and damaged.
    Damaged,
    /// The content could not be read.
    Unreadable,
    /// Nobody says who asks, or not rightly.
    Unauthorised,
}

#[derive(Serialize)]
struct Errors {
    errors: [Error; 1],
}

#[derive(Serialize)]
struct Error {
    code: &'static str,
    message: &'static str,
}

impl Refusal {
    /// Status, code (distribution-spec 1.1, "Error Codes") and a message.
    fn parts(&self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Refusal::NoSuchPath => (S::NOT_FOUND, "UNSUPPORTED", "nothing is at this path"),
            Refusal::BadName => (S::BAD_REQUEST, "NAME_INVALID", "not a repository name"),
            Refusal::BadDigest => (S::BAD_REQUEST, "DIGEST_INVALID", "not a digest"),
            Refusal::BadCount => (S::BAD_REQUEST, "UNSUPPORTED", "n is not a number"),
            Refusal::BadQuery => (S::BAD_REQUEST, "UNSUPPORTED", "not a query"),
            Refusal::NoSuchRepository => (S::NOT_FOUND, "NAME_UNKNOWN", "no such repository"),
            Refusal::NoSuchManifest => (S::NOT_FOUND, "MANIFEST_UNKNOWN", "no such manifest"),
            Refusal::NoSuchBlob => (S::NOT_FOUND, "BLOB_UNKNOWN", "no such blob"),
            Refusal::ReadOnly => {
                (S::METHOD_NOT_ALLOWED, "UNSUPPORTED", "this registry is read-only")
            }
            Refusal::BadRange(_) => {
                (S::RANGE_NOT_SATISFIABLE, "UNSUPPORTED", "the range is past the end")
            }
            Refusal::Damaged => {
                (S::INTERNAL_SERVER_ERROR, "UNKNOWN", "the content is not what its digest says")
            }
            Refusal::Unreadable => {
                (S::INTERNAL_SERVER_ERROR, "UNKNOWN", "the content cannot be read")
            }
            Refusal::Unauthorised => {
                (S::UNAUTHORIZED, "UNAUTHORIZED", "a user and a password are needed")
            }
        }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Refusal {
        match fault {
            Fault::Damaged(_) => Refusal::Damaged,
            Fault::Unreadable(_) => Refusal::Unreadable,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response<Body> {
        let (status, code, message) = self.parts();
        let mut response = json(&Errors { errors: [Error { code, message }] });
        *response.status_mut() = status;
        let headers = response.headers_mut();
        match self {
            Refusal::ReadOnly => {
                headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            }
            Refusal::Unauthorised => {
                let challenge = HeaderValue::from_static("Basic realm=\"gapferry\"");
                headers.insert(WWW_AUTHENTICATE, challenge);
            }
            Refusal::BadRange(size) => {
                if let Ok(range) = format!("bytes */{size}").parse() {
                    headers.insert(CONTENT_RANGE, range);
                }
            }
            _ => {}
        }
        response
    }
}

/// `value` as a JSON answer.
pub(super) fn json(value: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(bytes) => ([(CONTENT_TYPE, "application/json")], bytes).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
