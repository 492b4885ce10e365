//! The server as its clients see it.

use std::net::Ipv4Addr;
use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::layout::{Layout, LayoutWriter};
use crate::oci::{Descriptor, Digest, Manifest, MediaType, OCI_INDEX, OCI_MANIFEST};

const IMAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/images");
const MULTI: &str = "sha256:d73168238868fbbd1a59b8c6579b3b6d4f9b89a968176179b12b0a68201a16ef";
const SIGNED: &str = "sha256:56ee10e21e5307b9b25f334c5291ff1b65db4a141e9760b02a68462bca2c23ca";

fn serve(root: &Path) -> Server {
    start(root).unwrap()
}

fn start(root: &Path) -> Result<Server, ServeError> {
    start_at(root, (Ipv4Addr::LOCALHOST, 0).into())
}

fn start_at(root: &Path, addr: SocketAddr) -> Result<Server, ServeError> {
    Server::start(Stock::layout(Layout::open(root).unwrap())?, Options::open(addr))
}

struct Answer {
    status: u16,
    headers: ureq::http::HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn code(&self) -> String {
        self.json()["errors"][0]["code"].as_str().unwrap().to_owned()
    }
}

fn ask(server: &Server, method: &str, path: &str, range: Option<&str>) -> Answer {
    let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build();
    let uri = format!("http://{}{path}", server.addr());
    let mut request = ureq::http::Request::builder().method(method).uri(uri);
    if let Some(range) = range {
        request = request.header("range", range);
    }
    let response = ureq::Agent::from(config).run(request.body(()).unwrap()).unwrap();
    let (head, mut body) = response.into_parts();
    let body = body.with_config().limit(1 << 26).read_to_vec().unwrap();
    Answer { status: head.status.as_u16(), headers: head.headers, body }
}

fn get(server: &Server, path: &str) -> Answer {
    ask(server, "GET", path, None)
}

#[test]
fn says_that_it_is_a_registry() {
    let server = serve(Path::new(IMAGES));
    for path in ["/v2/", "/v2"] {
        let answer = get(&server, path);
        assert_eq!((answer.status, answer.json()), (200, json!({})));
        assert_eq!(answer.header("docker-distribution-api-version"), "registry/2.0");
    }
}

#[test]
fn gives_manifests_by_tag_and_digest() {
    let server = serve(Path::new(IMAGES));
    for reference in ["1.0", "latest", MULTI, &MULTI.replace(':', "%3A")] {
        let path = format!("/v2/library/multi/manifests/{reference}");
        let answer = get(&server, &path);
        assert_eq!(answer.status, 200, "{reference}");
        assert_eq!(Digest::of(&answer.body).to_string(), MULTI);
        assert_eq!(answer.header("content-type"), OCI_INDEX);
        assert_eq!(answer.header("docker-content-digest"), MULTI);
        let head = ask(&server, "HEAD", &path, None);
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(head.header("content-length"), answer.body.len().to_string());
        assert_eq!(head.header("docker-content-digest"), MULTI);
    }
}

#[test]
fn gives_blobs_and_parts_of_them() {
    let server = serve(Path::new(IMAGES));
    let manifest = get(&server, "/v2/library/busybox/manifests/1.35").json();
    let (digest, size) = (&manifest["layers"][0]["digest"], &manifest["layers"][0]["size"]);
    let path = format!("/v2/library/busybox/blobs/{}", digest.as_str().unwrap());
    let size = size.as_u64().unwrap() as usize;
    let whole = get(&server, &path);
    assert_eq!((whole.status, whole.body.len()), (200, size));
    assert_eq!(json!(Digest::of(&whole.body)), *digest);
    assert_eq!(whole.header("content-length"), size.to_string());
    let head = ask(&server, "HEAD", &path, Some("bytes=0-0"));
    assert_eq!((head.status, head.header("content-length")), (200, size.to_string().as_str()));
    for (range, from, to) in [
        ("bytes=0-0".to_owned(), 0, 1),
        ("bytes=1000-700000".to_owned(), 1000, 700_001),
        (format!("bytes={}-", size - 5), size - 5, size),
        ("bytes=-7".to_owned(), size - 7, size),
    ] {
        let part = ask(&server, "GET", &path, Some(&range));
        assert_eq!(part.status, 206, "{range}");
        assert_eq!(part.body, whole.body[from..to], "{range}");
        assert_eq!(part.header("content-range"), format!("bytes {from}-{}/{size}", to - 1));
    }
    let past = ask(&server, "GET", &path, Some(&format!("bytes={size}-")));
    assert_eq!(
        (past.status, past.header("content-range")),
        (416, format!("bytes */{size}").as_str())
    );
}

