//! What is done about each request: the specification, and each quirk in its place.

use gapferry::oci::Digest;
use serde_json::{Value, json};

use super::http::{Early, Reply, Seen, Way};
use super::{Quirk, State, Store, Upload};

const MIB: usize = 1024 * 1024;
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const ANY: &str = "application/octet-stream";

/// Repository and the rest of a path: `/v2/<repository>/<kind>/<rest>`.
struct Route {
    repository: String,
    kind: &'static str,
    rest: String,
}

fn route(path: &str) -> Option<Route> {
    let path = path.strip_prefix("/v2/")?;
    ["/blobs/uploads/", "/blobs/", "/manifests/", "/referrers/", "/tags/"].iter().find_map(|kind| {
        let (repository, rest) = path.split_once(kind)?;
        let kind = kind.trim_matches('/');
        Some(Route { repository: repository.to_owned(), kind, rest: rest.to_owned() })
    })
}

impl State {
    /// What is done about a request before its body is read.
    pub(super) fn early(&self, seen: &Seen) -> Early {
        let length = seen.length();
        let html = || Early::Refuse(Reply::new(413).body("text/html", b"<html>".to_vec()));
        if !seen.path.contains("/blobs/uploads/") {
            return Early::Go;
        }
        let cap = self.say(|quirk| match quirk {
            Quirk::RequestsUpTo4MiB => Some(4 * MIB),
            Quirk::ChunksFrom5MiB => Some(8 * MIB),
            Quirk::RequestsUpTo100MB => Some(100_000_000),
            _ => None,
        });
        if cap.is_some_and(|cap| length > cap) {
            return html();
        }
        let large = self.has(Quirk::LargeRequestsCut) && length > 8 * MIB;
        let cuts = self.has(Quirk::PatchCut) || self.has(Quirk::ResumedAtWrongOffset);
        match seen.method == "PATCH" && (large || (cuts && self.first("cut"))) {
            true => Early::Cut(length / 2),
            false => Early::Go,
        }
    }

    /// Half of a body came, and the line broke.
    pub(super) fn cut(&self, seen: &Seen) {
        let Some(Route { rest, .. }) = route(&seen.path) else { return };
        let mut store = self.store();
        if self.has(Quirk::LargeRequestsCut) {
            store.uploads.remove(&rest);
        } else if let Some(upload) = store.uploads.get_mut(&rest) {
            upload.bytes.extend(&seen.body);
            upload.was_cut = true;
        }
    }

    /// The answer to a request that came whole.
    pub(super) fn answer(&self, seen: &Seen) -> Reply {
        let reply = self.plain_answer(seen);
        let reply = match self.has(Quirk::Warns) {
            true => reply.header("warning", "299 - \"going \u{202e}away\""),
            false => reply,
        };
        match self.has(Quirk::FewRequestsLeft) {
            true => {
                reply.header("ratelimit-limit", "100;w=2").header("ratelimit-remaining", "9;w=2")
            }
            false => reply,
        }
    }

    fn plain_answer(&self, seen: &Seen) -> Reply {
        if seen.path == "/token" {
            return self.token(seen);
        }
        if seen.path.starts_with("/given/") {
            return Reply::new(200).body(ANY, self.store().given.clone());
        }
        let Some(route) = route(&seen.path) else {
            return Reply::new(if seen.path == "/v2/" { 200 } else { 404 });
        };
        if seen.port == self.elsewhere {
            if seen.header("authorization").is_some() {
                return Reply::error(400, "SIGNATURE", "only one auth mechanism allowed");
            }
        } else if let Some(refusal) = self.unauthorised(seen, &route.repository) {
            return refusal;
        }
        if let Some(busy) = self.busy(seen, route.kind) {
            return busy;
        }
        match (route.kind, seen.method.as_str()) {
            ("blobs/uploads", "POST") => self.start(seen, &route),
            ("blobs/uploads", _) => self.session(seen, &route),
            ("blobs", _) => self.blob(seen, &route),
            ("manifests", "PUT") => self.put(seen, &route),
            ("manifests", _) => self.manifest(seen, &route),
            ("referrers", _) => self.referrers(&route),
            ("tags", _) => self.tags(seen, &route),
            _ => Reply::new(404),
        }
    }

    fn busy(&self, seen: &Seen, kind: &str) -> Option<Reply> {
        let (status, after) = self.say(|quirk| match quirk {
            Quirk::BusyAtFirst(status, after) => Some((*status, *after)),
            _ => None,
        })?;
        let reply = || Reply::error(status, "TOOMANYREQUESTS", "slow down");
        self.first(&format!("busy {} {kind}", seen.method)).then(|| match after {
            Some(after) => {
                reply().header("retry-after", after).header("date", "Wed, 28 Feb 2024 23:59:59 GMT")
            }
            None => reply(),
        })
    }

    fn start(&self, seen: &Seen, route: &Route) -> Reply {
        if self.has(Quirk::UploadsDenied) {
            return Reply::error(403, "DENIED", "requested access to the resource is denied");
        }
        if let Some(mount) = seen.query.get("mount") {
            let status = self.say(|quirk| match quirk {
                Quirk::MountAnswers(status) => Some(*status),
                _ => None,
            });
            match status {
                Some(202) => {}
                Some(status) => return Reply::error(status, "UNSUPPORTED", "no mounts here"),
                None if !seen.query.contains_key("from") => return Reply::new(400),
                None => {
                    let mut store = self.store();
                    let from = (seen.query["from"].clone(), mount.clone());
                    if let Some(bytes) = store.blobs.get(&from).cloned() {
                        store.blobs.insert((route.repository.clone(), mount.clone()), bytes);
                        return Reply::new(201);
                    }
                }
            }
        }
        let mut store = self.store();
        store.sessions += 1;
        let id = format!("session-{}", store.sessions);
        let repository = route.repository.clone();
        store.uploads.insert(id.clone(), Upload { repository, ..Upload::default() });
        drop(store);
        let reply = self.located(seen, route, &id, Reply::new(202));
        match self.has(Quirk::ChunksFrom5MiB) {
            true => reply.header("oci-chunk-min-length", 5 * MIB),
            false => reply,
        }
    }

    fn located(&self, seen: &Seen, route: &Route, id: &str, reply: Reply) -> Reply {
        let path = format!("/v2/{}/blobs/uploads/{id}?state=x", route.repository);
        if self.has(Quirk::SessionsElsewhere) {
            return reply.header("location", format!("http://127.0.0.1:{}{path}", self.elsewhere));
        }
        match self.has(Quirk::RelativeLocations) {
            true => reply.header("location", path),
            false => {
                reply.header("location", format!("http://{}{path}", seen.header("host").unwrap()))
            }
        }
    }

    fn session(&self, seen: &Seen, route: &Route) -> Reply {
        let unknown =
            || Reply::error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
        let mut store = self.store();
        let Some(upload) = store.uploads.get_mut(&route.rest) else { return unknown() };
        if upload.repository != route.repository {
            return unknown();
        }
        match seen.method.as_str() {
            "PATCH" => {
                drop(store);
                self.patch(seen, route)
            }
            "GET" => {
                let range = range(&upload.bytes);
                drop(store);
                self.located(seen, route, &route.rest, Reply::new(204)).header("range", range)
            }
            "PUT" => {
                let digest = seen.query["digest"].clone();
                let asked = store.played.entry(format!("commit {digest}")).or_default();
                *asked += 1;
                if self.has(Quirk::SessionsForgotten) && *asked == 1 {
                    store.uploads.remove(&route.rest);
                    return unknown();
                }
                commit(&mut store, route, &seen.body, digest)
            }
            _ => {
                store.uploads.remove(&route.rest);
                Reply::new(204)
            }
        }
    }