#[test]
fn a_repository_gives_out_its_own_content_alone() {
    let server = serve(Path::new(IMAGES));
    let manifest = get(&server, "/v2/tools/zstd/manifests/1.0");
    let digest = manifest.header("docker-content-digest").to_owned();
    let layer = manifest.json()["layers"][0]["digest"].as_str().unwrap().to_owned();
    assert_eq!(get(&server, &format!("/v2/tools/zstd/blobs/{layer}")).status, 200);
    for path in [
        format!("/v2/library/busybox/manifests/{digest}"),
        format!("/v2/library/busybox/blobs/{layer}"),
    ] {
        assert_eq!(get(&server, &path).status, 404, "{path}");
    }
    let elsewhere = get(&server, &format!("/v2/library/busybox/referrers/{SIGNED}"));
    assert_eq!(elsewhere.json()["manifests"], json!([]));
}

#[test]
fn refuses_in_the_words_of_the_specification() {
    let server = serve(Path::new(IMAGES));
    let digest = Digest::of(b"absent");
    for (path, status, code) in [
        ("/v2/no/such/manifests/1", 404, "NAME_UNKNOWN"),
        ("/v2/library/busybox/manifests/9", 404, "MANIFEST_UNKNOWN"),
        ("/v2/library/busybox/manifests/.9", 404, "MANIFEST_UNKNOWN"),
        (&format!("/v2/library/busybox/manifests/{digest}"), 404, "MANIFEST_UNKNOWN"),
        (&format!("/v2/library/busybox/blobs/{digest}"), 404, "BLOB_UNKNOWN"),
        ("/v2/library/busybox/blobs/sha256:0", 400, "DIGEST_INVALID"),
        ("/v2/UPPER/tags/list", 400, "NAME_INVALID"),
        ("/v2/..%2f..%2fetc/tags/list", 400, "NAME_INVALID"),
        ("/v2/library/busybox/tags/list?n=x", 400, "UNSUPPORTED"),
        ("/v2/%ff/tags/list", 404, "UNSUPPORTED"),
        ("/v2/library/busybox", 404, "UNSUPPORTED"),
        ("/favicon.ico", 404, "UNSUPPORTED"),
    ] {
        let answer = get(&server, path);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path}");
    }
    for (method, path) in [
        ("POST", "/v2/library/busybox/blobs/uploads/"),
        ("PUT", "/v2/library/busybox/manifests/1.35"),
        ("DELETE", "/v2/library/busybox/manifests/1.35"),
        ("PATCH", "/"),
    ] {
        let answer = ask(&server, method, path, None);
        assert_eq!((answer.status, answer.code().as_str()), (405, "UNSUPPORTED"), "{method}");
        assert_eq!(answer.header("allow"), "GET, HEAD");
    }
}

#[test]
fn lists_tags_and_repositories() {
    let server = serve(Path::new(IMAGES));
    let tags = get(&server, "/v2/library/multi/tags/list");
    assert_eq!(tags.json(), json!({"name": "library/multi", "tags": ["1.0", "latest"]}));
    assert_eq!(tags.header("link"), "");
    let first = get(&server, "/v2/library/multi/tags/list?n=1");
    assert_eq!(first.json()["tags"], json!(["1.0"]));
    assert_eq!(first.header("link"), "</v2/library/multi/tags/list?n=1&last=1.0>; rel=\"next\"");
    let second = get(&server, "/v2/library/multi/tags/list?n=1&last=1.0");
    assert_eq!(second.json()["tags"], json!(["latest"]));
    assert_eq!(second.header("link"), "");
    let names = get(&server, "/v2/_catalog").json();
    let names = names["repositories"].as_array().unwrap().clone();
    assert!(names.contains(&json!("signed/app")) && names.contains(&json!("library/base")));
    let page = get(&server, "/v2/_catalog?n=2&last=charts/hello");
    assert_eq!(page.json()["repositories"], json!(["legacy/list", "legacy/schema2"]));
}