    fn patch(&self, seen: &Seen, route: &Route) -> Reply {
        let half = self.has(Quirk::PatchHalfTaken416) && self.first("half");
        let lost = self.has(Quirk::PatchAnswerLost) && self.first("lost");
        let mut store = self.store();
        let upload = store.uploads.get_mut(&route.rest).unwrap();
        let begins: usize = seen
            .header("content-range")
            .map_or(0, |range| range.split_once('-').unwrap().0.parse().unwrap());
        if self.has(Quirk::ResumedAtWrongOffset) && upload.was_cut {
            return Reply::error(404, "BLOB_UPLOAD_INVALID", "upload resumed at wrong offset");
        }
        if begins != upload.bytes.len() {
            let range = range(&upload.bytes);
            return Reply::error(416, "RANGE_INVALID", "out of order").header("range", range);
        }
        if half {
            upload.bytes.extend(&seen.body[..seen.body.len() / 2]);
            let range = range(&upload.bytes);
            return Reply::error(416, "RANGE_INVALID", "out of order").header("range", range);
        }
        upload.bytes.extend(&seen.body);
        let range = range(&upload.bytes);
        drop(store);
        if lost {
            return Reply::new(202).way(Way::Lost);
        }
        let status = if self.has(Quirk::PatchAnswers201) { 201 } else { 202 };
        self.located(seen, route, &route.rest, Reply::new(status)).header("range", range)
    }

    fn blob(&self, seen: &Seen, route: &Route) -> Reply {
        let key = (route.repository.clone(), route.rest.clone());
        let Some(bytes) = self.store().blobs.get(&key).cloned() else {
            return Reply::error(404, "BLOB_UNKNOWN", "blob unknown to registry");
        };
        if self.has(Quirk::BlobsInPlainHttp) {
            return Reply::new(307).header("location", "http://cdn.test/blob");
        }
        if self.has(Quirk::BlobsElsewhere) && seen.port != self.elsewhere {
            let there = format!("http://127.0.0.1:{}{}", self.elsewhere, seen.path);
            return Reply::new(307).header("location", there);
        }
        let from = seen.header("range").and_then(|range| range.strip_prefix("bytes="));
        let from: usize = from.map_or(0, |text| text.trim_end_matches('-').parse().unwrap());
        let whole = from == 0 || self.has(Quirk::RangesIgnored);
        let reply = match whole {
            true => Reply::new(200).body(ANY, bytes),
            false => {
                let span = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
                Reply::new(206).body(ANY, bytes[from..].to_vec()).header("content-range", span)
            }
        };
        let cuts = self.has(Quirk::RangesIgnored) || self.has(Quirk::BlobsCut);
        if cuts && seen.method == "GET" && self.first(&route.rest) {
            let half = reply.body.len() / 2;
            return reply.way(Way::Cut(half));
        }
        match self.has(Quirk::BlobsCrawl) {
            true => reply.way(Way::Crawl),
            false => self.in_its_way(reply),
        }
    }

    fn in_its_way(&self, reply: Reply) -> Reply {
        let way = self.say(|quirk| match quirk {
            Quirk::NoContentLength => Some(Way::ToTheEnd),
            Quirk::Chunked => Some(Way::Chunked),
            _ => None,
        });
        reply.way(way.unwrap_or(Way::Whole))
    }