#[test]
fn lists_referrers_by_kind() {
    let server = serve(Path::new(IMAGES));
    let path = format!("/v2/signed/app/referrers/{SIGNED}");
    let all = get(&server, &path);
    assert_eq!(all.header("content-type"), OCI_INDEX);
    assert_eq!(all.json()["manifests"].as_array().unwrap().len(), 3);
    assert_eq!(all.header("oci-filters-applied"), "");
    let some = get(&server, &format!("{path}?artifactType=application%2Fspdx%2Bjson"));
    assert_eq!(some.header("oci-filters-applied"), "artifactType");
    let [sbom] = some.json()["manifests"].as_array().unwrap().clone().try_into().unwrap();
    assert_eq!(sbom["artifactType"], "application/spdx+json");
    let digest = sbom["digest"].as_str().unwrap().to_owned();
    assert_eq!(get(&server, &format!("/v2/signed/app/manifests/{digest}")).status, 200);
    let of_sbom = get(&server, &format!("/v2/signed/app/referrers/{digest}"));
    assert_eq!(of_sbom.json()["manifests"].as_array().unwrap().len(), 1);
    let none = get(&server, &format!("/v2/signed/app/referrers/{}", Digest::of(b"")));
    assert_eq!((none.status, none.json()["manifests"].clone()), (200, json!([])));
}

/// A layout with one image `docker.io/a/b:1` of one layer; gives layer and manifest.
fn small(root: &Path) -> (Descriptor, Descriptor) {
    let writer = LayoutWriter::open_or_create(root).unwrap();
    let layer = Descriptor::of(MediaType::new("a/layer").unwrap(), b"layer");
    writer.stage(&layer, &mut &b"layer"[..]).unwrap().commit().unwrap();
    let raw = json!({"schemaVersion": 2, "config": layer, "layers": [layer]}).to_string();
    let descriptor = Descriptor::of(MediaType::new(OCI_MANIFEST).unwrap(), raw.as_bytes());
    let manifest = Manifest::parse(descriptor.clone(), raw.into_bytes()).unwrap();
    writer.put_manifest(&manifest).unwrap();
    writer.set_name("docker.io/a/b:1", &descriptor).unwrap();
    (layer, descriptor)
}

fn blob(root: &Path, descriptor: &Descriptor) -> std::path::PathBuf {
    root.join("blobs/sha256").join(descriptor.digest.hex())
}

#[test]
fn nothing_of_damaged_content_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let (layer, manifest) = small(dir.path());
    let path = format!("/v2/a/b/blobs/{}", layer.digest);
    std::fs::write(blob(dir.path(), &layer), "lAyer").unwrap();
    let server = serve(dir.path());
    for _ in 0..2 {
        let answer = ask(&server, "GET", &path, Some("bytes=3-"));
        assert_eq!((answer.status, answer.code().as_str()), (500, "UNKNOWN"));
        assert_eq!(ask(&server, "HEAD", &path, None).status, 500);
    }
    std::fs::write(blob(dir.path(), &manifest), "{}").unwrap();
    let answer = get(&server, "/v2/a/b/manifests/1");
    assert_eq!((answer.status, answer.code().as_str()), (500, "UNKNOWN"));
    server.stop();
    // A document that was damaged before the start is known by its name, and given to nobody.
    let server = serve(dir.path());
    assert_eq!(get(&server, "/v2/a/b/manifests/1").status, 500);
    assert_eq!(get(&server, &path).status, 404);
}

#[test]
fn a_blob_that_is_gone_is_not_found() {
    let dir = tempfile::tempdir().unwrap();
    let (layer, manifest) = small(dir.path());
    let server = serve(dir.path());
    std::fs::remove_file(blob(dir.path(), &layer)).unwrap();
    std::fs::remove_file(blob(dir.path(), &manifest)).unwrap();
    let path = format!("/v2/a/b/blobs/{}", layer.digest);
    assert_eq!(get(&server, &path).code(), "BLOB_UNKNOWN");
    assert_eq!(get(&server, "/v2/a/b/manifests/1").code(), "MANIFEST_UNKNOWN");
}

#[test]
fn two_images_of_one_path_answer_to_their_long_names() {
    let dir = tempfile::tempdir().unwrap();
    let (layer, manifest) = small(dir.path());
    let writer = LayoutWriter::open_or_create(dir.path()).unwrap();
    writer.set_name("quay.io/a/b:1", &manifest).unwrap();
    let server = serve(dir.path());
    let digest = manifest.digest.to_string();
    for path in ["a/b/manifests/1", "docker.io/a/b/manifests/1", "a/b/manifests/1?ns=quay.io"] {
        let answer = get(&server, &format!("/v2/{path}"));
        assert_eq!(answer.header("docker-content-digest"), digest, "{path}");
    }
    server.stop();
    let other = json!({"schemaVersion": 2, "layers": [], "config": layer}).to_string();
    let descriptor = Descriptor::of(MediaType::new(OCI_MANIFEST).unwrap(), other.as_bytes());
    let other = Manifest::parse(descriptor.clone(), other.into_bytes()).unwrap();
    writer.put_manifest(&other).unwrap();
    writer.set_name("quay.io/a/b:1", &descriptor).unwrap();
    let server = serve(dir.path());
    let theirs = descriptor.digest.to_string();
    for (path, digest) in [
        ("docker.io/a/b/manifests/1", Some(&digest)),
        ("docker.io/a/b/manifests/1?ns=docker.io", Some(&digest)),
        ("a/b/manifests/1?ns=docker.io", Some(&digest)),
        ("a/b/manifests/1?ns=registry-1.docker.io", Some(&digest)),
        ("quay.io/a/b/manifests/1", Some(&theirs)),
        ("a/b/manifests/1?ns=quay.io", Some(&theirs)),
        ("a/b/manifests/1", None),
        ("a/b/manifests/1?ns=ghcr.io", None),
        ("quay.io/a/b/manifests/1?ns=docker.io", None),
    ] {
        let answer = get(&server, &format!("/v2/{path}"));
        match digest {
            Some(digest) => assert_eq!(answer.header("docker-content-digest"), digest, "{path}"),
            None => assert_eq!((answer.status, answer.code().as_str()), (404, "NAME_UNKNOWN")),
        }
    }
    let names = get(&server, "/v2/_catalog").json();
    assert_eq!(names["repositories"], json!(["docker.io/a/b", "quay.io/a/b"]));
    let page = String::from_utf8(get(&server, "/").body).unwrap();
    assert!(page.contains("docker.io/a/b or quay.io/a/b"), "{page}");
}

#[test]
fn a_blob_that_changes_after_it_was_proven_breaks_off() {
    let dir = tempfile::tempdir().unwrap();
    let (layer, _) = small(dir.path());
    let server = serve(dir.path());
    let path = format!("/v2/a/b/blobs/{}", layer.digest);
    assert_eq!(get(&server, &path).body, b"layer");
    std::fs::write(blob(dir.path(), &layer), "lAyer").unwrap();
    let answer = get(&server, &path);
    assert_eq!((answer.status, answer.code().as_str()), (500, "UNKNOWN"));
    let text = String::from_utf8(get(&server, "/metrics").body).unwrap();
    assert!(text.contains("gapferry_content_damaged_total 1\n"), "{text}");
}

#[test]
fn the_page_shows_what_is_there() {
    let server = serve(Path::new(IMAGES));
    let answer = get(&server, "/");
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert!(answer.header("content-security-policy").starts_with("default-src 'none'"));
    let page = String::from_utf8(answer.body).unwrap();
    for text in [MULTI, "docker.io/library/multi:1.0", "linux/arm64", "application/spdx+json"] {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("<script") && !page.contains("http"), "nothing from elsewhere");
}

#[test]
fn an_address_in_use_is_named() {
    let server = serve(Path::new(IMAGES));
    let second = start_at(Path::new(IMAGES), server.addr());
    assert!(matches!(second, Err(ServeError::Listen { addr, .. }) if addr == server.addr()));
    let addr = server.addr();
    server.stop();
    assert!(std::net::TcpStream::connect(addr).is_err());
}

#[test]
fn many_clients_are_served_at_once() {
    let server = serve(Path::new(IMAGES));
    let manifest = get(&server, "/v2/library/busybox/manifests/1.35").json();
    let digest = manifest["layers"][0]["digest"].as_str().unwrap();
    let path = format!("/v2/library/busybox/blobs/{digest}");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(Digest::of(&get(&server, &path).body).to_string(), digest));
        }
    });
}