    fn manifest(&self, seen: &Seen, route: &Route) -> Reply {
        let unknown = Reply::error(404, "MANIFEST_UNKNOWN", "manifest unknown");
        let by_digest = route.rest.starts_with("sha");
        let by_digest = by_digest && route.rest.contains(':');
        let store = self.store();
        let tag = || store.tags.get(&(route.repository.clone(), route.rest.clone())).cloned();
        let digest = if by_digest { Some(route.rest.clone()) } else { tag() };
        let found = digest.and_then(|digest| {
            let (kind, bytes) = store.manifests.get(&(route.repository.clone(), digest.clone()))?;
            Some((digest, kind.clone(), bytes.clone()))
        });
        drop(store);
        let head = self.say(|quirk| match quirk {
            Quirk::ManifestHeadAnswers(status) => Some(*status),
            _ => None,
        });
        if let Some(status) = head.filter(|_| seen.method == "HEAD") {
            return Reply::new(status);
        }
        if self.has(Quirk::OnlySchema1) {
            let kind = "application/vnd.docker.distribution.manifest.v1+prettyjws";
            return Reply::new(200).body(kind, br#"{"schemaVersion":1,"fsLayers":[]}"#.to_vec());
        }
        let Some((digest, kind, bytes)) = found else {
            return match self.has(Quirk::AbsentTagsForbidden) && !by_digest {
                true => Reply::error(403, "DENIED", "the requested resource is forbidden"),
                false => unknown,
            };
        };
        let kind = if self.has(Quirk::OtherContentType) { OCI_INDEX.to_owned() } else { kind };
        let reply = Reply::new(200).body(&kind, bytes);
        let reply = match self.has(Quirk::NoContentDigest) {
            true => reply,
            false => reply.header("docker-content-digest", digest),
        };
        match self.has(Quirk::DocumentsNeverEnd) && seen.method == "GET" {
            true => reply.way(Way::Endless),
            false => self.in_its_way(reply),
        }
    }

    fn put(&self, seen: &Seen, route: &Route) -> Reply {
        let document: Value = serde_json::from_slice(&seen.body).unwrap();
        let kind = seen.header("content-type").unwrap().to_owned();
        if let Some(refusal) = self.refused(route, &document, &kind) {
            return refusal;
        }
        let mut store = self.store();
        let is_there = |entry: &Value| {
            if entry.get("urls").is_some() {
                return true;
            }
            let key = (route.repository.clone(), entry["digest"].as_str().unwrap().to_owned());
            store.blobs.contains_key(&key) || store.manifests.contains_key(&key)
        };
        let list = |field: &str| document[field].as_array().cloned().unwrap_or_default();
        let parts = [list("layers"), list("manifests")].concat();
        let config = document.get("config").cloned();
        if !parts.iter().chain(&config).all(is_there) {
            return Reply::error(404, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry");
        }
        let digest = match route.rest.contains(':') {
            true => route.rest.clone(),
            false => Digest::of(&seen.body).to_string(),
        };
        if digest_of(&digest, &seen.body) != digest {
            return Reply::error(400, "DIGEST_INVALID", "provided digest did not match");
        }
        let key = (route.repository.clone(), digest.clone());
        store.manifests.insert(key, (kind, seen.body.clone()));
        if digest != route.rest {
            store.tags.insert((route.repository.clone(), route.rest.clone()), digest.clone());
        }
        let reply = Reply::new(201).header("docker-content-digest", digest);
        match document["subject"]["digest"].as_str() {
            Some(subject) if !self.has(Quirk::NoReferrersApi) && self.lists().is_none() => {
                reply.header("oci-subject", subject)
            }
            _ => reply,
        }
    }

    /// What this registry has against a document.
    fn refused(&self, route: &Route, document: &Value, kind: &str) -> Option<Reply> {
        if self.has(Quirk::ManifestsTooLarge) {
            return Some(Reply::error(413, "SIZE_INVALID", "manifest too large"));
        }
        if self.has(Quirk::QuotaExceeded) {
            let words = "adding 1.0 MiB of storage resource, which exceeds the quota of 1 KiB";
            return Some(Reply::error(403, "DENIED", words));
        }
        if self.has(Quirk::ArtifactTypesRefused) && document.get("artifactType").is_some() {
            return Some(Reply::error(405, "UNSUPPORTED", "Invalid parameter at 'ImageManifest'"));
        }
        if self.has(Quirk::DockerTypesRefused) && kind.starts_with("application/vnd.docker.") {
            return Some(Reply::error(415, "MANIFEST_INVALID", "manifest invalid"));
        }
        let status = self.say(|quirk| match quirk {
            Quirk::TagsImmutable(status) => Some(*status),
            _ => None,
        })?;
        let key = (route.repository.clone(), route.rest.clone());
        self.store().tags.contains_key(&key).then(|| {
            Reply::error(status, "TAG_INVALID", "the tag is immutable and cannot be overwritten")
        })
    }

    fn tags(&self, seen: &Seen, route: &Route) -> Reply {
        let size = seen.query.get("n").map(|text| text.parse::<usize>().unwrap());
        let most = self.say(|quirk| match quirk {
            Quirk::PagesUpTo(most) => Some(*most),
            _ => None,
        });
        if most.is_some_and(|most| size.is_some_and(|size| size > most)) {
            return Reply::error(400, "PAGINATION_NUMBER_INVALID", "invalid number of results");
        }
        let store = self.store();
        let of_it = store.tags.keys().filter(|(name, _)| *name == route.repository);
        let all: Vec<&String> = of_it.map(|(_, tag)| tag).collect();
        let last = seen.query.get("last");
        let rest = all.iter().filter(|tag| last.is_none_or(|last| **tag > last));
        let pages = [Quirk::TagsInPages, Quirk::NextPageElsewhere, Quirk::PagesInACircle];
        let paged = pages.iter().any(|quirk| self.has(*quirk));
        let page: Vec<_> = rest.take(if paged { 2 } else { usize::MAX }).collect();
        let tags = if self.has(Quirk::TagsNull) { Value::Null } else { json!(page) };
        let body = json!({"name": route.repository, "tags": tags}).to_string().into_bytes();
        let reply = Reply::new(200).body("application/json", body);
        let Some(end) = page.last().filter(|end| paged && **end != all.last().unwrap()) else {
            return reply;
        };
        let next = match self.has(Quirk::PagesInACircle) {
            true => format!("{}?n=1000", seen.path),
            false => format!("{}?n=1000&last={end}", seen.path),
        };
        let there = format!("http://127.0.0.1:{}{next}", self.elsewhere);
        let next = if self.has(Quirk::NextPageElsewhere) { there } else { next };
        reply.header("link", format!("<{next}>; rel=\"next\""))
    }

    fn lists(&self) -> Option<u16> {
        self.say(|quirk| match quirk {
            Quirk::ReferrersAnswer(status) => Some(*status),
            Quirk::NoReferrersApi => Some(404),
            _ => None,
        })
    }

    fn referrers(&self, route: &Route) -> Reply {
        if let Some(status) = self.lists() {
            return Reply::new(status);
        }
        let store = self.store();
        let entries: Vec<Value> = store
            .manifests
            .iter()
            .filter(|((repository, _), _)| *repository == route.repository)
            .filter_map(|((_, digest), (kind, bytes))| {
                let document: Value = serde_json::from_slice(bytes).ok()?;
                (document["subject"]["digest"] == route.rest.as_str()).then(|| {
                    json!({"mediaType": kind, "digest": digest, "size": bytes.len(),
                           "artifactType": document["artifactType"].clone()})
                })
            })
            .collect();
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries});
        Reply::new(200).body(OCI_INDEX, index.to_string().into_bytes())
    }
}

fn commit(store: &mut Store, route: &Route, rest: &[u8], digest: String) -> Reply {
    let Some(mut upload) = store.uploads.remove(&route.rest) else { return Reply::new(404) };
    upload.bytes.extend(rest);
    if digest_of(&digest, &upload.bytes) != digest {
        return Reply::error(400, "DIGEST_INVALID", "provided digest did not match");
    }
    store.blobs.insert((route.repository.clone(), digest), upload.bytes);
    Reply::new(201)
}

/// The digest of `bytes` by the algorithm of `digest`.
fn digest_of(digest: &str, bytes: &[u8]) -> String {
    let mut hasher = digest.parse::<Digest>().unwrap().hasher();
    hasher.update(bytes);
    hasher.finish().to_string()
}

fn range(bytes: &[u8]) -> String {
    format!("0-{}", bytes.len().saturating_sub(1))
}
